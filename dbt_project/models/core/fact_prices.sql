{{ config(materialized="incremental", incremental_strategy="replace_window") }}

select
    snapshot_date,
    polled_at,
    source_ts,
    market_id,
    contract_id,
    -- The feed says 0 for a contract that was never traded.
    nullif(last_trade_price, 0) as last_trade_price,
    best_buy_yes_cost,
    best_buy_no_cost,
    best_sell_yes_cost,
    best_sell_no_cost,
    last_close_price,
    cast((best_buy_yes_cost + best_sell_yes_cost) * 0.5 as decimal(6, 4)) as mid_price,
    cast(best_buy_yes_cost - best_sell_yes_cost as decimal(6, 4)) as spread
from {{ source("staging", "contract_snapshots") }}
where {{ in_window() }}
