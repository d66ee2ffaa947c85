{# The share of bots of each day of the window is within so many points of the day before. #}
{% test share_is_steady(model, points) %}
with

days as (
    select
        partition_date,
        100.0 * count(case when is_bot then 1 end) / count(*) as percent
    from {{ model }}
    where {{ in_window(1, 0) }}
    group by partition_date
),

followed as (
    select
        partition_date,
        percent,
        lag(partition_date) over (order by partition_date) as date_before,
        lag(percent) over (order by partition_date) as percent_before
    from days
)

select *
from followed
where
    {{ in_window() }}
    and datediff('day', date_before, partition_date) = 1
    and abs(percent - percent_before) > {{ points }}
{% endtest %}
