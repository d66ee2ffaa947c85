with

sold as (
    select
        lines.partition_date,
        lines.line_id,
        lines.order_id,
        lines.line_number,
        lines.variant_id,
        lines.product_id,
        orders.created_at,
        orders.order_date,
        orders.counts
    from {{ ref("fact_order_lines") }} as lines
    inner join {{ ref("fact_orders") }} as orders
        on
            lines.partition_date = orders.partition_date
            and lines.order_id = orders.order_id
    where lines.variant_id is not null
),

newest as (
    select
        variant_id,
        product_id
    from sold
    qualify
        row_number() over (
            partition by variant_id
            order by
                created_at desc, order_id desc, line_number desc, partition_date desc, line_id desc
        ) = 1
),

seen as (
    select
        variant_id,
        min(case when counts then order_date end) as first_order_date,
        max(case when counts then order_date end) as last_order_date,
        count(distinct case when counts then order_id end) as orders
    from sold
    group by variant_id
)

select
    newest.variant_id,
    newest.product_id,
    seen.first_order_date,
    seen.last_order_date,
    seen.orders
from newest
inner join seen on newest.variant_id = seen.variant_id
