{#- Grain: one row per order date and currency, of the orders that are served. -#}
{%- set keys = ["order_date", "currency"] %}

with

{{ order_measure_ctes(ref("fact_orders"), keys) }}

select
    order_date,
    currency,
    orders,
    lines,
    units,
    staff,
    devices,
    gross,
    discount,
    net,
    tax,
    total,
    average_order,
    units_an_order,
    cash_orders,
    cash_share,
    free_orders,
    unfulfilled_orders,
    test_orders,
    cancelled_orders,
    withdrawn_orders,
    locations
from measured
