{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
        meta={"days_before": 2, "days_after": 3},
    )
}}

select
    {{- ids_and_times("hits") }},
    hits.page_url,
    hits.page_host,
    hits.page_path,
    hits.page_title,
    hits.referrer_url
from {{ ref("fact_hits") }} as hits
where
    {{ in_window() }}
    and hits.hit_type = 'pageview'
