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
        count(case when has_any_add then 1 end) as sessions_with_add,
        count(case when has_any_add and not has_purchase_of_any_add then 1 end) as abandoned
    from shopping
    group by partition_date
)

select
    partition_date,
    sessions_with_add,
    abandoned,
    {{ share_of("abandoned", "sessions_with_add", 6, "decimal(9, 6)") }} as abandonment_rate
from counted
