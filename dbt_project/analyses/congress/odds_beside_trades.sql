-- Trades of members of Congress beside the contracts of PredictIt that bear their whole name.
{%- set later = 30 %}

with

members as (
    select
        member_id,
        member_name,
        {{ plain_name("member_name") }} as plain_name
    from {{ ref("dim_members") }}
    where member_name is not null
),

-- A name that two members have tells of neither.
named as (
    select
        plain_name,
        min(member_id) as member_id,
        min(member_name) as member_name
    from members
    group by plain_name
    having count(*) = 1
),

contracts as (
    select
        contracts.contract_id,
        contracts.contract_name,
        markets.market_name,
        named.member_id,
        named.member_name
    from {{ ref("dim_contracts") }} as contracts
    inner join {{ ref("dim_markets") }} as markets on contracts.market_id = markets.market_id
    inner join named on {{ plain_name("contracts.contract_name") }} = named.plain_name
),

closes as (
    select
        partition_date,
        contract_id,
        trade_close
    from {{ ref("odds_1d") }}
    where trade_close is not null
),

beside as (
    select
        trades.report_date,
        trades.transaction_date,
        trades.transaction_id,
        contracts.member_id,
        contracts.member_name,
        trades.side,
        trades.ticker,
        trades.security_name,
        trades.amount_text,
        contracts.contract_id,
        contracts.market_name,
        contracts.contract_name,
        traded.trade_close as odds_when_traded,
        told.trade_close as odds_when_told,
        afterwards.trade_close as odds_{{ later }}_days_later
    from {{ ref("fact_trades") }} as trades
    inner join contracts on trades.member_id = contracts.member_id
    left join closes as traded
        on
            contracts.contract_id = traded.contract_id
            and trades.transaction_date = traded.partition_date
    left join closes as told
        on
            contracts.contract_id = told.contract_id
            and trades.report_date = told.partition_date
    left join closes as afterwards
        on
            contracts.contract_id = afterwards.contract_id
            and {{ days_after("trades.report_date", later) }} = afterwards.partition_date
    where
        trades.counts
        and trades.dates_plausible
)

select
    *,
    cast(odds_when_told - odds_when_traded as decimal(6, 4)) as change_until_told,
    cast(odds_{{ later }}_days_later - odds_when_told as decimal(6, 4)) as change_afterwards
from beside
where coalesce(odds_when_traded, odds_when_told, odds_{{ later }}_days_later) is not null
order by report_date desc, transaction_id asc, contract_id asc
