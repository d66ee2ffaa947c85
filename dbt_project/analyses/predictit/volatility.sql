-- Volatility: the range and the moves of each contract over the last 30 days, the liveliest first.
select
    markets.market_short_name,
    contracts.contract_short_name,
    count(*) as days,
    sum(odds.last_trade_moves) as moves,
    max(odds.trade_high) - min(odds.trade_low) as range_of_trades,
    stddev_samp(movers.log_odds_change) as daily_volatility
from marts.odds_1d as odds
inner join marts.movers_1d as movers
    on odds.partition_date = movers.partition_date and odds.contract_id = movers.contract_id
inner join core.dim_contracts as contracts on odds.contract_id = contracts.contract_id
inner join core.dim_markets as markets on contracts.market_id = markets.market_id
where odds.partition_date > (select max(newest.partition_date) - 30 from marts.odds_1d as newest)
group by
    markets.market_short_name, contracts.contract_short_name, contracts.contract_id
having count(*) >= 3
order by daily_volatility desc nulls last, contracts.contract_id asc
limit 25
