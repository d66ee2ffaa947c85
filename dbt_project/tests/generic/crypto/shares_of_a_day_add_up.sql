{# The shares of each day of the window are parts of one: together 1, but for their rounding. #}
{% test shares_of_a_day_add_up(model) %}
select
    partition_date,
    sum(share) as total
from {{ model }}
where {{ in_window() }}
group by partition_date
having abs(sum(share) - 1) > 0.000000001
{% endtest %}
