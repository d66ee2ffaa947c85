{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
        meta={"days_before": 2, "days_after": 3},
    )
}}

{{ product_action_query(ref("fact_hits"), made=in_window(), sent=in_window(0, 1)) }}
