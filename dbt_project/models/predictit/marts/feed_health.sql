{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

prices as (
    select *
    from {{ ref("fact_prices") }}
    where {{ in_window() }}
),

polls as (
    select
        partition_date,
        polled_at,
        max(source_ts) as source_ts,
        count(distinct market_id) as markets,
        count(*) as contracts,
        -- Not count_if: in DuckDB it is NULL, not 0, when every condition is NULL.
        count(
            case when best_buy_yes_cost is null and best_sell_yes_cost is null then 1 end
        ) as unquoted,
        count(
            case when (best_buy_yes_cost is null) <> (best_sell_yes_cost is null) then 1 end
        ) as one_sided,
        count(case when best_sell_yes_cost > best_buy_yes_cost then 1 end) as crossed,
        count(case when best_sell_yes_cost = best_buy_yes_cost then 1 end) as locked
    from prices
    group by partition_date, polled_at
),

steps as (
    select
        *,
        lag(polled_at) over (partition by partition_date order by polled_at) as previous_polled_at,
        lag(markets) over (partition by partition_date order by polled_at) as previous_markets
    from polls
),

measured as (
    select
        *,
        datediff('second', previous_polled_at, polled_at) as gap_seconds,
        cast(datediff('microsecond', source_ts, polled_at) / 1000000 as decimal(12, 3))
            as age_seconds,
        cast(
            case
                when markets < previous_markets then (previous_markets - markets) / previous_markets
                when markets >= previous_markets then 0
            end as decimal(9, 6)
        ) as market_drop
    from steps
),

days as (
    select
        partition_date,
        count(*) as polls,
        min(polled_at) as first_polled_at,
        max(polled_at) as last_polled_at,
        count(case when gap_seconds > 300 then 1 end) as gaps_over_5_minutes,
        max(gap_seconds) as longest_gap_seconds,
        median(age_seconds) as median_age_seconds,
        max(age_seconds) as max_age_seconds,
        max(markets) as max_markets,
        max(contracts) as max_contracts,
        max_by(markets, polled_at) as newest_markets,
        max_by(contracts, polled_at) as newest_contracts,
        max(market_drop) as largest_market_drop,
        sum(contracts) as quotes,
        sum(unquoted) as unquoted,
        sum(one_sided) as one_sided,
        sum(crossed) as crossed,
        sum(locked) as locked
    from measured
    group by partition_date
),

markets as (
    select
        partition_date,
        count(distinct market_id) as distinct_markets
    from prices
    group by partition_date
)

select
    days.partition_date,
    days.polls,
    days.first_polled_at,
    days.last_polled_at,
    days.gaps_over_5_minutes,
    cast(days.longest_gap_seconds / 60 as decimal(9, 2)) as longest_gap_minutes,
    cast(days.median_age_seconds as decimal(12, 3)) as median_age_seconds,
    days.max_age_seconds,
    days.max_markets,
    days.max_contracts,
    markets.distinct_markets,
    days.newest_markets,
    days.newest_contracts,
    days.largest_market_drop,
    cast(days.unquoted / days.quotes as decimal(9, 6)) as unquoted_share,
    cast(days.one_sided / days.quotes as decimal(9, 6)) as one_sided_share,
    cast(days.crossed as bigint) as crossed_books,
    cast(days.locked as bigint) as locked_books
from days
inner join markets on days.partition_date = markets.partition_date
