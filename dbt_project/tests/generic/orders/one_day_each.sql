{# No id of the window is on another day too. #}
{% test one_day_each(model, column) %}
select {{ column }}
from {{ model }}
where {{ column }} in (select found.{{ column }} from {{ model }} as found where {{ in_window() }})
group by {{ column }}
having count(distinct partition_date) > 1
{% endtest %}
