{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

{{ newest_answers(source("staging", "stock_list_answers")) }},

listed as (
    select
        tickers.*,
        row_number() over (
            partition by tickers.partition_date, tickers.ticker
            order by
                tickers.last_updated_at desc nulls last,
                tickers.cik asc nulls last,
                newest_answers.page asc,
                tickers.position asc
        ) as place
    from {{ source("staging", "stock_tickers") }} as tickers
    inner join newest_answers
        on
            tickers.partition_date = newest_answers.partition_date
            and tickers.page = newest_answers.page
            and tickers.captured_at = newest_answers.captured_at
    where
        newest_answers.page <= newest_answers.last_page
        -- Pages are numbered from 0: none is missing.
        and newest_answers.pages_held = newest_answers.last_page + 1
)

select
    partition_date,
    ticker,
    {{ fold_whitespace("name") }} as name,
    type,
    primary_exchange,
    currency_name,
    cik,
    composite_figi,
    share_class_figi,
    last_updated_at,
    captured_at
from listed
where place = 1
