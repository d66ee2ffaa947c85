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
    session_ctes(
        ref("fact_hits"),
        ref("custom_events"),
        ref("purchase_hits"),
        started=in_window(),
        ended=in_window(0, 1),
    )
}}

select *
from sessions
