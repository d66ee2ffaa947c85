{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

answers as (
    select
        partition_date,
        count(*) as answers,
        max(captured_at) as newest_answer_at
    from {{ source("staging", "congress_answers") }}
    where {{ in_window() }}
    group by partition_date
),

newest_pages as (
    {{ newest_pages(source("staging", "congress_answers")) | indent(4) }}
),

staged as (
    select
        partition_date,
        captured_at,
        part,
        count(*) as row_count
    from {{ source("staging", "congress_trades") }}
    where {{ in_window() }}
    group by partition_date, captured_at, part
),

listings as (
    select
        newest_pages.partition_date,
        sum(newest_pages.row_count) as sent_rows,
        sum(coalesce(staged.row_count, 0)) as staged_rows
    from newest_pages
    left join staged
        on
            newest_pages.partition_date = staged.partition_date
            and newest_pages.captured_at = staged.captured_at
            and newest_pages.part = staged.part
    group by newest_pages.partition_date
)

select
    answers.partition_date,
    answers.answers,
    answers.newest_answer_at,
    cast(listings.sent_rows as bigint) as sent_rows,
    -- A row that was rejected may be any trade's.
    coalesce(listings.sent_rows = listings.staged_rows, false) as is_complete
from answers
left join listings on answers.partition_date = listings.partition_date
