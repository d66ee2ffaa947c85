{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{#
    Negative risk: one NO share of each of some contracts S of a market. A NO share costs no_i and
    earns p_i = 1 - no_i if its contract loses. Of exclusive contracts at most one wins, w, so all
    legs but one pay, and the fee is taken from each leg's profit:

        gross(S) = (|S| - 1) - sum(no_i) = sum(p_i) - 1
        net(S)   = gross(S) - fee * [sum(p_i) - min(p_i)]
                 = (1 - fee) * sum(p_i) + fee * min(p_i) - 1

    The worst case is that the leg with the least profit is the one that loses, since then the most
    profit is charged. (If no contract of S wins, all legs pay: net is greater by 1 - fee * min(p_i).)

    The best S. Let p_1 >= p_2 >= ... >= p_k. Among the sets of m legs none has a greater sum, nor a
    greater minimum, than the first m; both have coefficients >= 0 (0 <= fee <= 1), so the first m
    legs are best of their size, and the best of all is among the k - 1 prefixes with m >= 2. Each of
    them has to be looked at: leg m + 1 adds p_{m+1} - fee * p_m, which may be negative and, one leg
    later, positive (0.50, 0.45, 0.04, 0.04 with a fee of 0.10: -0.005, then 0.036).

    One YES share of every contract: exhaustive contracts have a winner w, which earns 1 - a_w:

        gross = 1 - sum(a_i)
        net   = gross - fee * max(1 - a_i) = gross - fee * (1 - min(a_i))
#}

with

quotes as (
    select
        partition_date,
        polled_at,
        market_id,
        contract_id,
        last_trade_price,
        best_buy_yes_cost as yes_ask,
        best_sell_yes_cost as yes_bid,
        cast(1 - best_buy_no_cost as decimal(6, 4)) as no_profit,
        {{ mark() }} as mark
    from {{ ref("fact_prices") }}
    where {{ in_window() }}
),

periods as (
    select
        valid_from,
        fee_on_profit,
        lead(valid_from) over (order by valid_from) as valid_to
    from {{ ref("fees") }}
),

days as (
    select distinct partition_date
    from quotes
),

fees_of_days as (
    select
        days.partition_date,
        periods.fee_on_profit
    from days
    inner join periods
        on
            days.partition_date >= periods.valid_from
            and (days.partition_date < periods.valid_to or periods.valid_to is null)
),

books as (
    select
        partition_date,
        polled_at,
        market_id,
        count(*) as contracts,
        count(last_trade_price) as contracts_with_last,
        count(yes_ask) as contracts_with_ask,
        count(yes_bid) as contracts_with_bid,
        count(mark) as contracts_with_mark,
        cast(count_if((yes_ask is null) <> (yes_bid is null)) as bigint) as contracts_one_sided,
        count(no_profit) as contracts_with_no_ask,
        cast(sum(last_trade_price) as decimal(9, 4)) as sum_last,
        cast(sum(yes_ask) as decimal(9, 4)) as sum_ask,
        cast(sum(yes_bid) as decimal(9, 4)) as sum_bid,
        cast(sum(mark) as decimal(9, 4)) as sum_mark,
        cast(sum(no_profit) as decimal(9, 4)) as sum_no_profit,
        min(no_profit) as least_no_profit,
        min(yes_ask) as least_ask
    from quotes
    group by partition_date, polled_at, market_id
),

-- The NO asks of a market, the most profitable first, with the running sum of their profits.
prefixes as (
    select
        partition_date,
        polled_at,
        market_id,
        no_profit,
        row_number() over (
            partition by partition_date, polled_at, market_id
            order by no_profit desc nulls last, contract_id asc
        ) as legs,
        cast(sum(no_profit) over (
            partition by partition_date, polled_at, market_id
            order by no_profit desc nulls last, contract_id asc
            rows between unbounded preceding and current row
        ) as decimal(9, 4)) as sum_no_profit
    from quotes
    where no_profit is not null
),

subsets as (
    select
        prefixes.partition_date,
        prefixes.polled_at,
        prefixes.market_id,
        prefixes.legs,
        {{ no_net("prefixes.sum_no_profit", "prefixes.no_profit") }} as net
    from prefixes
    inner join fees_of_days on prefixes.partition_date = fees_of_days.partition_date
    where prefixes.legs >= 2
),

best_subsets as (
    select
        partition_date,
        polled_at,
        market_id,
        net,
        legs
    from subsets
    qualify row_number() over (
        partition by partition_date, polled_at, market_id
        order by net desc nulls last, legs asc
    ) = 1
),

-- A set needs two legs: with fewer there is no arbitrage.
arbitrage as (
    select
        books.*,
        fees_of_days.fee_on_profit,
        case
            when books.contracts_with_no_ask >= 2
                then cast(books.sum_no_profit - 1 as decimal(9, 4))
        end as all_no_gross,
        case
            when books.contracts_with_no_ask >= 2
                then {{ no_net("books.sum_no_profit", "books.least_no_profit") }}
        end as all_no_net,
        best_subsets.net as best_no_net,
        best_subsets.legs as best_no_contracts,
        case
            when books.contracts >= 2 and books.contracts_with_ask = books.contracts
                then cast(1 - books.sum_ask as decimal(9, 4))
        end as all_yes_gross
    from books
    left join fees_of_days on books.partition_date = fees_of_days.partition_date
    left join best_subsets
        on
            books.partition_date = best_subsets.partition_date
            and books.polled_at = best_subsets.polled_at
            and books.market_id = best_subsets.market_id
)

select
    partition_date,
    polled_at,
    market_id,
    contracts,
    contracts >= 2 as is_multi,
    contracts_with_last,
    contracts_with_ask,
    contracts_with_bid,
    contracts_one_sided,
    contracts_with_mark,
    contracts_with_no_ask,
    sum_last,
    sum_ask,
    sum_bid,
    sum_mark,
    fee_on_profit,
    all_no_gross,
    all_no_net,
    best_no_net,
    best_no_contracts,
    all_yes_gross,
    cast(all_yes_gross - fee_on_profit * (1 - least_ask) as decimal(12, 8)) as all_yes_net
from arbitrage
