{# No two open coins have the same symbol: those that do are named, by it and two of their ids. #}
{% test open_coins_share_no_symbol(model) %}
select
    symbol,
    count(*) as coins,
    min(coin_id) as first_coin_id,
    max(coin_id) as last_coin_id
from {{ model }}
where is_open
group by symbol
having count(*) > 1
{% endtest %}
