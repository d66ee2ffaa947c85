{#
    Days of the exchange and what a ticker returned, as CTEs.

    session_of_days      one row per day: the number of the first session on or after it
    returns_of_sessions  one row per session of `ticker` with a close of its own and of the session
                         before, and no split between them

    The ticker is the benchmark of returns, unless the variable `ticker` names another.
#}
{% macro returns_of_sessions_ctes() -%}
{%- set ticker = text_of("ticker", var("stocks_benchmark", "SPY")) -%}
session_of_days as (
    select
        exchange_date,
        session_number as own_number,
        min(session_number) over (
            order by exchange_date rows between current row and unbounded following
        ) as place
    from {{ ref("dim_exchange_days") }}
),

closes as (
    select
        days.place,
        bars.ticker,
        cast(bars.close as double) as price,
        splits.ticker is not null as is_split
    from {{ ref("fact_stock_days") }} as bars
    inner join session_of_days as days
        on
            bars.partition_date = days.exchange_date
            and days.place = days.own_number
    left join {{ ref("fact_stock_splits") }} as splits
        on
            bars.partition_date = splits.partition_date
            and bars.ticker = splits.ticker
    where
        bars.ticker = {{ ticker }}
        and bars.close > 0
),

changes as (
    select
        *,
        case
            when
                lag(place) over (partition by ticker order by place) = place - 1 and not is_split
                then ln(price / lag(price) over (partition by ticker order by place))
        end as price_return
    from closes
),

returns_of_sessions as (
    select
        place,
        ticker,
        price_return,
        abs(price_return) as size_of_return
    from changes
    where price_return is not null
)
{%- endmacro %}
