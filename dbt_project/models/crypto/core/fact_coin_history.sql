{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

with

answers as (
    select
        *,
        max(asked_at) over (partition by partition_date, coin_id) as newest_asked_at
    from {{ source("staging", "coin_history") }}
    where {{ in_window() }}
)

select
    partition_date,
    coin_id,
    point_at,
    -- 0 is what the API sends for a price that it doesn't know.
    nullif(price, 0) as price,
    market_cap,
    volume,
    asked_at
from answers
where
    asked_at = newest_asked_at
    -- An answer may reach over midnight.
    and cast(point_at as date) = partition_date
