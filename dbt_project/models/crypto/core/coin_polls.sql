{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

polls as (
    select
        partition_date,
        polled_at,
        max(pages) as pages,
        count(distinct page) as pages_staged
    from {{ source("staging", "coin_snapshots") }}
    where {{ in_window() }}
    group by partition_date, polled_at
),

facts as (
    select
        partition_date,
        polled_at,
        count(*) as coin_rows,
        max(source_ts) as newest_source_ts
    from {{ ref("fact_coin_prices") }}
    where {{ in_window() }}
    group by partition_date, polled_at
)

select
    polls.partition_date,
    polls.polled_at,
    polls.pages,
    polls.pages_staged,
    polls.pages_staged = polls.pages as is_complete,
    facts.coin_rows,
    facts.newest_source_ts
from polls
inner join facts
    on
        polls.partition_date = facts.partition_date
        and polls.polled_at = facts.polled_at
