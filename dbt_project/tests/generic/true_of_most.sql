{# An expression holds in at least so many percent of the rows that are told by another one. #}
{% test true_of_most(model, expression, rows, percent) %}
select
    count(*) as all_rows,
    count(case when {{ expression }} then 1 end) as true_rows
from {{ model }}
where {{ rows }}
having 100 * count(case when {{ expression }} then 1 end) < {{ percent }} * count(*)
{% endtest %}
