{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

page_answers as (
    select
        partition_date,
        page,
        part,
        captured_at,
        is_last
    from {{ source("staging", "stock_split_answers") }}
    where {{ in_window() }}
    qualify
        row_number() over (
            partition by partition_date, page order by captured_at desc, part desc
        ) = 1
),

newest_answers as (
    select
        *,
        min(case when is_last then page end) over (partition by partition_date) as last_page
    from page_answers
),

splits as (
    select
        splits.partition_date,
        splits.ticker,
        splits.split_id,
        splits.split_from,
        splits.split_to,
        splits.captured_at,
        row_number() over (
            partition by splits.partition_date, splits.ticker
            order by splits.split_id, newest_answers.page, splits.position
        ) as place
    from {{ source("staging", "stock_splits") }} as splits
    inner join newest_answers
        on
            splits.partition_date = newest_answers.partition_date
            and splits.captured_at = newest_answers.captured_at
            and splits.part = newest_answers.part
    -- Where no page says that it is the last, what is held is all that is known.
    where newest_answers.page <= coalesce(newest_answers.last_page, newest_answers.page)
),

-- Ratios are compared as products, which are exact.
rivals as (
    select
        kept.partition_date,
        kept.ticker,
        max(
            case
                when splits.split_to * kept.split_from <> kept.split_to * splits.split_from then 1
                else 0
            end
        ) = 1 as is_ambiguous
    from splits as kept
    inner join splits
        on
            kept.partition_date = splits.partition_date
            and kept.ticker = splits.ticker
    where kept.place = 1
    group by kept.partition_date, kept.ticker
)

select
    splits.partition_date,
    splits.ticker,
    splits.split_id,
    splits.split_from,
    splits.split_to,
    rivals.is_ambiguous,
    splits.captured_at
from splits
inner join rivals
    on
        splits.partition_date = rivals.partition_date
        and splits.ticker = rivals.ticker
where splits.place = 1
