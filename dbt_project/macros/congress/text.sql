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


{#
    A name as it is compared with others: in lower case, white space folded, without full stops and
    commas, apostrophes in one form. Nothing is left out of it and nothing guessed: who is called by
    another first name, or with an initial more, isn't found.
#}
{% macro plain_name(name) -%}
    {{ fold_whitespace(
        "lower(replace(replace(replace(" ~ name ~ ", '.', ''), ',', ''), '’', ''''))"
    ) }}
{%- endmacro %}
