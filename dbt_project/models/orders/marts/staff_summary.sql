with

counting as (
    select *
    from {{ ref("fact_orders") }}
    where counts and staff_id is not null
),

by_location as (
    select
        staff_id,
        currency,
        location_id
    from counting
    where location_id is not null
    group by staff_id, currency, location_id
    qualify
        row_number() over (
            partition by staff_id, currency
            order by count(*) desc, location_id
        ) = 1
),

summed as (
    select
        staff_id,
        currency,
        count(*) as orders,
        cast(sum(lines) as bigint) as lines,
        cast(sum(units) as bigint) as units,
        {{ money_of_counting("subtotal") }} as net,
        {{ money_of_counting("discount") }} as discount,
        {{ money_of_counting("total") }} as total,
        min(created_at) as first_order_at,
        max(created_at) as last_order_at,
        count(distinct order_date) as days_worked,
        count(distinct location_id) as locations
    from counting
    group by staff_id, currency
)

select
    summed.staff_id,
    summed.currency,
    summed.orders,
    summed.lines,
    summed.units,
    summed.net,
    summed.discount,
    summed.total,
    {{ average_money("summed.net", "summed.orders") }} as average_order,
    summed.first_order_at,
    summed.last_order_at,
    summed.days_worked,
    summed.locations,
    by_location.location_id as main_location_id
from summed
left join by_location
    on
        summed.staff_id = by_location.staff_id
        and summed.currency is not distinct from by_location.currency
