{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
        meta={"days_before": 2, "days_after": 3},
    )
}}

with

{{
    fact_hit_ctes(
        arrived=in_window(3, 1),
        since=window_start(),
        made=in_window(),
        sent=in_window(0, 1),
    )
}}

select *
from facts
