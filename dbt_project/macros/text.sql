{# A name with its white space folded: as sent they bear tabs, double and trailing spaces. #}
{% macro fold_whitespace(column) -%}
    trim(regexp_replace({{ column }}, '[[:space:]\p{Z}\x{85}\x{1C}-\x{1F}]+', ' ', 'g'))
{%- endmacro %}
