{# The summary has the sums of the orders that it sums up, and counts the others once each. #}
{% test sums_agree(model, to) %}
with

summary as (
    select
        coalesce(sum(orders), 0) as orders,
        coalesce(sum(lines), 0) as lines,
        coalesce(sum(units), 0) as units,
        coalesce(sum(gross), 0) as gross,
        coalesce(sum(discount), 0) as discount,
        coalesce(sum(net), 0) as net,
        coalesce(sum(tax), 0) as tax,
        coalesce(sum(total), 0) as total,
        coalesce(sum(test_orders + cancelled_orders + withdrawn_orders), 0) as others
    from {{ model }}
),

facts as (
    select
        coalesce(count_if(counts), 0) as orders,
        coalesce(sum(case when counts then lines end), 0) as lines,
        coalesce(sum(case when counts then units end), 0) as units,
        coalesce(sum(case when counts then line_items_total end), 0) as gross,
        coalesce(sum(case when counts then discount end), 0) as discount,
        coalesce(sum(case when counts then subtotal end), 0) as net,
        coalesce(sum(case when counts then tax end), 0) as tax,
        coalesce(sum(case when counts then total end), 0) as total,
        coalesce(count_if(not counts), 0) as others
    from {{ to }}
)

select *
from summary
except
select *
from facts
{% endtest %}
