{#
    Prices by period: one row per coin and UTC hour or day in which it was polled.

    grain   'hour' or 'day'

    A day depends on nothing but itself: no quote is held over midnight, nor compared with one
    before it. What is fresh makes the prices; all quotes are counted.
#}
{% macro coin_prices_by(grain) %}
{%- set longest_hold = 900 -%}
{%- set in_order = "(partition by partition_date, coin_id order by polled_at)" -%}
{%- set period = "partition by partition_date, coin_id, period_start_ts" -%}
with

quotes as (
    select
        *,
        date_trunc('{{ grain }}', polled_at) as period_start_ts,
        date_trunc('{{ grain }}', polled_at) + interval '1 {{ grain }}' as period_end_ts
    from {{ ref("fact_coin_prices") }}
    where {{ in_window() }}
),

fresh as (
    select
        *,
        lag(polled_at) over {{ in_order }} as previous_polled_at,
        lag(price) over {{ in_order }} as previous_price,
        lead(polled_at) over {{ in_order }} as next_polled_at,
        row_number() over ({{ period }} order by polled_at asc) = 1 as is_open,
        row_number() over ({{ period }} order by polled_at desc) = 1 as is_close
    from quotes
    where
        not is_stale
        and price is not null
),

measured as (
    select
        *,
        -- Cut to 18 decimals, so that no product overflows: half a step less, then rounded.
        cast(
            price - cast('0.0000000000000000005' as decimal(38, 24)) as decimal(32, 18)
        ) as cut_price,
        least(
            {{ longest_hold }},
            datediff('second', polled_at, coalesce(next_polled_at, period_end_ts)),
            datediff('second', polled_at, period_end_ts)
        ) as held_seconds,
        case
            when datediff('second', previous_polled_at, polled_at) <= {{ longest_hold }}
                then abs(cast(price as double) / cast(previous_price as double) - 1)
        end as step
    from fresh
),

prices as (
    select
        partition_date,
        coin_id,
        period_start_ts,
        count(*) as fresh_quotes,
        count(distinct source_ts) as source_updates,
        max(case when is_open then price end) as price_open,
        max(price) as price_high,
        min(price) as price_low,
        max(case when is_close then price end) as price_close,
        max(polled_at) as close_at,
        max(case when is_close then market_cap end) as market_cap_close,
        max(case when is_close then volume_24h end) as volume_24h_close,
        -- Sums of exact numbers: the order of the rows doesn't change them.
        sum(cut_price * cast(held_seconds as decimal(4, 0))) as price_seconds,
        sum(held_seconds) as covered_seconds,
        max(step) as largest_step
    from measured
    group by partition_date, coin_id, period_start_ts
),

seen as (
    select
        partition_date,
        coin_id,
        period_start_ts,
        min(polled_at) as first_polled_at,
        max(polled_at) as last_polled_at,
        count(*) as quotes_seen
    from quotes
    group by partition_date, coin_id, period_start_ts
)

select
    seen.partition_date,
    seen.period_start_ts,
    seen.coin_id,
    seen.first_polled_at,
    seen.last_polled_at,
    seen.quotes_seen,
    coalesce(prices.fresh_quotes, 0) as fresh_quotes,
    coalesce(prices.source_updates, 0) as source_updates,
    prices.price_open,
    prices.price_high,
    prices.price_low,
    prices.price_close,
    prices.close_at,
    prices.market_cap_close,
    prices.volume_24h_close,
    cast(prices.price_seconds as double)
    / cast(nullif(prices.covered_seconds, 0) as double) as time_weighted_price,
    cast(coalesce(prices.covered_seconds, 0) as bigint) as covered_seconds,
    cast(
        ({{ 3600 if grain == "hour" else 86400 }} - coalesce(prices.covered_seconds, 0)) / 60
        as decimal(9, 2)
    ) as minutes_uncovered,
    {{ as_ratio("prices.largest_step") }} as largest_step
from seen
left join prices
    on
        seen.partition_date = prices.partition_date
        and seen.coin_id = prices.coin_id
        and seen.period_start_ts = prices.period_start_ts
{% endmacro %}
