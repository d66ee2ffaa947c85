{# Money divided by a number, in cents. NULL when divided by 0. #}
{% macro average_money(money, number) -%}
    cast(
        {{ rounded_ratio("cast(" ~ money ~ " * 100 as bigint)", "nullif(" ~ number ~ ", 0)", 0,
            "decimal(18, 0)") }} * 0.01 as decimal(12, 2)
    )
{%- endmacro %}


{% macro money_of_counting(column) -%}
    cast(sum(case when counts then {{ column }} else 0 end) as decimal(18, 2))
{%- endmacro %}


{% macro number_of_counting(column) -%}
    cast(sum(case when counts then {{ column }} else 0 end) as bigint)
{%- endmacro %}


{#
    What there is to say of orders, by some of their columns, as two CTEs: `summed`, and `measured`
    with what is divided. An order that doesn't count is told once, by the first reason that fits.
#}
{% macro order_measure_ctes(relation, keys) -%}
summed as (
    select
        {{ keys | join(",\n        ") }},
        count(case when counts then 1 end) as orders,
        {{ number_of_counting("lines") }} as lines,
        {{ number_of_counting("units") }} as units,
        count(distinct case when counts then staff_id end) as staff,
        -- Ids of devices are used again in other locations.
        count(distinct case
            when counts
                then coalesce(cast(location_id as varchar), '') || '/' || cast(device_id as varchar)
        end) as devices,
        count(distinct case when counts then location_id end) as locations,
        {{ money_of_counting("line_items_total") }} as gross,
        {{ money_of_counting("discount") }} as discount,
        {{ money_of_counting("subtotal") }} as net,
        {{ money_of_counting("tax") }} as tax,
        {{ money_of_counting("total") }} as total,
        count(case when counts and gateway = 'cash' then 1 end) as cash_orders,
        count(case when counts and total = 0 then 1 end) as free_orders,
        count(case when counts and fulfillment_status is null then 1 end) as unfulfilled_orders,
        count(case when is_test and not is_withdrawn then 1 end) as test_orders,
        count(case
            when cancelled_at is not null and not is_withdrawn and not is_test then 1
        end) as cancelled_orders,
        count(case when is_withdrawn then 1 end) as withdrawn_orders
    from {{ relation }}
    group by {{ keys | join(", ") }}
),

measured as (
    select
        *,
        {{ average_money("net", "orders") }} as average_order,
        {{ share_of("units", "orders", 4, "decimal(10, 4)") }} as units_an_order,
        {{ share_of("cash_orders", "orders", 4, "decimal(6, 4)") }} as cash_share
    from summed
)
{%- endmacro %}


{# The measures of order_summary_1d, in order. #}
{% macro order_measures() -%}
    {{ return([
        "orders", "lines", "units", "staff", "devices", "gross", "discount", "net", "tax", "total",
        "average_order", "units_an_order", "cash_orders", "cash_share", "free_orders",
        "unfulfilled_orders", "test_orders", "cancelled_orders", "withdrawn_orders",
    ]) }}
{%- endmacro %}
