with

newest_poll as (
    select max(last_seen_ts) as polled_at
    from {{ ref("market_attribute_runs") }}
),

lives as (
    select
        *,
        min(first_seen_ts) over (partition by market_id) as effective_ts
    from {{ ref("market_attribute_runs") }}
    qualify row_number() over (partition by market_id order by last_seen_ts desc) = 1
)

select
    lives.market_id,
    lives.market_name,
    lives.market_short_name,
    lives.market_url,
    lives.image_url,
    lives.contract_count,
    lives.effective_ts,
    lives.last_seen_ts,
    nullif(lives.last_seen_ts, newest_poll.polled_at) as expiry_ts,
    lives.last_seen_ts = newest_poll.polled_at as is_open
from lives
cross join newest_poll
