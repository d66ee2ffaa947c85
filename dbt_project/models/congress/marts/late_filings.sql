with

trades as (
    select
        *,
        -- What a report is called and who filed it is told by its newest trade.
        row_number() over (
            partition by report_id order by transaction_date desc, transaction_id asc
        ) as place
    from {{ ref("fact_trades") }}
    where
        counts
        and dates_plausible
        and coalesce(report_id, '') <> ''
),

reports as (
    select
        report_id,
        count(*) as trades,
        cast(count_if(is_late) as bigint) as late_trades,
        cast(count_if(is_over_45) as bigint) as over_45_trades,
        max(days_late) as worst_days_late,
        sum(case when is_late then amount_low end) as amount_low,
        sum(case when is_late then amount_estimate end) as amount_estimate
    from trades
    group by report_id
    having count_if(is_late) > 0
)

select
    reports.report_id,
    trades.member_id,
    members.member_name,
    trades.party,
    trades.chamber,
    trades.report_date,
    reports.trades,
    reports.late_trades,
    reports.over_45_trades,
    reports.worst_days_late,
    cast(reports.amount_low as decimal(20, 2)) as amount_low,
    cast(reports.amount_estimate as decimal(20, 2)) as amount_estimate,
    trades.disclosure_url
from reports
inner join trades
    on
        reports.report_id = trades.report_id
        and trades.place = 1
inner join {{ ref("dim_members") }} as members on trades.member_id = members.member_id
