{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

with

{{ coin_price_ctes(in_window()) }}

select *
from priced
