{{ config(materialized="incremental", incremental_strategy="replace_window") }}

-- An answer without a bar leaves no row in staging. A day without a session has none, and its
-- splits and its list have been asked for all the same.
with

answers as (
    select
        partition_date,
        captured_at,
        true as is_of_bars
    from {{ source("staging", "stock_days") }}
    where {{ in_window() }}
    union all
    select
        partition_date,
        captured_at,
        false as is_of_bars
    from {{ source("staging", "stock_split_answers") }}
    where {{ in_window() }}
    union all
    select
        partition_date,
        captured_at,
        false as is_of_bars
    from {{ source("staging", "stock_list_answers") }}
    where {{ in_window() }}
)

select
    partition_date,
    max(case when is_of_bars then 1 else 0 end) = 1 as has_bars,
    max(captured_at) as newest_answer_at
from answers
group by partition_date
