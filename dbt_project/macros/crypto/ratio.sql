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
