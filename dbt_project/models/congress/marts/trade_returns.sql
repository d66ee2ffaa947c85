{%- set benchmark = "'" ~ var("stocks_benchmark", "SPY") | replace("'", "''") ~ "'" %}
-- What is beyond has no place in the columns: a fault of the data, which costs its row.
{%- set most = "1000000000" %}

with recursive

sessions as (
    select
        exchange_date as session_date,
        session_number
    from {{ ref("dim_exchange_days") }}
    where is_session
),

trades as (
    {%- for basis in ("transaction", "public") %}
        select
            transaction_id,
            '{{ basis }}' as basis,
            ticker,
            side,
            dates_plausible,
            {{ basis }}_session as base_date,
            public_session
        from {{ ref("trade_prices") }}
        where
            counts
            and side in ('purchase', 'sale')
            and security_kind in ('stock', 'fund')
            and ticker is not null
        {%- if not loop.last %}
            union all
        {%- endif %}
    {%- endfor %}
),

-- A week, a month, a quarter, half a year, a year.
horizons as (
    select days.sessions
    from (values (5), (21), (63), (126), (252)) as days (sessions)
),

spans as (
    select
        begun.session_date as base_date,
        horizons.sessions as horizon_sessions,
        ended.session_date as end_date
    from sessions as begun
    cross join horizons
    inner join sessions as ended
        on ended.session_number = begun.session_number + horizons.sessions
),

-- Trades of one stock and session share their spans, and so do all with the benchmark's.
asked as (
    select distinct
        trades.ticker,
        spans.base_date,
        spans.end_date
    from trades
    inner join spans on trades.base_date = spans.base_date
),

measured as (
    select
        ticker,
        base_date,
        end_date
    from asked
    union
    select
        {{ benchmark }} as ticker,
        base_date,
        end_date
    from asked
),

-- The bars are many, the wanted ones few: they are joined once.
wanted as (
    select
        ticker,
        base_date as session_date
    from measured
    union
    select
        ticker,
        end_date as session_date
    from measured
),

closes as (
    select
        bars.ticker,
        bars.partition_date as session_date,
        bars.close
    from {{ ref("fact_stock_days") }} as bars
    inner join wanted
        on
            bars.partition_date = wanted.session_date
            and bars.ticker = wanted.ticker
),

splits as (
    select
        measured.ticker,
        measured.base_date,
        measured.end_date,
        splits.split_from,
        splits.split_to,
        splits.is_ambiguous,
        row_number() over (
            partition by measured.ticker, measured.base_date, measured.end_date
            order by splits.partition_date
        ) as place
    from measured
    inner join {{ ref("fact_stock_splits") }} as splits
        on
            measured.ticker = splits.ticker
            and measured.base_date < splits.partition_date
            and measured.end_date >= splits.partition_date
),

-- Shares of before become shares of after, one split after the other: doubles are multiplied in the
-- order of days, so the same factors give the same product.
factors as (
    select
        ticker,
        base_date,
        end_date,
        place,
        cast(split_to as double) as shares_after,
        cast(split_from as double) as shares_before,
        is_ambiguous
    from splits
    where place = 1
    union all
    select
        factors.ticker,
        factors.base_date,
        factors.end_date,
        splits.place,
        factors.shares_after * cast(splits.split_to as double) as shares_after,
        factors.shares_before * cast(splits.split_from as double) as shares_before,
        factors.is_ambiguous or splits.is_ambiguous as is_ambiguous
    from factors
    inner join splits
        on
            factors.ticker = splits.ticker
            and factors.base_date = splits.base_date
            and factors.end_date = splits.end_date
            and splits.place = factors.place + 1
),

whole_factors as (
    select *
    from factors
    qualify
        row_number() over (
            partition by ticker, base_date, end_date
            order by place desc
        ) = 1
),

held as (
    select
        measured.ticker,
        measured.base_date,
        measured.end_date,
        begun.close as base_close,
        ended.close as end_close,
        coalesce(whole_factors.shares_after, 1) as shares_after,
        coalesce(whole_factors.shares_before, 1) as shares_before
    from measured
    inner join closes as begun
        on
            measured.ticker = begun.ticker
            and measured.base_date = begun.session_date
    inner join closes as ended
        on
            measured.ticker = ended.ticker
            and measured.end_date = ended.session_date
    left join whole_factors
        on
            measured.ticker = whole_factors.ticker
            and measured.base_date = whole_factors.base_date
            and measured.end_date = whole_factors.end_date
    where
        begun.close > 0
        and not coalesce(whole_factors.is_ambiguous, false)
),

-- Millionths of dollars are whole numbers, which doubles hold exactly.
grown as (
    select
        *,
        cast(end_close * 1000000 as double) * shares_after as worth_after,
        cast(base_close * 1000000 as double) * shares_before as worth_before
    from held
),

quotients as (
    select
        *,
        {{ quotient("worth_after", "worth_before") }} - 1 as growth,
        {{ quotient("shares_after", "shares_before") }} as factor
    from grown
    where
        worth_after < {{ most }} * worth_before
        and shares_after < {{ most }} * shares_before
),

rounded as (
    select
        ticker,
        base_date,
        end_date,
        base_close,
        end_close,
        {{ round_half_even("growth", 8) | indent(8) }} as price_return,
        {{ round_half_even("factor", 8) | indent(8) }} as split_factor
    from quotients
),

returns as (
    select
        trades.transaction_id,
        trades.basis,
        spans.horizon_sessions,
        trades.ticker,
        trades.side,
        trades.dates_plausible,
        spans.base_date,
        spans.end_date,
        greatest(spans.end_date, coalesce(trades.public_session, spans.end_date)) as known_date,
        stocks.base_close,
        stocks.end_close,
        cast(stocks.split_factor as decimal(18, 8)) as split_factor,
        cast(stocks.price_return as decimal(18, 8)) as stock_return,
        cast(benchmarks.price_return as decimal(18, 8)) as benchmark_return
    from trades
    inner join spans on trades.base_date = spans.base_date
    inner join rounded as stocks
        on
            trades.ticker = stocks.ticker
            and spans.base_date = stocks.base_date
            and spans.end_date = stocks.end_date
    inner join rounded as benchmarks
        on
            spans.base_date = benchmarks.base_date
            and spans.end_date = benchmarks.end_date
            and benchmarks.ticker = {{ benchmark }}
)

select
    known_date as partition_date,
    transaction_id,
    basis,
    cast(horizon_sessions as bigint) as horizon_sessions,
    ticker,
    side,
    dates_plausible,
    base_date as base_session_date,
    end_date as end_session_date,
    base_close,
    end_close,
    split_factor,
    stock_return,
    benchmark_return,
    cast(stock_return - benchmark_return as decimal(18, 8)) as excess_return,
    cast(
        case side when 'purchase' then 1 else -1 end * (stock_return - benchmark_return)
        as decimal(18, 8)
    ) as signed_excess
from returns
