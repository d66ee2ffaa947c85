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
        partition_date,
        captured_at,
        count(*) as bars
    from {{ source("staging", "stock_days") }}
    where {{ in_window() }}
    group by partition_date, captured_at
),

sizes as (
    select
        *,
        max(bars) over (partition by partition_date) as most_bars
    from answers
),

-- An answer that lost most of its bars is a bad moment of the API, not a correction.
newest as (
    select
        partition_date,
        max(captured_at) as captured_at
    from sizes
    where 2 * bars >= most_bars
    group by partition_date
),

bars as (
    select
        bars.*,
        count(*) over (partition by bars.partition_date, bars.ticker) - 1 as twins,
        row_number() over (
            partition by bars.partition_date, bars.ticker
            order by bars.volume desc, bars.position asc, bars.part asc
        ) as place
    from {{ source("staging", "stock_days") }} as bars
    inner join newest
        on
            bars.partition_date = newest.partition_date
            and bars.captured_at = newest.captured_at
)

select
    partition_date,
    ticker,
    open,
    high,
    low,
    close,
    volume,
    vwap,
    transactions,
    is_otc,
    captured_at,
    cast(twins as bigint) as twins
from bars
where place = 1
