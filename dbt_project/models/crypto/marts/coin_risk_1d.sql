{#
    Made whole: a day looks at 30 days and at the largest close of all before it.

    Returns are summed as whole units of their last digit, which no sum of 30 squares brings beyond 38
    digits. Snowflake would cut the product of two numbers with 12 decimals to 12 decimals.
#}
{%- set unit = "1" ~ "0" * 12 -%}
{%- set by_coin = "partition by coin_id order by partition_date" -%}
{%- set to_here = "preceding and current row" -%}
{%- set last_7d = "(" ~ by_coin ~ " range between interval '6 days' " ~ to_here ~ ")" -%}
{%- set last_30d = "(" ~ by_coin ~ " range between interval '29 days' " ~ to_here ~ ")" %}

with

closes as (
    select
        partition_date,
        coin_id,
        price_close,
        case
            when lag(partition_date) over ({{ by_coin }}) = partition_date - 1
                then lag(price_close) over ({{ by_coin }})
        end as close_before,
        max(price_close) over ({{ by_coin }} rows between unbounded {{ to_here }}) as largest_close
    from {{ ref("coin_prices_1d") }}
    where price_close is not null
),

returns as (
    select
        *,
        cast(
            ln(cast(price_close as double) / cast(close_before as double)) as decimal(18, 12)
        ) as return_1d
    from closes
),

units as (
    select
        *,
        cast(return_1d * {{ unit }} as decimal(19, 0)) as own
    from returns
),

pairs as (
    select
        units.*,
        case when bitcoin.own is not null then units.own end as paired,
        case when units.own is not null then bitcoin.own end as other
    from units
    left join units as bitcoin
        on
            units.partition_date = bitcoin.partition_date
            and bitcoin.coin_id = 'bitcoin'
),

sums as (
    select
        partition_date,
        coin_id,
        price_close,
        largest_close,
        return_1d,
        count(own) over {{ last_7d }} as returns_7d,
        cast(sum(own) over {{ last_7d }} as decimal(19, 0)) as own_7d,
        sum(own * own) over {{ last_7d }} as own_squared_7d,
        count(own) over {{ last_30d }} as returns_30d,
        cast(sum(own) over {{ last_30d }} as decimal(19, 0)) as own_30d,
        sum(own * own) over {{ last_30d }} as own_squared_30d,
        count(paired) over {{ last_30d }} as pairs_30d,
        cast(sum(paired) over {{ last_30d }} as decimal(19, 0)) as paired_30d,
        cast(sum(other) over {{ last_30d }} as decimal(19, 0)) as other_30d,
        sum(paired * paired) over {{ last_30d }} as paired_squared_30d,
        sum(other * other) over {{ last_30d }} as other_squared_30d,
        sum(paired * other) over {{ last_30d }} as product_30d
    from pairs
),

-- Variances and a covariance, each times the square of how many there are: nothing is divided yet.
spreads as (
    select
        *,
        returns_7d * own_squared_7d - own_7d * own_7d as spread_7d,
        returns_30d * own_squared_30d - own_30d * own_30d as spread_30d,
        pairs_30d * paired_squared_30d - paired_30d * paired_30d as paired_spread,
        pairs_30d * other_squared_30d - other_30d * other_30d as other_spread,
        pairs_30d * product_30d - paired_30d * other_30d as common_spread
    from sums
)

select
    partition_date,
    coin_id,
    price_close,
    return_1d,
    case
        when returns_7d >= 5 then {{ volatility("spread_7d", "returns_7d", unit) }}
    end as volatility_7d,
    case
        when returns_30d >= 20 then {{ volatility("spread_30d", "returns_30d", unit) }}
    end as volatility_30d,
    returns_7d,
    returns_30d,
    cast(
        cast(price_close as double) / cast(largest_close as double) - 1 as decimal(18, 12)
    ) as drawdown,
    case
        when pairs_30d >= 20 and paired_spread > 0 and other_spread > 0
            then
                cast(
                    cast(common_spread as double)
                    / (sqrt(cast(paired_spread as double)) * sqrt(cast(other_spread as double)))
                    as decimal(18, 12)
                )
    end as correlation_30d,
    pairs_30d
from spreads
