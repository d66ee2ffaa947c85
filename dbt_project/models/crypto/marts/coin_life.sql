{#
    Made whole: the stretches of a coin reach over any number of days. Only a day with a complete
    poll can tell that a coin is gone, so the days between two sightings are counted by those.
#}
with

days as (
    select
        partition_date,
        max(case when is_complete then 1 else 0 end) as complete_days
    from {{ ref("coin_polls") }}
    group by partition_date
),

counted as (
    select
        *,
        sum(complete_days) over (
            order by partition_date rows between unbounded preceding and current row
        ) as complete_days_so_far
    from days
),

seen as (
    select
        coin_id,
        partition_date,
        min(first_seen_ts) as first_seen_ts,
        max(last_seen_ts) as last_seen_ts
    from {{ ref("coin_attribute_runs") }}
    group by coin_id, partition_date
),

followed as (
    select
        seen.*,
        counted.complete_days_so_far - counted.complete_days as complete_days_before,
        lag(counted.complete_days_so_far) over (
            partition by seen.coin_id order by seen.partition_date
        ) as complete_days_when_seen
    from seen
    inner join counted on seen.partition_date = counted.partition_date
),

marked as (
    select
        *,
        case when complete_days_before > complete_days_when_seen then 1 else 0 end as comes_back
    from followed
),

numbered as (
    select
        *,
        1 + sum(comes_back) over (
            partition by coin_id
            order by partition_date
            rows between unbounded preceding and current row
        ) as stretch
    from marked
),

stretches as (
    select
        coin_id,
        stretch,
        min(first_seen_ts) as first_seen_ts,
        max(last_seen_ts) as last_seen_ts,
        count(*) as days_seen
    from numbered
    group by coin_id, stretch
)

select
    stretches.coin_id,
    cast(stretches.stretch as bigint) as stretch,
    stretches.first_seen_ts,
    stretches.last_seen_ts,
    stretches.days_seen,
    coins.is_open and stretches.last_seen_ts = coins.last_seen_ts as is_open
from stretches
inner join {{ ref("dim_coins") }} as coins on stretches.coin_id = coins.coin_id
