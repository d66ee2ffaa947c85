{{ config(materialized="view") }}

with

made as (
    {{ purchase_hit_query(ref("live_hits"), made=since_seam(), sent=since_seam()) | indent(4) }}
),

known as (
    select *
    from {{ ref("purchase_hits") }}
    where {{ before_seam() }}
    union all
    select *
    from made
),

first_sent as (
    {{ purchase_query("known") | indent(4) }}
)

select *
from first_sent
