{#
    The best subset of a market's NO asks, against trying all of them by the definition: at the
    newest poll of the window, for markets of no more than `most_legs` NO asks (there are 2^k sets).
    The subsets grow by one contract at a time, in the order of their ids: no price decides.
#}
{% test best_of_all_subsets(model, prices, most_legs) %}
with recursive

newest as (
    select max(polled_at) as polled_at
    from {{ model }}
    where {{ in_window() }}
),

books as (
    select *
    from {{ model }}
    where
        {{ in_window() }}
        and polled_at = (select polled_at from newest)
        and contracts_with_no_ask between 2 and {{ most_legs }}
),

legs as (
    select
        books.market_id,
        prices.contract_id,
        prices.best_buy_no_cost as no_ask
    from books
    inner join {{ prices }} as prices
        on
            books.partition_date = prices.partition_date
            and books.polled_at = prices.polled_at
            and books.market_id = prices.market_id
    where prices.best_buy_no_cost is not null
),

subsets as (
    select
        market_id,
        contract_id as last_contract_id,
        cast(1 as bigint) as contracts,
        cast(no_ask as decimal(9, 4)) as cost,
        no_ask as dearest
    from legs
    union all
    select
        subsets.market_id,
        legs.contract_id as last_contract_id,
        subsets.contracts + 1 as contracts,
        cast(subsets.cost + legs.no_ask as decimal(9, 4)) as cost,
        greatest(subsets.dearest, legs.no_ask) as dearest
    from subsets
    inner join legs
        on
            subsets.market_id = legs.market_id
            and subsets.last_contract_id < legs.contract_id
),

-- All contracts of a set but one pay out; the fee is charged on the profit of those.
nets as (
    select
        subsets.market_id,
        subsets.contracts,
        cast(
            subsets.contracts - 1 - subsets.cost
            - books.fee_on_profit * (subsets.contracts - subsets.cost - (1 - subsets.dearest))
            as decimal(12, 8)
        ) as net
    from subsets
    inner join books on subsets.market_id = books.market_id
    where subsets.contracts >= 2
),

best as (
    select
        market_id,
        net,
        contracts
    from nets
    qualify row_number() over (partition by market_id order by net desc nulls last, contracts asc) = 1
)

select
    books.market_id,
    books.best_no_net,
    best.net,
    books.best_no_contracts,
    best.contracts
from books
left join best on books.market_id = best.market_id
where
    best.net is null
    or books.best_no_net <> best.net
    or books.best_no_contracts <> best.contracts
{% endtest %}
