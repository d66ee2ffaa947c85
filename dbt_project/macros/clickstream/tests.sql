{# What tests compare. #}

{# The sum of each column, under its name. #}
{% macro sums_of(columns) -%}
    {%- for column in columns %}
    sum({{ column }}) as {{ column }}
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
{%- endmacro %}


{# Whether a row has another value than one that it is joined with, in any of the columns. #}
{% macro any_differs(left, right, columns) -%}
    (
        {%- for of_left, of_right in columns.items() %}
        {{ left }}.{{ of_left }} is distinct from {{ right }}.{{ of_right }}
        {%- if not loop.last %} or{% endif %}
        {%- endfor %}
    )
{%- endmacro %}
