{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
        meta={"days_before": 2, "days_after": 3},
    )
}}

with

{{ shopping_ctes() }},

counted as (
    select
        partition_date,
        count(*) as sessions,
        count(case when has_detail then 1 end) as with_detail,
        count(case when has_add then 1 end) as with_add,
        count(case when has_purchase then 1 end) as with_purchase
    from shopping
    group by partition_date
)

select
    partition_date,
    sessions,
    with_detail,
    with_add,
    with_purchase,
    {{ share_of("with_detail", "sessions", 6, "decimal(9, 6)") }} as detail_rate,
    {{ share_of("with_add", "with_detail", 6, "decimal(9, 6)") }} as add_rate,
    {{ share_of("with_purchase", "with_add", 6, "decimal(9, 6)") }} as purchase_rate
from counted
