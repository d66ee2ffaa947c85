{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

with

newest_pages as (
    {{ newest_pages(source("staging", "congress_answers")) | indent(4) }}
),

listed as (
    select distinct
        trades.partition_date,
        trades.transaction_id
    from {{ source("staging", "congress_trades") }} as trades
    inner join newest_pages
        on
            trades.partition_date = newest_pages.partition_date
            and trades.captured_at = newest_pages.captured_at
            and trades.part = newest_pages.part
),

history as (
    select
        partition_date,
        transaction_id,
        min(captured_at) as first_seen_at,
        count(distinct record_updated_at) as versions
    from {{ source("staging", "congress_trades") }}
    where {{ in_window() }}
    group by partition_date, transaction_id
),

newest as (
    select *
    from {{ source("staging", "congress_trades") }}
    where {{ in_window() }}
    qualify row_number() over (
        partition by partition_date, transaction_id
        order by {{ newest_first() | indent(12) }}, page desc
    ) = 1
),

texts as (
    select
        *,
        {{ trimmed("transaction_type") }} as side_sent,
        upper({{ trimmed("ownership") }}) as owner_sent,
        {{ fold_whitespace("amount") }} as amount_text,
        {{ readable("security_ticker") }} as ticker_text
    from newest
),

words as (
    select
        *,
        {{ nth_word("ticker_text", 1) }} as first_word,
        {{ nth_word("ticker_text", 2) }} as second_word,
        lower(amount_text) as amount_lower,
        {{ nth_dollars("amount_text", 1) }} as first_number,
        {{ nth_dollars("amount_text", 2) }} as second_number
    from texts
),

numbers as (
    select
        *,
        {{ raised("first_word") }} as ticker_word,
        {{ to_amount("first_number") | indent(8) }} as first_amount,
        {{ to_amount("second_number") | indent(8) }} as second_amount
    from words
),

kinds as (
    select
        *,
        case
            when first_amount is null then 'unread'
            when second_number is not null then 'range'
            when {{ matches_whole("amount_lower", ".*less than \\$.*") }} then 'less_than'
            when {{ matches_whole("amount_lower", ".*[0-9] or less.*") }} then 'or_less'
            when {{ matches_whole("amount_lower", "(.*over.*|.*\\+)") }} then 'open'
            else 'exact'
        end as kind
    from numbers
),

bounds as (
    select
        *,
        case
            when kind in ('less_than', 'or_less') then 0
            when kind = 'open' then {{ fitting("first_amount + 1") | indent(16) }}
            else first_amount
        end as low,
        case kind
            when 'range' then second_amount
            when 'less_than' then first_amount - 1
            when 'open' then null
            else first_amount
        end as high
    from kinds
),

amounts as (
    select
        *,
        -- Of a range that ends before it begins, and of numbers too large, nothing is known.
        coalesce(low <= high, kind = 'open' and low is not null) as is_read
    from bounds
)

select
    amounts.partition_date,
    amounts.transaction_id,
    amounts.trade_record_id,
    amounts.report_id,
    amounts.amendment_number,
    amounts.disclosure_url,
    amounts.member_id,
    {{ readable("amounts.chamber") }} as chamber,
    amounts.transaction_date,
    amounts.notification_date,
    amounts.report_date,
    amounts.side_sent as transaction_type,
    case upper(left(amounts.side_sent, 1))
        when 'P' then 'purchase'
        when 'S' then 'sale'
        when 'E' then 'exchange'
        else 'other'
    end as side,
    {{ matches_whole("lower(amounts.side_sent)", ".*partial.*") }} as is_partial,
    nullif(amounts.ownership, '') as ownership,
    case
        when coalesce(amounts.owner_sent, '') = '' then 'unstated'
        when amounts.owner_sent = 'SELF' then 'self'
        when amounts.owner_sent in ('JT', 'JOINT') then 'joint'
        when amounts.owner_sent in ('SP', 'SPOUSE') then 'spouse'
        when amounts.owner_sent in ('DC', 'CHILD', 'DEPENDENT', 'DEPENDENT CHILD') then 'child'
        else 'other'
    end as owner,
    amounts.amount_text,
    case
        when not amounts.is_read then 'unread'
        when amounts.kind in ('less_than', 'or_less') then 'range'
        else amounts.kind
    end as amount_kind,
    cast(case when amounts.is_read then amounts.low end as decimal(14, 2)) as amount_low,
    cast(case when amounts.is_read then amounts.high end as decimal(14, 2)) as amount_high,
    {{ readable("amounts.security_name") }} as security_name,
    {{ readable("amounts.description") }} as description,
    amounts.security_type,
    amounts.security_ticker as ticker_sent,
    {{ ticker_of("amounts.ticker_word") | indent(4) }} as ticker,
    amounts.second_word as ticker_other,
    {{ ticker_reason_of("amounts.ticker_word") | indent(4) }} as ticker_reason,
    amounts.record_updated_at,
    amounts.captured_at,
    amounts.position,
    listed.transaction_id is not null or not days.is_complete as is_listed,
    history.first_seen_at,
    history.versions
from amounts
inner join history
    on
        amounts.partition_date = history.partition_date
        and amounts.transaction_id = history.transaction_id
inner join {{ ref("trade_listing_days") }} as days on amounts.partition_date = days.partition_date
left join listed
    on
        amounts.partition_date = listed.partition_date
        and amounts.transaction_id = listed.transaction_id
