{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{{ odds_by("hour") }}
