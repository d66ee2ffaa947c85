{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{{
    attribute_runs(
        source("staging", "market_snapshots"),
        id="market_id",
        seen_at="polled_at",
        names=["market_name", "market_short_name"],
        attributes=["market_url", "image_url"],
        carried=["contract_count"],
    )
}}
