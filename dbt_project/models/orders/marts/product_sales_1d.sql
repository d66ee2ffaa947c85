select
    orders.order_date,
    lines.product_id,
    lines.variant_id,
    count(distinct lines.order_id) as orders,
    count(*) as lines,
    cast(sum(lines.quantity) as bigint) as units
from {{ ref("fact_order_lines") }} as lines
inner join {{ ref("fact_orders") }} as orders
    on
        lines.partition_date = orders.partition_date
        and lines.order_id = orders.order_id
where orders.counts
group by orders.order_date, lines.product_id, lines.variant_id
