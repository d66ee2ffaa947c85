{#
    A past day of the window has so many percent of the polls that the interval gives, and the day
    after it has some. Past is a day that polls of a later one follow.
#}
{% test days_have_their_polls(model, percent) %}
with

days as (
    select
        partition_date,
        count(*) as polls
    from {{ model }}
    group by partition_date
),

followed as (
    select
        *,
        lead(partition_date) over (order by partition_date) as next_date
    from days
)

select *
from followed
where
    {{ in_window() }}
    and next_date is not null
    and (
        polls * {{ var("crypto_poll_interval", 300) }} * 100 < {{ percent }} * 86400
        or next_date > partition_date + 1
    )
{% endtest %}
