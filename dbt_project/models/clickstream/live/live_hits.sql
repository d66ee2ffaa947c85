{{ config(materialized="view") }}

with

{{
    fact_hit_ctes(
        arrived=since_seam(3),
        since="(select " ~ seam() ~ " from " ~ source("staging", "hits") ~ " as newest)",
        made=since_seam(),
        sent=since_seam(),
    )
}}

select *
from {{ ref("fact_hits") }}
where {{ before_seam() }}
union all
select *
from facts
