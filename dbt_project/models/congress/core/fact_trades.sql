with

trades as (
    select
        *,
        min(first_seen_at) over (partition by transaction_id) as ever_first_seen_at,
        sum(versions) over (partition by transaction_id) as all_versions
    from {{ ref("trade_listings") }}
    qualify row_number() over (
        partition by transaction_id
        order by {{ newest_first() | indent(12) }}, partition_date desc
    ) = 1
),

-- Filers mistype years: no day that follows from one is beyond the calendar.
days as (
    select
        *,
        report_date - transaction_date as days_to_report,
        least(transaction_date, cast('9999-11-16' as date)) + 45 as due_by_trade,
        case
            when notification_date between transaction_date and report_date
                then least(notification_date, cast('9999-12-01' as date)) + 30
        end as due_by_notification,
        {{ to_utc(
            "cast(least(transaction_date, cast('9999-12-30' as date)) + 1 as timestamp)",
            "America/New_York",
        ) }} as traded_before
    from trades
),

dated as (
    select
        *,
        least(due_by_trade, coalesce(due_by_notification, due_by_trade)) as due_date
    from days
),

-- The newest version from before the trade's end, or else the first one.
members as (
    select
        dated.transaction_id,
        history.party,
        history.state,
        history.district,
        history.committees,
        history.valid_from < dated.traded_before as is_dated
    from dated
    inner join {{ ref("dim_members_history") }} as history on dated.member_id = history.member_id
    qualify row_number() over (
        partition by dated.transaction_id
        order by
            history.valid_from < dated.traded_before desc,
            case when history.valid_from < dated.traded_before then history.valid_from end desc,
            history.valid_from
    ) = 1
),

buckets as (
    select
        *,
        lead(amount_low) over (partition by is_spouses order by amount_low) as next_low
    from {{ ref("amount_buckets") }}
),

amounts as (
    select
        dated.transaction_id,
        case
            when completing.amount_high is not null then 'completed'
            else dated.amount_kind
        end as amount_kind,
        coalesce(completing.amount_high, dated.amount_high) as amount_high,
        coalesce(spouses.amount_bucket, buckets.amount_bucket) as amount_bucket
    from dated
    left join buckets
        on
            not buckets.is_spouses
            and dated.amount_low >= buckets.amount_low
            and (buckets.next_low is null or dated.amount_low < buckets.next_low)
    left join buckets as completing
        on
            dated.amount_kind = 'exact'
            and dated.amount_low = completing.amount_low
            and not completing.is_spouses
    left join buckets as spouses
        on
            spouses.is_spouses
            and dated.amount_kind = 'open'
            and dated.amount_low = spouses.amount_low
),

mids as (
    select
        dated.transaction_id,
        {{ fitting(
            round_half_even("((dated.amount_low + amounts.amount_high) * 0.5)", 2)
        ) | indent(8) }} as amount_mid
    from dated
    inner join amounts on dated.transaction_id = amounts.transaction_id
),

-- Within a report, equal trades are told apart by their number: they may be of several accounts.
numbered as (
    select
        transaction_id,
        member_id,
        coalesce(ticker, security_name) as security,
        transaction_date,
        side,
        is_partial,
        amount_text,
        owner,
        report_date,
        coalesce(amendment_number, 0) as amendment,
        coalesce(report_id, '') as report,
        row_number() over (
            partition by
                coalesce(report_id, ''),
                member_id,
                coalesce(ticker, security_name),
                transaction_date,
                side,
                is_partial,
                amount_text,
                owner
            order by transaction_id
        ) as occurrence
    from dated
    where is_listed
),

repeats as (
    select
        transaction_id,
        occurrence,
        first_value(transaction_id) over (
            partition by
                member_id,
                security,
                transaction_date,
                side,
                is_partial,
                amount_text,
                owner,
                occurrence
            order by report_date, amendment, report
            rows between unbounded preceding and current row
        ) as first_transaction_id
    from numbered
)

select
    dated.partition_date,
    dated.transaction_id,
    dated.trade_record_id,
    dated.report_id,
    dated.amendment_number,
    dated.disclosure_url,
    dated.member_id,
    members.party,
    members.state,
    members.district,
    dated.chamber,
    members.committees,
    case when members.is_dated then 'dated' else 'first known' end as member_as_of,
    dated.transaction_date,
    dated.notification_date,
    dated.report_date,
    dated.days_to_report,
    dated.days_to_report between 0 and 1826 as dates_plausible,
    dated.due_date,
    dated.report_date > dated.due_date as is_late,
    greatest(dated.report_date - dated.due_date, 0) as days_late,
    dated.days_to_report > 45 as is_over_45,
    dated.transaction_type,
    dated.side,
    dated.is_partial,
    dated.ownership,
    dated.owner,
    dated.amount_text,
    amounts.amount_kind,
    dated.amount_low,
    amounts.amount_high,
    mids.amount_mid,
    coalesce(mids.amount_mid, dated.amount_low) as amount_estimate,
    amounts.amount_bucket,
    dated.security_name,
    dated.description,
    dated.security_type,
    case
        when coalesce({{ trimmed("dated.security_type") }}, '') = '' then 'unstated'
        else coalesce(types.security_kind, 'other')
    end as security_kind,
    dated.ticker_sent,
    dated.ticker,
    dated.ticker_other,
    dated.ticker_reason,
    repeats.occurrence,
    not dated.is_listed as is_withdrawn,
    nullif(repeats.first_transaction_id, dated.transaction_id) as repeats_transaction_id,
    dated.is_listed
    and not (
        coalesce(dated.amendment_number, 0) > 0
        and coalesce(repeats.first_transaction_id <> dated.transaction_id, false)
    ) as counts,
    dated.record_updated_at,
    dated.ever_first_seen_at as first_seen_at,
    cast(dated.all_versions as bigint) as versions
from dated
inner join members on dated.transaction_id = members.transaction_id
inner join amounts on dated.transaction_id = amounts.transaction_id
inner join mids on dated.transaction_id = mids.transaction_id
left join repeats on dated.transaction_id = repeats.transaction_id
left join {{ ref("security_types") }} as types
    on upper({{ trimmed("dated.security_type") }}) = types.security_type
