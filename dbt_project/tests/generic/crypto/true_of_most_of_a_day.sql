{# An expression holds in at least so many percent of the rows of each day of the window. #}
{% test true_of_most_of_a_day(model, expression, percent) %}
select
    partition_date,
    count(*) as all_rows,
    count(case when {{ expression }} then 1 end) as true_rows
from {{ model }}
where {{ in_window() }}
group by partition_date
having 100 * count(case when {{ expression }} then 1 end) < {{ percent }} * count(*)
{% endtest %}
