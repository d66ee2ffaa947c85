{#
    Built whole from the daily rows, which are few: the result of a day depends on the next day, which
    may be built earlier or later.
#}
with

days as (
    select
        today.partition_date,
        today.market_id,
        today.contract_id,
        today.trade_close as close_seen,
        next_day.prior_close_first as close_reported,
        next_day.trade_open as next_trade_open,
        -- NULL unless a poll saw an answer that PredictIt made on the next day.
        next_day.prior_close_changes,
        datediff(
            'second',
            today.last_polled_at,
            {{ eastern_to_utc("cast(today.partition_date + 1 as timestamp)") }}
        ) as seconds_before_midnight
    from {{ ref("odds_1d") }} as today
    left join {{ ref("odds_1d") }} as next_day
        on
            today.contract_id = next_day.contract_id
            and today.partition_date + 1 = next_day.partition_date
),

judged as (
    select
        *,
        case
            when prior_close_changes is null then 'next day not polled'
            when close_seen is null and close_reported is null then 'never traded'
            when close_seen = close_reported then 'agrees'
            when prior_close_changes > 0 then 'reported close changed during the day'
            -- A trade can't be undone: a close that isn't reported wasn't traded away.
            when close_reported is null then 'differs'
            when seconds_before_midnight > 300 then 'traded after the last poll'
            when (next_trade_open is distinct from close_seen) then 'traded after the last poll'
            else 'differs'
        end as reason
    from days
)

select
    partition_date,
    market_id,
    contract_id,
    close_seen,
    close_reported,
    case when reason not in ('next day not polled', 'never traded') then reason = 'agrees' end
        as agrees,
    reason,
    cast(seconds_before_midnight / 60 as decimal(9, 2)) as minutes_before_midnight
from judged
