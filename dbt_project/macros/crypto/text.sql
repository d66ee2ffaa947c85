{# A name or symbol without characters that nobody sees, white space folded. #}
{% macro clean_name(column) -%}
    {%- set unseen = [8203, 8204, 8205, 8288, 65279] -%}
    {{ fold_whitespace(
        "translate(" ~ column ~ ", chr(" ~ unseen | join(") || chr(") ~ "), '')"
    ) }}
{%- endmacro %}
