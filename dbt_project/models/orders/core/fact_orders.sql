{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

with

{{ fact_ctes(in_window()) }}

select *
from facts
