{# The columns together are the grain: no two rows of the window share them. #}
{% test unique_in_window(model, columns) %}
select
    {{ columns | join(", ") }},
    count(*) as row_count
from {{ model }}
where {{ in_window() }}
group by {{ columns | join(", ") }}
having count(*) > 1
{% endtest %}
