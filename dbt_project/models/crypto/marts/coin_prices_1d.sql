{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

{{ coin_prices_by("day") }}
