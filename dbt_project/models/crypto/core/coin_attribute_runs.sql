{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{#- A coin on two pages of a poll was seen once; engines differ in what they carry of a NULL. -#}
{%- set coins -%}
    (
        select
            partition_date,
            polled_at,
            coin_id,
            symbol,
            coin_name,
            coalesce(image_url, '') as image_url
        from {{ source("staging", "coin_snapshots") }}
        where {{ in_window() }}
        qualify
            row_number() over (
                partition by partition_date, polled_at, coin_id order by page asc, pages asc
            ) = 1
    )
{%- endset -%}

{{
    attribute_runs(
        coins,
        id="coin_id",
        seen_at="polled_at",
        names=["symbol", "coin_name"],
        attributes=[],
        carried=["image_url"],
        folded=clean_name,
    )
}}
