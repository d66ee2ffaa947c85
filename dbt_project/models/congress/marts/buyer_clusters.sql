-- Days that a cluster looks back, the reported one included, and the members that make one.
{%- set days = 30 %}
{%- set members = 3 %}

with

purchases as (
    select
        ticker,
        report_date,
        member_id,
        party,
        amount_low,
        amount_estimate
    from {{ ref("fact_trades") }}
    where
        counts
        and side = 'purchase'
        and security_kind = 'stock'
        and ticker is not null
),

report_days as (
    select distinct
        ticker,
        report_date
    from purchases
),

clusters as (
    select
        report_days.ticker,
        report_days.report_date,
        count(distinct purchases.member_id) as members,
        count(*) as purchases,
        min(purchases.report_date) as first_report_date,
        {{ sorted_list("purchases.party") }} as parties,
        count(case when purchases.party = 'D' then 1 end) > 0
        and count(case when purchases.party = 'R' then 1 end) > 0 as is_bipartisan,
        sum(purchases.amount_low) as amount_low,
        sum(purchases.amount_estimate) as amount_estimate
    from report_days
    inner join purchases
        on
            report_days.ticker = purchases.ticker
            and purchases.report_date between
            report_days.report_date - {{ days - 1 }} and report_days.report_date
    group by report_days.ticker, report_days.report_date
    having count(distinct purchases.member_id) >= {{ members }}
),

followed as (
    select
        *,
        lag(report_date) over (partition by ticker order by report_date) as previous_date
    from clusters
)

select
    report_date as partition_date,
    ticker,
    report_date,
    members,
    purchases,
    first_report_date,
    parties,
    is_bipartisan,
    cast(amount_low as decimal(20, 2)) as amount_low,
    cast(amount_estimate as decimal(20, 2)) as amount_estimate,
    coalesce(previous_date < report_date - {{ days - 1 }}, true) as is_new
from followed
