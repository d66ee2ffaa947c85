{{ config(materialized="view") }}

with

{{ live_ctes() }},

newest_staged as (
    select
        max(polled_at) as polled_at,
        {{ eastern_day("max(polled_at)") }} as partition_date
    from staged
),

newest_contracts as (
    select
        sent.contract_id,
        {{ fold_whitespace("sent.contract_name") }} as contract_name,
        {{ fold_whitespace("sent.contract_short_name") }} as contract_short_name
    from {{ source("staging", "contract_snapshots") }} as sent
    where
        sent.partition_date = (select newest_staged.partition_date from newest_staged)
        and sent.polled_at = (select newest_staged.polled_at from newest_staged)
),

newest_markets as (
    select
        sent.market_id,
        {{ fold_whitespace("sent.market_name") }} as market_name,
        {{ fold_whitespace("sent.market_short_name") }} as market_short_name,
        sent.market_url
    from {{ source("staging", "market_snapshots") }} as sent
    where
        sent.partition_date = (select newest_staged.partition_date from newest_staged)
        and sent.polled_at = (select newest_staged.polled_at from newest_staged)
),

contracts as (
    select
        contract_id,
        contract_name,
        contract_short_name
    from {{ ref("dim_contracts") }}
    union all
    select
        newest.contract_id,
        newest.contract_name,
        newest.contract_short_name
    from newest_contracts as newest
    left join {{ ref("dim_contracts") }} as known on newest.contract_id = known.contract_id
    where known.contract_id is null
),

markets as (
    select
        market_id,
        market_name,
        market_short_name,
        market_url
    from {{ ref("dim_markets") }}
    union all
    select
        newest.market_id,
        newest.market_name,
        newest.market_short_name,
        newest.market_url
    from newest_markets as newest
    left join {{ ref("dim_markets") }} as known on newest.market_id = known.market_id
    where known.market_id is null
),

{{ board_ctes(is_live=true) }}
