{# A double as a ratio. What is beyond all reason is told as the largest that the column holds. #}
{% macro as_ratio(value) -%}
    cast(case when {{ value }} > 999999 then 999999 else {{ value }} end as decimal(18, 12))
{%- endmacro %}


{# How many of so many, as a ratio; NULL of none. #}
{% macro as_share(part, whole) -%}
    cast(
        cast({{ part }} as double) / cast(nullif({{ whole }}, 0) as double) as decimal(18, 12)
    )
{%- endmacro %}


{#
    Sample standard deviation of daily returns, for a year of 365 days.

    spread  n times the sum of their squares less the square of their sum, in units squared
    n       how many returns, two at least
    unit    how many units are 1
#}
{% macro volatility(spread, n, unit) -%}
    cast(
        sqrt(cast(365 * {{ spread }} as double) / cast({{ n }} * ({{ n }} - 1) as double))
        / cast({{ unit }} as double)
        as decimal(18, 12)
    )
{%- endmacro %}
