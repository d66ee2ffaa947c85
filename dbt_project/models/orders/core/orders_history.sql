{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{%- set attributes = [
    "financial_status", "fulfillment_status", "gateway", "line_items_total", "subtotal", "tax",
    "total", "closed_at", "cancelled_at", "cancel_reason", "note", "tags", "lines", "units",
] %}

with

versions as (
    select *
    from {{ source("staging", "orders") }}
    where {{ in_window() }}
    qualify
        row_number() over (
            partition by partition_date, order_id, updated_at
            order by captured_at desc, part desc, position desc
        ) = 1
),

{{ lines_of_versions(in_window()) }},

told as (
    select
        versions.partition_date,
        versions.order_id,
        versions.updated_at,
        versions.financial_status,
        versions.fulfillment_status,
        {{ blank_is_unknown("versions.gateway") }} as gateway,
        versions.total_line_items_price as line_items_total,
        versions.subtotal_price as subtotal,
        versions.total_tax as tax,
        versions.total_price as total,
        versions.closed_at,
        versions.cancelled_at,
        versions.cancel_reason,
        versions.note,
        versions.tags,
        coalesce(lines_of_versions.lines, 0) as lines,
        coalesce(lines_of_versions.units, 0) as units
    from versions
    left join lines_of_versions
        on
            versions.partition_date = lines_of_versions.partition_date
            and versions.captured_at = lines_of_versions.captured_at
            and versions.part = lines_of_versions.part
            and versions.position = lines_of_versions.order_position
),

marked as (
    select
        *,
        {{ differs_from_previous(attributes, "partition_date, order_id", "updated_at") }}
            as starts_run
    from told
),

runs as (
    select
        *,
        lead(updated_at) over (partition by partition_date, order_id order by updated_at)
            as next_at
    from marked
    where starts_run
)

select
    partition_date,
    order_id,
    updated_at as valid_from,
    next_at as valid_to,
    next_at is null as is_current,
    {{ attributes | join(",\n    ") }}
from runs
