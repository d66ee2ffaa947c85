{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{{
    attribute_runs(
        source("staging", "contract_snapshots"),
        id="contract_id",
        seen_at="polled_at",
        names=["contract_name", "contract_short_name"],
        attributes=["image_url", "display_order", "date_end"],
        carried=["market_id"],
    )
}}
