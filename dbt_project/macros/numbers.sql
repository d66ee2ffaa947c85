{# A decimal rounded half even: of two values as near, the one whose last digit is even. #}
{% macro round_half_even(value, scale) -%}
    {{ adapter.dispatch("round_half_even")(value, scale) }}
{%- endmacro %}

{# DuckDB rounds decimals half away from zero: it has gone one too far where the digit is odd. #}
{% macro duckdb__round_half_even(value, scale) -%}
    {%- set unit = "1" if scale == 0 else "0." ~ "0" * (scale - 1) ~ "1" -%}
    {%- set rounded = "round(" ~ value ~ ", " ~ scale ~ ")" -%}
    {{ rounded }} - case
        when
            abs({{ rounded }} - {{ value }}) = {{ unit }} * 0.5
            and mod({{ rounded }}, {{ unit }} * 2) <> 0
            then sign({{ value }}) * {{ unit }}
        else 0
    end
{%- endmacro %}

{% macro snowflake__round_half_even(value, scale) -%}
    round({{ value }}, {{ scale }}, 'HALF_TO_EVEN')
{%- endmacro %}


{#
    A quotient as a decimal with 14 digits behind the point: engines give decimal quotients different
    scales. As doubles it has 15 sure digits, so what ends within 14 is exact, and can be rounded.
#}
{% macro quotient(dividend, divisor) -%}
    cast(
        cast({{ dividend }} as double) / nullif(cast({{ divisor }} as double), 0) as decimal(32, 14)
    )
{%- endmacro %}


{# A whole number divided by another, times ten to the power of `digits`: half away from zero. #}
{% macro rounded_ratio(numerator, denominator, digits, type) -%}
    {%- set twice = "2 * abs(" ~ numerator ~ ") * " ~ 10 ** digits ~ " + " ~ denominator -%}
    {#- What is divided is a multiple of what it is divided by: nothing is left to an engine. -#}
    cast(
        cast(
            sign({{ numerator }})
            * ({{ twice }} - mod({{ twice }}, 2 * {{ denominator }})) / (2 * {{ denominator }})
            as decimal(18, 0)
        ) * {{ "1" if digits == 0 else "0." ~ "0" * (digits - 1) ~ "1" }} as {{ type }}
    )
{%- endmacro %}


{# A number divided by another, to so many digits. NULL when divided by 0. #}
{% macro share_of(number, of, digits, type) -%}
    {{ rounded_ratio(number, "nullif(" ~ of ~ ", 0)", digits, type) }}
{%- endmacro %}


{#
    Percentiles of a value by group, as a CTE with a column p50 for the percentile 50: the smallest
    value that at least that share of the values doesn't exceed (the nearest rank).
    One row per group that has values.
#}
{% macro nearest_rank_cte(name, relation, group, value, percentiles) -%}
{{ name }} as (
    select
        {{ group }},
        {%- for percentile in percentiles %}
        min(case when place * 100 >= {{ percentile }} * places then value_in_order end)
            as p{{ percentile }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from (
        select
            {{ group }},
            {{ value }} as value_in_order,
            row_number() over (partition by {{ group }} order by {{ value }}) as place,
            count(*) over (partition by {{ group }}) as places
        from {{ relation }}
        where {{ value }} is not null
    ) as {{ name }}_in_order
    group by {{ group }}
)
{%- endmacro %}
