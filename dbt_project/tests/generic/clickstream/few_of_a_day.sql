{# A count is at most so many percent of another one, of each day of the window. #}
{% test few_of_a_day(model, part, of, percent) %}
select
    partition_date,
    sum({{ part }}) as part,
    sum({{ of }}) as whole
from {{ model }}
where {{ in_window() }}
group by partition_date
having 100 * sum({{ part }}) > {{ percent }} * sum({{ of }})
{% endtest %}
