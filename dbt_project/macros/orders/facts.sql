{# The columns of core.fact_orders that are as staged, under the same name. #}
{% macro order_columns_as_sent() -%}
    {{ return([
        "partition_date", "captured_at", "part", "position", "order_id", "email", "closed_at",
        "created_at", "updated_at", "number", "note", "token", "total_weight", "taxes_included",
        "currency", "financial_status", "cart_token", "buyer_accepts_marketing", "name",
        "referring_site", "landing_site", "cancelled_at", "cancel_reason", "total_price_usd",
        "checkout_token", "reference", "location_id", "source_identifier", "source_url",
        "processed_at", "device_id", "phone", "customer_locale", "app_id", "browser_ip",
        "landing_site_ref", "order_number", "checkout_id", "source_name", "fulfillment_status",
        "tags", "contact_email", "order_status_url", "total_discount",
        "created_at_offset_minutes", "order_date", "order_hour",
    ]) }}
{%- endmacro %}


{# What core tells otherwise than a staged order, by what core calls it. #}
{% macro order_columns_renamed(staged) -%}
    {{ return({
        "staff_id": staged ~ ".user_id",
        "is_test": staged ~ ".test",
        "is_confirmed": staged ~ ".confirmed",
        "gateway": blank_is_unknown(staged ~ ".gateway"),
        "processing_method": blank_is_unknown(staged ~ ".processing_method"),
        "line_items_total": staged ~ ".total_line_items_price",
        "subtotal": staged ~ ".subtotal_price",
        "tax": staged ~ ".total_tax",
        "total": staged ~ ".total_price",
        "total_discounts_sent": staged ~ ".total_discounts",
    }) }}
{%- endmacro %}


{% macro blank_is_unknown(column) -%}
    case when trim({{ column }}) <> '' then {{ column }} end
{%- endmacro %}


{# How many lines an order of a file version has, and how many things they are, as a CTE. #}
{% macro lines_of_versions(rows) -%}
lines_of_versions as (
    select
        partition_date,
        captured_at,
        part,
        order_position,
        count(*) as lines,
        cast(sum(quantity) as bigint) as units
    from {{ source("staging", "order_lines") }}
    where {{ rows }}
    group by partition_date, captured_at, part, order_position
)
{%- endmacro %}


{#
    Orders as core.fact_orders has them, of those staged rows for which the condition `rows` holds:
    CTEs, of which `facts` is the last.

    An order is withdrawn when the newest version of its file lacks it, unless an order of that
    version can't be read: that may be it.
#}
{% macro fact_ctes(rows) -%}
chosen as (
    select *
    from {{ source("staging", "orders") }}
    where {{ rows }}
    qualify
        row_number() over (
            partition by partition_date, order_id
            order by updated_at desc, captured_at desc, part desc, position desc
        ) = 1
),

{{ lines_of_versions(rows) }},

newest_versions as (
    select
        partition_date,
        part,
        captured_at,
        order_count
    from {{ source("staging", "order_dumps") }}
    where {{ rows }}
    qualify
        row_number() over (partition by partition_date, part order by captured_at desc) = 1
),

newest_orders as (
    select
        orders.partition_date,
        orders.part,
        orders.order_id,
        count(*) as times
    from {{ source("staging", "orders") }} as orders
    inner join newest_versions
        on
            orders.partition_date = newest_versions.partition_date
            and orders.part = newest_versions.part
            and orders.captured_at = newest_versions.captured_at
    group by orders.partition_date, orders.part, orders.order_id
),

read_of_newest as (
    select
        partition_date,
        part,
        sum(times) as orders_read
    from newest_orders
    group by partition_date, part
),

seen as (
    select
        {%- for column in order_columns_as_sent() %}
        chosen.{{ column }},
        {%- endfor %}
        {%- for name, column in order_columns_renamed("chosen").items() %}
        {{ column }} as {{ name }},
        {%- endfor %}
        cast(chosen.total_line_items_price - chosen.subtotal_price as decimal(12, 2)) as discount,
        coalesce(lines_of_versions.lines, 0) as lines,
        coalesce(lines_of_versions.units, 0) as units,
        newest_orders.order_id is null
        and coalesce(read_of_newest.orders_read, 0) = newest_versions.order_count as is_withdrawn
    from chosen
    left join lines_of_versions
        on
            chosen.partition_date = lines_of_versions.partition_date
            and chosen.captured_at = lines_of_versions.captured_at
            and chosen.part = lines_of_versions.part
            and chosen.position = lines_of_versions.order_position
    left join newest_versions
        on
            chosen.partition_date = newest_versions.partition_date
            and chosen.part = newest_versions.part
    left join newest_orders
        on
            chosen.partition_date = newest_orders.partition_date
            and chosen.part = newest_orders.part
            and chosen.order_id = newest_orders.order_id
    left join read_of_newest
        on
            chosen.partition_date = read_of_newest.partition_date
            and chosen.part = read_of_newest.part
),

facts as (
    select
        *,
        not is_test and not is_withdrawn and cancelled_at is null as counts
    from seen
)
{%- endmacro %}


{# From when to when something bore orders that count, and how many. #}
{% macro seen_columns() -%}
    min(case when counts then order_date end) as first_order_date,
    max(case when counts then order_date end) as last_order_date,
    cast(count_if(counts) as bigint) as orders
{%- endmacro %}
