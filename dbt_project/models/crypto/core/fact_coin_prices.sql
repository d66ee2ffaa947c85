{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

-- A coin that changed places between two calls is on two pages of a poll.
with

coins as (
    select *
    from {{ source("staging", "coin_snapshots") }}
    where {{ in_window() }}
    qualify
        row_number() over (
            partition by partition_date, polled_at, coin_id order by page asc, pages asc
        ) = 1
),

measured as (
    select
        *,
        max(source_ts) over (partition by partition_date, polled_at) as newest_source_ts
    from coins
)

select
    partition_date,
    polled_at,
    source_ts,
    page,
    coin_id,
    -- 0 is what the API sends for a price or a cap that it doesn't know.
    nullif(price, 0) as price,
    nullif(market_cap, 0) as market_cap,
    nullif(high_24h, 0) as high_24h,
    nullif(low_24h, 0) as low_24h,
    market_cap_rank,
    fully_diluted_valuation,
    volume_24h,
    change_24h_pct,
    circulating_supply,
    total_supply,
    max_supply,
    coalesce(datediff('second', source_ts, newest_source_ts) > 600, true) as is_stale
from measured
