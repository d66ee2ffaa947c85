{#
    Odds by period: one row per contract and Eastern hour or day in which it was polled.

    grain   'hour' or 'day'. A day also has what PredictIt said of the day before: it says so all
            day long.

    A day depends on nothing but itself. So nothing is compared with the poll before midnight, and
    no quote holds beyond it.
#}
{% macro odds_by(grain) %}
{%- set longest_hold = 600 -%}
{%- set contract_day = "partition by prices.partition_date, prices.contract_id" -%}
{%- set polls_in_order = "(" ~ contract_day ~ " order by prices.polled_at)" -%}
with

days as (
    select
        partition_date,
        {{ eastern_to_utc("cast(partition_date as timestamp)") }} as start_ts,
        {{ eastern_to_utc("cast(partition_date + 1 as timestamp)") }} as end_ts
    from {{ ref("fact_prices") }}
    where {{ in_window() }}
    group by partition_date
),

prices as (
    select *
    from {{ ref("fact_prices") }}
    where {{ in_window() }}
),

polls as (
    select
        prices.partition_date,
        prices.polled_at,
        prices.market_id,
        prices.contract_id,
        prices.last_trade_price,
        prices.mid_price,
        prices.spread,
        {%- if grain == "hour" %}
        -- New York is whole hours from UTC, so its hours are those of UTC.
        date_trunc('hour', prices.polled_at) as period_start_ts,
        date_trunc('hour', prices.polled_at) + interval '1 hour' as period_end_ts,
        {%- else %}
        days.start_ts as period_start_ts,
        days.end_ts as period_end_ts,
        prices.last_close_price,
        -- The first polls after midnight can return an answer that PredictIt made the day before.
        prices.source_ts >= days.start_ts and prices.source_ts < days.end_ts as made_that_day,
        lag(prices.last_close_price) over {{ polls_in_order }} as previous_last_close_price,
        lag(prices.source_ts) over {{ polls_in_order }} >= days.start_ts as previous_made_that_day,
        {%- endif %}
        (prices.best_buy_yes_cost is null) <> (prices.best_sell_yes_cost is null) as is_one_sided,
        lag(prices.polled_at) over {{ polls_in_order }} as previous_polled_at,
        lag(prices.last_trade_price) over {{ polls_in_order }} as previous_last_trade_price,
        lead(prices.polled_at) over {{ polls_in_order }} as next_polled_at
    from prices
    inner join days on prices.partition_date = days.partition_date
),

measured as (
    select
        *,
        (
            previous_polled_at is not null
            and last_trade_price is distinct from previous_last_trade_price
        ) as is_move,
        {%- if grain == "day" %}
        (
            made_that_day
            and coalesce(previous_made_that_day, false)
            and last_close_price is distinct from previous_last_close_price
        ) as is_other_close,
        {%- endif %}
        least(
            {{ longest_hold }},
            datediff('second', polled_at, coalesce(next_polled_at, period_end_ts)),
            datediff('second', polled_at, period_end_ts)
        ) as held_seconds
    from polls
),

periods as (
    select
        partition_date,
        period_start_ts,
        market_id,
        contract_id,
        min(polled_at) as first_polled_at,
        max(polled_at) as last_polled_at,
        count(*) as quotes_seen,
        -- Engines differ in whether they take a NULL: the time is NULL where the value is.
        min_by(last_trade_price, case when last_trade_price is not null then polled_at end)
            as trade_open,
        max(last_trade_price) as trade_high,
        min(last_trade_price) as trade_low,
        max_by(last_trade_price, case when last_trade_price is not null then polled_at end)
            as trade_close,
        min_by(mid_price, case when mid_price is not null then polled_at end) as mid_open,
        max(mid_price) as mid_high,
        min(mid_price) as mid_low,
        max_by(mid_price, case when mid_price is not null then polled_at end) as mid_close,
        count_if(is_move) as last_trade_moves,
        max(case when is_move then polled_at end) as last_moved_at,
        -- Sums of exact numbers: the order of the rows doesn't change them.
        sum(mid_price * cast(held_seconds as decimal(4, 0))) as mid_seconds,
        sum(spread * cast(held_seconds as decimal(4, 0))) as spread_seconds,
        sum(case when mid_price is not null then held_seconds end) as quoted_seconds,
        {%- if grain == "day" %}
        min_by(
            last_close_price,
            case when made_that_day and last_close_price is not null then polled_at end
        ) as prior_close_first,
        max_by(
            last_close_price,
            case when made_that_day and last_close_price is not null then polled_at end
        ) as prior_close,
        case when count_if(made_that_day) > 0 then count_if(is_other_close) end
            as prior_close_changes,
        {%- endif %}
        count_if(is_one_sided) as one_sided
    from measured
    group by partition_date, period_start_ts, market_id, contract_id
),

since_midnight as (
    select
        *,
        max(last_moved_at) over (
            partition by partition_date, contract_id
            order by period_start_ts
            rows between unbounded preceding and current row
        ) as moved_at
    from periods
)

select
    partition_date,
    period_start_ts,
    market_id,
    contract_id,
    first_polled_at,
    last_polled_at,
    quotes_seen,
    trade_open,
    trade_high,
    trade_low,
    trade_close,
    mid_open,
    mid_high,
    mid_low,
    mid_close,
    cast(last_trade_moves as bigint) as last_trade_moves,
    cast(datediff('second', moved_at, last_polled_at) / 60 as decimal(9, 2)) as minutes_since_move,
    cast(mid_seconds / nullif(quoted_seconds, 0) as decimal(6, 4)) as time_weighted_mid,
    cast(spread_seconds / nullif(quoted_seconds, 0) as decimal(6, 4)) as time_weighted_spread,
    cast(one_sided / quotes_seen as decimal(9, 6)) as one_sided_share
    {%- if grain == "day" %},
    prior_close_first,
    prior_close,
    cast(prior_close_changes as bigint) as prior_close_changes
    {%- endif %}
from since_midnight
{% endmacro %}
