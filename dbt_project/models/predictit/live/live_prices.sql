{{ config(materialized="view") }}

with

{{ live_ctes() }}

select facts.*
from {{ ref("fact_prices") }} as facts
where facts.polled_at <= (select published.polled_at from published)
union all
select *
from staged
