{#
    A text as people read it: tags are taken off, the six entities that filers' pages hold are
    decoded, white space is folded. One that is empty is NULL.

    A tag leaves a space, as it often ends a line. The ampersand comes last: what it escapes is text.
#}
{% macro readable(text) -%}
    {%- set without_tags = replace_all(text, "</?[A-Za-z][^>]*>", " ") -%}
    {%- set entities = {
        "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "''", "&nbsp;": " ", "&amp;": "&"
    } -%}
    {%- set ns = namespace(text=without_tags) -%}
    {%- for entity, character in entities.items() -%}
        {%- set ns.text = "replace(" ~ ns.text ~ ", '" ~ entity ~ "', '" ~ character ~ "')" -%}
    {%- endfor -%}
    nullif({{ fold_whitespace(ns.text) }}, '')
{%- endmacro %}

{# A text without white space before and after it. #}
{% macro trimmed(text) -%}
    {{ replace_all(text, "^[[:space:]]+|[[:space:]]+$", "") }}
{%- endmacro %}
