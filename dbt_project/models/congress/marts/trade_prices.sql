with

sessions as (
    select
        exchange_date,
        min(case when is_session then exchange_date end) over (
            order by exchange_date rows between current row and unbounded following
        ) as session_from,
        min(case when is_session then exchange_date end) over (
            order by exchange_date rows between 1 following and unbounded following
        ) as session_after
    from {{ ref("dim_exchange_days") }}
),

trades as (
    select
        trades.*,
        transaction_days.session_from as transaction_session,
        -- A report may come after the close: the public can act on the next day.
        report_days.session_after as public_session
    from {{ ref("fact_trades") }} as trades
    left join sessions as transaction_days
        on trades.transaction_date = transaction_days.exchange_date
    left join sessions as report_days
        on trades.report_date = report_days.exchange_date
),

wanted as (
    select
        ticker,
        transaction_session as session_date
    from trades
    union
    select
        ticker,
        public_session as session_date
    from trades
),

bars as (
    select stocks.*
    from {{ ref("fact_stock_days") }} as stocks
    inner join wanted
        on
            stocks.partition_date = wanted.session_date
            and stocks.ticker = wanted.ticker
),

held_sessions as (
    select distinct partition_date
    from {{ ref("fact_stock_days") }}
),

history as (
    select
        min(partition_date) as first_session,
        max(partition_date) as last_session
    from held_sessions
),

priced as (
    select
        trades.*,
        traded.open as stock_open,
        traded.high as stock_high,
        traded.low as stock_low,
        traded.close as stock_close,
        traded.volume as stock_volume,
        public.open as public_open,
        public.close as public_close,
        {%- for basis, bar in (("transaction", "traded"), ("public", "public")) %}
            case
                when trades.security_kind not in ('stock', 'fund') then 'not_a_stock'
                when trades.ticker_reason is not null then trades.ticker_reason
                when trades.{{ basis }}_session is null then 'no_session'
                when trades.{{ basis }}_session < history.first_session then 'before_history'
                when trades.{{ basis }}_session > history.last_session then 'not_yet'
                when {{ basis }}_held.partition_date is null then 'session_missing'
                when {{ bar }}.ticker is null then 'not_listed'
                else 'priced'
            end as {{ basis }}_status
            {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from trades
    cross join history
    left join held_sessions as transaction_held
        on trades.transaction_session = transaction_held.partition_date
    left join held_sessions as public_held
        on trades.public_session = public_held.partition_date
    left join bars as traded
        on
            trades.ticker = traded.ticker
            and trades.transaction_session = traded.partition_date
    left join bars as public
        on
            trades.ticker = public.ticker
            and trades.public_session = public.partition_date
)

select
    priced.partition_date,
    priced.transaction_id,
    priced.trade_record_id,
    priced.report_id,
    priced.amendment_number,
    priced.disclosure_url,
    priced.member_id,
    priced.party,
    priced.state,
    priced.district,
    priced.chamber,
    priced.committees,
    priced.member_as_of,
    priced.transaction_date,
    priced.notification_date,
    priced.report_date,
    priced.days_to_report,
    priced.dates_plausible,
    priced.due_date,
    priced.is_late,
    priced.days_late,
    priced.is_over_45,
    priced.transaction_type,
    priced.side,
    priced.is_partial,
    priced.ownership,
    priced.owner,
    priced.amount_text,
    priced.amount_kind,
    priced.amount_low,
    priced.amount_high,
    priced.amount_mid,
    priced.amount_estimate,
    priced.amount_bucket,
    priced.security_name,
    priced.description,
    priced.security_type,
    priced.security_kind,
    priced.ticker_sent,
    priced.ticker,
    priced.ticker_other,
    priced.ticker_reason,
    priced.occurrence,
    priced.is_withdrawn,
    priced.repeats_transaction_id,
    priced.counts,
    priced.record_updated_at,
    priced.first_seen_at,
    priced.versions,
    states.state_name,
    states.state_iso,
    members.member_name,
    members.party as party_now,
    members.chamber as chamber_now,
    members.committees as committees_now,
    priced.transaction_session,
    priced.public_session,
    priced.stock_open,
    priced.stock_high,
    priced.stock_low,
    priced.stock_close,
    priced.stock_volume,
    cast((priced.stock_high + priced.stock_low) * 0.5 as decimal(20, 7)) as stock_mid,
    priced.public_open,
    priced.public_close,
    priced.transaction_status,
    priced.public_status
from priced
left join {{ ref("us_states") }} as states on priced.state = states.state
left join {{ ref("dim_members") }} as members on priced.member_id = members.member_id
