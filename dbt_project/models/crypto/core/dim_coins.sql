with

-- Only a whole poll tells who has left; before there is one, the newest poll has to do.
newest_poll as (
    select coalesce(max(case when is_complete then polled_at end), max(polled_at)) as polled_at
    from {{ ref("coin_polls") }}
),

lives as (
    select
        *,
        min(first_seen_ts) over (partition by coin_id) as effective_ts
    from {{ ref("coin_attribute_runs") }}
    qualify row_number() over (partition by coin_id order by last_seen_ts desc) = 1
)

select
    lives.coin_id,
    lives.symbol,
    lives.coin_name,
    nullif(lives.image_url, '') as image_url,
    lives.effective_ts,
    lives.last_seen_ts,
    case when lives.last_seen_ts < newest_poll.polled_at then lives.last_seen_ts end as expiry_ts,
    lives.last_seen_ts >= newest_poll.polled_at as is_open
from lives
cross join newest_poll
