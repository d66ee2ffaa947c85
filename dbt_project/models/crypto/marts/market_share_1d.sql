{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

{#- 30 digits before the point are what an amount holds: caps that are each as large make more. -#}
{%- set beyond = "1" ~ "0" * 30 %}

with

first_pages as (
    select *
    from {{ ref("fact_coin_prices") }}
    where
        {{ in_window() }}
        and page = 1
),

newest as (
    select
        partition_date,
        max(polled_at) as polled_at
    from first_pages
    group by partition_date
),

coins as (
    select
        first_pages.partition_date,
        first_pages.polled_at,
        first_pages.coin_id,
        case when first_pages.market_cap_rank is not null then first_pages.market_cap end
            as market_cap
    from first_pages
    inner join newest
        on
            first_pages.partition_date = newest.partition_date
            and first_pages.polled_at = newest.polled_at
),

sums as (
    select
        partition_date,
        sum(cast(floor(market_cap) as decimal(38, 0))) as whole_dollars,
        sum(mod(market_cap, 1)) as fractions,
        count(market_cap) as coins_counted,
        count(*) - count(market_cap) as coins_without_cap
    from coins
    group by partition_date
),

totals as (
    select
        *,
        case
            when whole_dollars < {{ beyond }}
                then cast(whole_dollars as decimal(38, 8)) + fractions
        end as total_market_cap
    from sums
)

select
    coins.partition_date,
    coins.polled_at,
    coins.coin_id,
    coins.market_cap,
    cast(
        coalesce(totals.total_market_cap, {{ "9" * 30 }}.99999999) as decimal(38, 8)
    ) as total_market_cap,
    cast(
        cast(coins.market_cap as double)
        / coalesce(cast(totals.total_market_cap as double), cast(totals.whole_dollars as double))
        as decimal(18, 12)
    ) as share,
    totals.coins_counted,
    totals.coins_without_cap
from coins
inner join totals on coins.partition_date = totals.partition_date
where coins.market_cap is not null
