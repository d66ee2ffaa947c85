-- Spread leaders: where it cost most to trade on the newest day, among what had two sides.
select
    markets.market_short_name,
    contracts.contract_short_name,
    odds.time_weighted_spread,
    odds.time_weighted_mid,
    odds.one_sided_share
from marts.odds_1d as odds
inner join core.dim_contracts as contracts on odds.contract_id = contracts.contract_id
inner join core.dim_markets as markets on contracts.market_id = markets.market_id
where
    odds.partition_date = (select max(newest.partition_date) from marts.odds_1d as newest)
    and odds.time_weighted_spread is not null
order by odds.time_weighted_spread desc, contracts.contract_id asc
limit 25
