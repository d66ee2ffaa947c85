{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

pages as (
    {{ newest_pages(source("staging", "stock_list_answers")) }}
),

listed as (
    select
        tickers.*,
        row_number() over (
            partition by tickers.partition_date, tickers.ticker
            order by
                tickers.last_updated_at desc nulls last,
                tickers.cik asc nulls last,
                tickers.page asc,
                tickers.position asc
        ) as place
    from {{ source("staging", "stock_tickers") }} as tickers
    inner join pages
        on
            tickers.partition_date = pages.partition_date
            and tickers.part = pages.part
            and tickers.captured_at = pages.captured_at
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
