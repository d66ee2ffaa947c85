{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

days as (
    select
        *,
        trade_close - prior_close as price_change,
        -- As doubles: engines give decimal quotients different scales.
        cast(least(greatest(trade_close, 0.005), 0.995) as double) as close_chance,
        cast(least(greatest(prior_close, 0.005), 0.995) as double) as prior_chance
    from {{ ref("odds_1d") }}
    where {{ in_window() }}
),

moves as (
    select
        *,
        case
            when price_change is not null
                then
                    cast(
                        ln(close_chance / (1 - close_chance))
                        - ln(prior_chance / (1 - prior_chance)) as decimal(9, 6)
                    )
        end as log_odds_change,
        case
            when price_change is not null
                then abs(price_change) < 0.02 or one_sided_share > 0.5 or quotes_seen < 2
        end as is_noise
    from days
),

ranked as (
    select
        *,
        row_number() over (
            partition by partition_date, is_noise
            order by abs(log_odds_change) desc nulls last, contract_id
        ) as place
    from moves
)

select
    partition_date,
    market_id,
    contract_id,
    trade_close as close_price,
    prior_close,
    cast(price_change as decimal(6, 4)) as price_change,
    log_odds_change,
    is_noise,
    case when not is_noise then place end as mover_rank
from ranked
