with

trades as (
    select
        cast(date_trunc('month', report_date) as date) as report_month,
        coalesce(nullif(chamber, ''), 'unknown') as chamber,
        coalesce(party, 'unknown') as party,
        dates_plausible,
        is_over_45,
        is_late,
        case when dates_plausible then days_to_report end as days_to_report
    from {{ ref("fact_trades") }}
    where counts
)

select
    report_month,
    chamber,
    party,
    cast(count_if(dates_plausible) as bigint) as trades,
    cast(count_if(not dates_plausible) as bigint) as implausible,
    {%- for percent in (25, 50, 75, 90) %}
        cast(
            percentile_cont(0.{{ percent }}) within group (order by days_to_report) as decimal(
                10, 2
            )
        ) as p{{ percent }},
    {%- endfor %}
    cast(count_if(dates_plausible and is_over_45) as bigint) as over_45,
    cast(count_if(dates_plausible and is_late) as bigint) as late
from trades
group by report_month, chamber, party
