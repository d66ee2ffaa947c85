{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
        meta={"days_before": 2, "days_after": 3},
    )
}}

with

{{ traffic_ctes("hour", ref("fact_hits"), ref("product_actions"), made=in_window()) }}

select
    {{ traffic_columns() | join(",\n    ") }}
from traffic
