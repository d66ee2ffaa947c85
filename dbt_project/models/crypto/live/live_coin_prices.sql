{{ config(materialized="view") }}

with

{{ live_coin_ctes() }}

select facts.*
from {{ ref("fact_coin_prices") }} as facts
where facts.partition_date < (select newest_staged.partition_date from newest_staged)
union all
select *
from priced
