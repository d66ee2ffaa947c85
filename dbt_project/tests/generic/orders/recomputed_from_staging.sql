{# What is computed of an order, computed once more from its staged row and lines. #}
{% test recomputed_from_staging(model) %}
with

lines as (
    select
        partition_date,
        captured_at,
        part,
        order_position,
        count(*) as lines,
        sum(quantity) as units
    from {{ source("staging", "order_lines") }}
    where {{ in_window() }}
    group by partition_date, captured_at, part, order_position
),

held as (
    select
        dumps.partition_date,
        dumps.part,
        orders.order_id
    from {{ source("staging", "order_dumps") }} as dumps
    inner join {{ source("staging", "orders") }} as orders
        on
            dumps.partition_date = orders.partition_date
            and dumps.captured_at = orders.captured_at
            and dumps.part = orders.part
    where
        dumps.captured_at = (
            select max(others.captured_at)
            from {{ source("staging", "order_dumps") }} as others
            where
                others.partition_date = dumps.partition_date
                and others.part = dumps.part
        )
),

facts as (
    select *
    from {{ model }}
    where {{ in_window() }}
)

select facts.order_id
from facts
left join {{ source("staging", "orders") }} as sent
    on
        facts.partition_date = sent.partition_date
        and facts.captured_at = sent.captured_at
        and facts.part = sent.part
        and facts.position = sent.position
left join lines
    on
        facts.partition_date = lines.partition_date
        and facts.captured_at = lines.captured_at
        and facts.part = lines.part
        and facts.position = lines.order_position
left join (select distinct * from held) as held
    on
        facts.partition_date = held.partition_date
        and facts.part = held.part
        and facts.order_id = held.order_id
where
    facts.discount is distinct from sent.total_line_items_price - sent.subtotal_price
    or facts.lines is distinct from coalesce(lines.lines, 0)
    or facts.units is distinct from coalesce(lines.units, 0)
    or (facts.is_withdrawn and held.order_id is not null)
    or facts.counts is distinct from (
        not sent.test and sent.cancelled_at is null and not facts.is_withdrawn
    )
{% endtest %}
