{{ config(materialized="view") }}

{#-
    What was is looked for on the days that it can lie on, so that the view reads no others. The facts
    and the staged prices are joined separately, because DuckDB doesn't prune the days of a union.
#}

with

{{ live_coin_ctes() }},

staged_polls as (
    select polled_at
    from {{ source("staging", "coin_snapshots") }}
    where partition_date = (select newest_staged.partition_date from newest_staged)
    group by polled_at
    having count(distinct page) = max(pages)
),

newest_poll as (
    select
        coalesce(
            (select max(staged_polls.polled_at) from staged_polls),
            max(case when published.is_complete then published.polled_at end)
        ) as polled_at
    from {{ ref("coin_polls") }} as published
    where published.partition_date < (select newest_staged.partition_date from newest_staged)
),

newest as (
    select facts.*
    from {{ ref("fact_coin_prices") }} as facts
    where
        facts.partition_date < (select newest_staged.partition_date from newest_staged)
        and facts.partition_date = (select cast(newest_poll.polled_at as date) from newest_poll)
        and facts.polled_at = (select newest_poll.polled_at from newest_poll)
    union all
    select priced.*
    from priced
    where priced.polled_at = (select newest_poll.polled_at from newest_poll)
),

names as (
    select
        coin_id,
        {{ clean_name("symbol") }} as symbol,
        {{ clean_name("coin_name") }} as coin_name
    from {{ source("staging", "coin_snapshots") }}
    where
        partition_date = (select cast(newest_poll.polled_at as date) from newest_poll)
        and polled_at = (select newest_poll.polled_at from newest_poll)
    qualify row_number() over (partition by coin_id order by page asc, pages asc) = 1
),

horizons as (
    select
        '1h' as horizon,
        polled_at - interval '1 hour' as latest
    from newest_poll
    union all
    select
        '24h' as horizon,
        polled_at - interval '24 hours' as latest
    from newest_poll
    union all
    select
        '7d' as horizon,
        polled_at - interval '7 days' as latest
    from newest_poll
),

bounds as (
    select
        horizon,
        latest,
        latest - interval '900 seconds' as earliest
    from horizons
),

-- Those 900 seconds cross one midnight at most.
days as (
    select
        horizon,
        latest,
        earliest,
        cast(latest as date) as partition_date
    from bounds
    union distinct
    select
        horizon,
        latest,
        earliest,
        cast(earliest as date) as partition_date
    from bounds
),

quotes as (
    select
        days.horizon,
        facts.coin_id,
        facts.polled_at,
        facts.price
    from days
    inner join {{ ref("fact_coin_prices") }} as facts
        on
            days.partition_date = facts.partition_date
            and days.earliest <= facts.polled_at
            and days.latest >= facts.polled_at
    where
        facts.partition_date < (select newest_staged.partition_date from newest_staged)
        and not facts.is_stale
        and facts.price is not null
    union all
    select
        days.horizon,
        priced.coin_id,
        priced.polled_at,
        priced.price
    from days
    inner join priced
        on
            days.partition_date = priced.partition_date
            and days.earliest <= priced.polled_at
            and days.latest >= priced.polled_at
    where
        not priced.is_stale
        and priced.price is not null
),

newest_quotes as (
    select *
    from quotes
    qualify row_number() over (partition by horizon, coin_id order by polled_at desc) = 1
),

before as (
    select
        coin_id,
        max(case when horizon = '1h' then cast(price as double) end) as price_1h,
        max(case when horizon = '24h' then cast(price as double) end) as price_24h,
        max(case when horizon = '7d' then cast(price as double) end) as price_7d
    from newest_quotes
    group by coin_id
),

changes as (
    select
        newest.*,
        cast(newest.price as double) / before.price_1h - 1 as change_1h,
        cast(newest.price as double) / before.price_24h - 1 as change_24h,
        cast(newest.price as double) / before.price_7d - 1 as change_7d
    from newest
    left join before on newest.coin_id = before.coin_id
)

select
    changes.coin_id,
    names.symbol,
    names.coin_name,
    changes.market_cap_rank,
    changes.polled_at,
    changes.source_ts,
    changes.price,
    changes.is_stale,
    {{ as_ratio("changes.change_1h") }} as change_1h,
    {{ as_ratio("changes.change_24h") }} as change_24h,
    {{ as_ratio("changes.change_7d") }} as change_7d,
    changes.change_24h_pct as vendor_change_24h_pct,
    changes.market_cap,
    changes.volume_24h
from changes
inner join names on changes.coin_id = names.coin_id
