{#
    The sums over the hours of each day of the window are those of the day.

    sums   columns that both have
    days   columns of the day, by the columns of the hours that add up to them
#}
{% test hours_add_up(model, to, sums, days) %}
with

hours as (
    select
        partition_date,
        count(*) as hours,
        {{ sums_of(sums + days | list) }}
    from {{ to }}
    where {{ in_window() }}
    group by partition_date
),

days as (
    select *
    from {{ model }}
    where {{ in_window() }}
)

select coalesce(days.partition_date, hours.partition_date) as partition_date
from days
full outer join hours on days.partition_date = hours.partition_date
where
    days.partition_date is null
    or hours.partition_date is null
    or hours.hours <> 24
    or {{ any_differs("hours", "days", dict(zip(sums, sums), **days)) }}
{% endtest %}
