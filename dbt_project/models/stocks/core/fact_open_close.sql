{{ config(materialized="incremental", incremental_strategy="replace_window") }}

select
    partition_date,
    ticker,
    status,
    open,
    high,
    low,
    close,
    after_hours,
    pre_market,
    volume,
    is_otc,
    is_missing,
    captured_at
from {{ source("staging", "stock_open_close") }}
where {{ in_window() }}
qualify
    row_number() over (partition by partition_date, ticker order by captured_at desc, part asc) = 1
