{{ config(materialized="view") }}

with

made as (
    {{ product_action_query(ref("live_hits"), made=since_seam(), sent=since_seam()) | indent(4) }}
)

select *
from {{ ref("product_actions") }}
where {{ before_seam() }}
union all
select *
from made
