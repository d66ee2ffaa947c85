-- Price bands: how many open contracts trade in each band of ten cents, and their spread.
select
    floor(last_trade_price * 10) * 10 as cents_from,
    count(*) as contracts,
    avg(spread) as mean_spread,
    count(spread) as contracts_with_both_sides
from marts.market_board
where last_trade_price is not null
group by floor(last_trade_price * 10) * 10
order by cents_from asc
