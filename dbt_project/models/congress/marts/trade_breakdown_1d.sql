{%- set dimensions = {
    "all": "'all'",
    "state": "state",
    "chamber": "chamber",
    "party": "party",
    "member": "member_id",
    "ticker": "ticker",
} %}
with

trades as (
    select
        'report' as date_basis,
        report_date as activity_date,
        *
    from {{ ref("fact_trades") }}
    where counts
    union all
    select
        'transaction' as date_basis,
        transaction_date as activity_date,
        *
    from {{ ref("fact_trades") }}
    where
        counts
        and dates_plausible
),

valued as (
    {%- for dimension, value in dimensions.items() %}
        select
            date_basis,
            activity_date,
            '{{ dimension }}' as dimension,
            coalesce(nullif({{ value }}, ''), 'unknown') as value,
            side,
            is_partial,
            member_id,
            amount_kind,
            amount_low,
            amount_high,
            amount_estimate
        from trades
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
)

select
    date_basis,
    activity_date,
    dimension,
    value,
    side,
    is_partial,
    count(*) as trades,
    count(distinct member_id) as members,
    cast(sum(amount_low) as decimal(20, 2)) as amount_low,
    cast(sum(amount_high) as decimal(20, 2)) as amount_high,
    cast(count_if(amount_kind = 'open') as bigint) as open_ended,
    cast(sum(amount_estimate) as decimal(20, 2)) as amount_estimate
from valued
group by date_basis, activity_date, dimension, value, side, is_partial
