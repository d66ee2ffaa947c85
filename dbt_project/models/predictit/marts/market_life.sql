with

days as (
    select
        market_id,
        count(distinct partition_date) as days_seen
    from {{ ref("market_attribute_runs") }}
    group by market_id
),

contracts as (
    select
        contracts.market_id,
        count(*) as contracts,
        cast(count_if(contracts.effective_ts > markets.effective_ts) as bigint)
            as contracts_added_late
    from {{ ref("dim_contracts") }} as contracts
    inner join {{ ref("dim_markets") }} as markets on contracts.market_id = markets.market_id
    group by contracts.market_id
),

names as (
    select
        market_id,
        {{ differs_from_previous(["market_name", "market_short_name"], "market_id", "valid_from") }}
            as is_new_name
    from {{ ref("dim_markets_history") }}
),

renames as (
    select
        market_id,
        cast(count_if(is_new_name) - 1 as bigint) as renames
    from names
    group by market_id
)

select
    markets.market_id,
    markets.effective_ts as first_seen_ts,
    markets.last_seen_ts,
    markets.is_open,
    days.days_seen,
    contracts.contracts,
    contracts.contracts_added_late,
    renames.renames
from {{ ref("dim_markets") }} as markets
inner join days on markets.market_id = days.market_id
inner join contracts on markets.market_id = contracts.market_id
inner join renames on markets.market_id = renames.market_id
