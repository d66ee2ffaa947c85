-- Odds of one question over time: each contract by hour. Change the words in the pattern.
select
    odds.period_start_ts,
    contracts.contract_name,
    odds.trade_close,
    odds.time_weighted_mid
from marts.odds_1h as odds
inner join core.dim_contracts as contracts on odds.contract_id = contracts.contract_id
inner join core.dim_markets as markets on contracts.market_id = markets.market_id
where lower(markets.market_name) like '%senate%'
order by markets.market_id, contracts.contract_name, odds.period_start_ts
