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
