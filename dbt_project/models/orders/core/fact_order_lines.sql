{{
    config(
        materialized="incremental",
        incremental_strategy="replace_window",
        cluster_by=["partition_date"],
    )
}}

with

orders as (
    select
        partition_date,
        captured_at,
        part,
        position,
        order_id
    from {{ ref("fact_orders") }}
    where {{ in_window() }}
)

select
    lines.partition_date,
    lines.line_id,
    lines.order_id,
    lines.line_number,
    lines.variant_id,
    lines.product_id,
    lines.quantity
from {{ source("staging", "order_lines") }} as lines
inner join orders
    on
        lines.partition_date = orders.partition_date
        and lines.captured_at = orders.captured_at
        and lines.part = orders.part
        and lines.order_position = orders.position
