{{ config(materialized="incremental", incremental_strategy="replace_window") }}

select
    partition_date,
    reason,
    count(*) as rejected
from {{ source("staging", "rejected_hits") }}
where {{ in_window() }}
group by partition_date, reason
