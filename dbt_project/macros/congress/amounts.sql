{# The nth number of dollars in a text, its digits as sent; or NULL. #}
{% macro nth_dollars(text, n) -%}
    {{ nth_match(text, "\\$ ?([0-9][0-9,]*(\\.[0-9]+)?)", n) }}
{%- endmacro %}


{# Digits as an amount, rounded half even; NULL where it has more than twelve before the point. #}
{% macro to_amount(digits) -%}
    {%- set number = "try_cast(replace(" ~ digits ~ ", ',', '') as decimal(28, 15))" -%}
    {{ fitting(round_half_even(number, 2)) }}
{%- endmacro %}


{# A number as an amount; NULL where it is too large. #}
{% macro fitting(number) -%}
    case
        when {{ number }} < 1000000000000 then cast({{ number }} as decimal(14, 2))
    end
{%- endmacro %}
