with

bought as (
    select
        *,
        coalesce(currency, '') as currency_key
    from {{ ref("purchases") }}
    where not is_bot
),

items as (
    select
        bought.partition_date,
        bought.property_id,
        bought.currency_key,
        {{ sum_of("coalesce(actions.product_quantity, 0)") }} as items
    from bought
    inner join {{ ref("product_actions") }} as actions on bought.log_id = actions.log_id
    where actions.product_action = 'purchase'
    group by bought.partition_date, bought.property_id, bought.currency_key
),

summed as (
    select
        partition_date,
        property_id,
        currency_key,
        count(*) as transactions,
        {{ sum_of("revenue") }} as revenue,
        {{ sum_of("tax") }} as tax,
        {{ sum_of("shipping") }} as shipping,
        count(distinct client_id) as buyers,
        cast(sum(times_sent - 1) as bigint) as repeats
    from bought
    group by partition_date, property_id, currency_key
)

select
    summed.partition_date,
    summed.property_id,
    summed.currency_key as currency,
    summed.transactions,
    summed.revenue,
    summed.tax,
    summed.shipping,
    case
        when items.partition_date is null then cast(0 as decimal(18, 4))
        else items.items
    end as items,
    summed.buyers,
    summed.repeats
from summed
left join items
    on
        summed.partition_date = items.partition_date
        and summed.property_id = items.property_id
        and summed.currency_key = items.currency_key
