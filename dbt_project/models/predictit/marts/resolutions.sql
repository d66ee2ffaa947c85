-- Thresholds of the final price: a share of the winning side trades near one dollar.
{%- set surely_yes = "0.99" %}
{%- set surely_no = "0.01" %}

with

left_markets as (
    select
        market_id,
        expiry_ts as left_ts
    from {{ ref("dim_markets") }}
    where not is_open
),

answers as (
    select
        answers.contract_id,
        max(answers.polled_at) as asked_at,
        -- 0 means that the contract was never traded: its outcome stays unknown.
        nullif(max_by(answers.last_trade_price, answers.polled_at), 0) as final_price
    from {{ source("staging", "closed_contracts") }} as answers
    inner join left_markets
        on
            answers.market_id = left_markets.market_id
            and answers.polled_at >= left_markets.left_ts
    where answers.market_status = 'Closed'
    group by answers.contract_id
),

inferred as (
    select
        left_markets.market_id,
        contracts.contract_id,
        left_markets.left_ts,
        answers.asked_at,
        answers.final_price,
        case
            when answers.contract_id is null then null
            when answers.final_price >= {{ surely_yes }} then 'Yes'
            when answers.final_price <= {{ surely_no }} then 'No'
            else 'Undecided'
        end as inferred_outcome
    from {{ ref("dim_contracts") }} as contracts
    inner join left_markets on contracts.market_id = left_markets.market_id
    left join answers on contracts.contract_id = answers.contract_id
)

select
    inferred.market_id,
    inferred.contract_id,
    inferred.left_ts,
    inferred.asked_at,
    inferred.final_price,
    inferred.inferred_outcome,
    coalesce(overrides.outcome, inferred.inferred_outcome) as outcome,
    case
        when overrides.outcome is not null then 'override'
        when inferred.inferred_outcome is not null then 'inferred'
    end as outcome_source,
    overrides.reason as override_reason
from inferred
left join {{ ref("outcome_overrides") }} as overrides
    on inferred.contract_id = overrides.contract_id
