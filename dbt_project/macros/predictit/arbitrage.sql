{#
    What one NO share of each of some exclusive contracts earns at worst, after the fee: the leg with
    the least profit is the one that loses. `fees_of_days` holds the fee of the day.
#}
{% macro no_net(sum_of_profits, least_profit) -%}
    cast(
        {{ sum_of_profits }} - 1
        - fees_of_days.fee_on_profit * ({{ sum_of_profits }} - {{ least_profit }})
        as decimal(12, 8)
    )
{%- endmacro %}
