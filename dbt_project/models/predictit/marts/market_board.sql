with

published as (
    select max(last_seen_ts) as polled_at
    from {{ ref("dim_markets") }}
),

contracts as (
    select
        contract_id,
        contract_name,
        contract_short_name
    from {{ ref("dim_contracts") }}
),

markets as (
    select
        market_id,
        market_name,
        market_short_name,
        market_url
    from {{ ref("dim_markets") }}
),

{{ board_ctes() }}
