-- Days are counted by their digits, which every engine can.
with

digits as (
    select ten.digit
    from (values (0), (1), (2), (3), (4), (5), (6), (7), (8), (9)) as ten (digit)
),

counted as (
    select
        cast(
            ones.digit + 10 * tens.digit + 100 * hundreds.digit + 1000 * thousands.digit as integer
        ) as day_number
    from digits as ones
    cross join digits as tens
    cross join digits as hundreds
    cross join digits as thousands
),

numbers as (
    select
        day_number,
        {{ days_after("cast('2012-01-01' as date)", "day_number") }} as exchange_date
    from counted
),

-- What closes in a year is known for all of it.
known as (
    select max(exchange_date) as last_closure
    from {{ ref("exchange_closures") }}
),

days as (
    select
        numbers.exchange_date,
        -- The first was a Sunday.
        mod(numbers.day_number + 6, 7) < 5 as is_weekday
    from numbers
    cross join known
    where date_trunc('year', numbers.exchange_date) <= date_trunc('year', known.last_closure)
),

marked as (
    select
        days.exchange_date,
        days.is_weekday and coalesce(closures.status, 'open') <> 'closed' as is_session,
        coalesce(closures.status, 'open') = 'half' as is_half_day,
        closures.reason
    from days
    left join {{ ref("exchange_closures") }} as closures
        on days.exchange_date = closures.exchange_date
),

numbered as (
    select
        *,
        row_number() over (partition by is_session order by exchange_date) as place,
        cast(exchange_date as timestamp) as midnight
    from marked
)

select
    exchange_date,
    is_session,
    is_session and is_half_day as is_half_day,
    case
        when is_session
            then {{ to_utc("midnight + interval '570 minutes'", "America/New_York") }}
    end as opens_at,
    case
        when is_session and is_half_day
            then {{ to_utc("midnight + interval '780 minutes'", "America/New_York") }}
        when is_session
            then {{ to_utc("midnight + interval '960 minutes'", "America/New_York") }}
    end as closes_at,
    case when is_session then cast(place as bigint) end as session_number,
    reason
from numbered
