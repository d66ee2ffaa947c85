with

newest_poll as (
    select max(last_seen_ts) as polled_at
    from {{ ref("market_attribute_runs") }}
),

lives as (
    select
        *,
        min(first_seen_ts) over (partition by contract_id) as effective_ts
    from {{ ref("contract_attribute_runs") }}
    qualify row_number() over (partition by contract_id order by last_seen_ts desc) = 1
)

select
    lives.contract_id,
    lives.market_id,
    lives.contract_name,
    lives.contract_short_name,
    lives.image_url,
    lives.display_order,
    lives.date_end,
    {{ parse_date_end("lives.date_end") }} as date_end_ts,
    lives.effective_ts,
    lives.last_seen_ts,
    nullif(lives.last_seen_ts, newest_poll.polled_at) as expiry_ts,
    lives.last_seen_ts = newest_poll.polled_at as is_open
from lives
cross join newest_poll
