{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

sent as (
    select
        partition_date,
        count(*) as coin_rows,
        count(distinct coin_id) as coins_seen,
        count(case when coalesce(price, 0) = 0 then 1 end) as unpriced_rows,
        count(source_ts) as timed_rows,
        count(case when source_ts = date_trunc('second', source_ts) then 1 end)
            as whole_second_rows,
        count(change_24h_pct) as change_rows,
        count(case when mod(change_24h_pct, 0.1) = 0 then 1 end) as one_decimal_rows
    from {{ source("staging", "coin_snapshots") }}
    where {{ in_window() }}
    group by partition_date
),

rejected as (
    select
        partition_date,
        count(*) as rejected_rows
    from {{ source("staging", "rejected_coin_snapshots") }}
    where {{ in_window() }}
    group by partition_date
),

stale as (
    select
        partition_date,
        count(*) as stale_rows
    from {{ ref("fact_coin_prices") }}
    where
        {{ in_window() }}
        and is_stale
    group by partition_date
),

polls as (
    select
        partition_date,
        polled_at,
        pages_staged,
        is_complete,
        datediff('second', newest_source_ts, polled_at) as age_seconds
    from {{ ref("coin_polls") }}
    where {{ in_window() }}
),

-- Polls of which nobody knows the age come last, and are none of those that are counted.
aged as (
    select
        *,
        count(age_seconds) over (partition by partition_date) as aged_polls,
        row_number() over (
            partition by partition_date order by age_seconds asc nulls last, polled_at asc
        ) as age_position
    from polls
),

days as (
    select
        partition_date,
        count(*) as polls,
        count(case when is_complete then 1 end) as complete_polls,
        sum(pages_staged) as pages,
        -- The nearest rank: at least half of the polls are no older.
        min(case when age_position * 2 >= aged_polls then age_seconds end) as feed_age_p50_s,
        max(age_seconds) as feed_age_max_s
    from aged
    group by partition_date
),

gaps as (
    select
        partition_date,
        max(minutes) as longest_gap_minutes
    from {{ ref("coin_gaps") }}
    where {{ in_window() }}
    group by partition_date
)

select
    days.partition_date,
    days.polls,
    days.complete_polls,
    cast(days.pages as bigint) as pages,
    sent.coin_rows,
    coalesce(rejected.rejected_rows, 0) as rejected_rows,
    sent.coins_seen,
    sent.unpriced_rows,
    coalesce(stale.stale_rows, 0) as stale_rows,
    gaps.longest_gap_minutes,
    days.feed_age_p50_s,
    days.feed_age_max_s,
    {{ as_share("sent.whole_second_rows", "sent.timed_rows") }} as whole_second_share,
    {{ as_share("sent.one_decimal_rows", "sent.change_rows") }} as one_decimal_share
from days
inner join sent on days.partition_date = sent.partition_date
left join rejected on days.partition_date = rejected.partition_date
left join stale on days.partition_date = stale.partition_date
left join gaps on days.partition_date = gaps.partition_date
