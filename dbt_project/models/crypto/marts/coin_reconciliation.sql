{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{#- A point is compared with the fresh quote updated last before it, so many seconds at most. -#}
{%- set longest_lag = 600 %}

with

points as (
    select
        *,
        row_number() over (partition by partition_date, coin_id order by point_at desc) = 1
            as is_last
    from {{ ref("fact_coin_history") }}
    where {{ in_window() }}
),

known as (
    select distinct
        partition_date,
        coin_id
    from points
),

-- By number, as one statement walks through quotes and points: of one update the later poll counts.
quotes as (
    select
        facts.partition_date,
        facts.coin_id,
        facts.source_ts,
        facts.price,
        row_number() over (
            partition by facts.partition_date, facts.coin_id
            order by facts.source_ts, facts.polled_at
        ) as quote_number
    from {{ ref("fact_coin_prices") }} as facts
    inner join known
        on
            facts.partition_date = known.partition_date
            and facts.coin_id = known.coin_id
    where
        not facts.is_stale
        and facts.price is not null
),

moments as (
    select
        partition_date,
        coin_id,
        source_ts as moment,
        0 as is_point,
        quote_number,
        null as price
    from quotes
    union all
    select
        partition_date,
        coin_id,
        point_at as moment,
        1 as is_point,
        null as quote_number,
        price
    from points
),

followed as (
    select
        *,
        max(quote_number) over (
            partition by partition_date, coin_id
            order by moment, is_point
            rows between unbounded preceding and current row
        ) as quote_before
    from moments
),

compared as (
    select
        followed.partition_date,
        followed.coin_id,
        followed.moment as point_at,
        abs(cast(quotes.price as double) / cast(followed.price as double) - 1) as difference
    from followed
    inner join quotes
        on
            followed.partition_date = quotes.partition_date
            and followed.coin_id = quotes.coin_id
            and followed.quote_before = quotes.quote_number
    where
        followed.is_point = 1
        and followed.price is not null
        and datediff('second', quotes.source_ts, followed.moment) <= {{ longest_lag }}
),

-- The first of the points that differ as much, as far as the column tells.
ranked as (
    select
        *,
        row_number() over (
            partition by partition_date, coin_id
            order by {{ as_ratio("difference") }} desc, point_at asc
        ) = 1 as is_largest
    from compared
),

differences as (
    select
        partition_date,
        coin_id,
        count(*) as points_compared,
        median(difference) as median_difference,
        max(difference) as max_difference,
        max(case when is_largest then point_at end) as max_difference_at
    from ranked
    group by partition_date, coin_id
),

told as (
    select
        partition_date,
        coin_id,
        count(*) as history_points,
        max(case when is_last then price end) as history_close
    from points
    group by partition_date, coin_id
),

closes as (
    select
        told.*,
        days.price_close,
        cast(days.price_close as double) / cast(told.history_close as double) - 1
            as close_difference
    from told
    left join {{ ref("coin_prices_1d") }} as days
        on
            told.partition_date = days.partition_date
            and told.coin_id = days.coin_id
)

select
    closes.partition_date,
    closes.coin_id,
    closes.history_points,
    coalesce(differences.points_compared, 0) as points_compared,
    {{ as_ratio("differences.median_difference") }} as median_difference,
    {{ as_ratio("differences.max_difference") }} as max_difference,
    differences.max_difference_at,
    closes.history_close,
    closes.price_close,
    {{ as_ratio("closes.close_difference") }} as close_difference
from closes
left join differences
    on
        closes.partition_date = differences.partition_date
        and closes.coin_id = differences.coin_id
