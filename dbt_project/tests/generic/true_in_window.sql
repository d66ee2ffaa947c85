{# An expression holds in each row of the window; NULL counts as broken. #}
{% test true_in_window(model, expression) %}
select *
from {{ model }}
where
    {{ in_window() }}
    and not coalesce({{ expression }}, false)
{% endtest %}
