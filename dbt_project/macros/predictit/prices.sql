{# The columns of core.fact_prices and live.live_prices, computed from a staged quote. #}
{% macro price_columns() -%}
    partition_date,
    polled_at,
    source_ts,
    market_id,
    contract_id,
    -- The feed sends 0 for a contract that was never traded.
    nullif(last_trade_price, 0) as last_trade_price,
    best_buy_yes_cost,
    best_buy_no_cost,
    best_sell_yes_cost,
    best_sell_no_cost,
    last_close_price,
    cast((best_buy_yes_cost + best_sell_yes_cost) * 0.5 as decimal(6, 4)) as mid_price,
    cast(best_buy_yes_cost - best_sell_yes_cost as decimal(6, 4)) as spread
{%- endmacro %}


{#
    The mark of a price: the last trade, clamped into what is quoted now. Where a side of the book is
    missing, only the other one clamps; a contract that was never traded is worth the mid, or else
    the one side that is quoted; without any of them it is unknown. (Should a book ever be crossed,
    the bid wins.)
#}
{% macro mark() -%}
    cast(
        case
            when last_trade_price is null
                then coalesce(mid_price, best_buy_yes_cost, best_sell_yes_cost)
            else
                greatest(
                    least(last_trade_price, coalesce(best_buy_yes_cost, last_trade_price)),
                    coalesce(best_sell_yes_cost, 0)
                )
        end as decimal(6, 4)
    )
{%- endmacro %}


{#
    What is live, as two CTEs: `published`, the newest published poll, which the dimensions hold (no
    need to look for it in the facts), and `staged`, the prices that staging holds of newer polls.
    Live are the facts up to `published`, and `staged`: no poll is in both, not even while a build
    has replaced some of the tables and others not yet.
#}
{% macro live_ctes() -%}
published as (
    select coalesce(max(last_seen_ts), cast('1900-01-01' as timestamp)) as polled_at
    from {{ ref("dim_markets") }}
),

staged as (
    select
        {{ price_columns() | indent(4) }}
    from {{ source("staging", "contract_snapshots") }}
    where
        partition_date >= (select {{ eastern_day("polled_at") }} from published)
        and polled_at > (select polled_at from published)
)
{%- endmacro %}
