{#
    A name with its white space folded: as sent they bear tabs, double and trailing spaces.

    White space is Unicode's, which regular expressions call by another name in each engine. So its
    characters, by their numbers, are made spaces first.
#}
{% macro fold_whitespace(column) -%}
    {%- set codes = (
        [9, 10, 11, 12, 13, 28, 29, 30, 31, 133, 160, 5760]
        + range(8192, 8203) | list
        + [8232, 8233, 8239, 8287, 12288]
    ) -%}
    {%- set spaced -%}
    translate(
        {{ column }},
        chr({{ codes | join(") || chr(") }}),
        repeat(' ', {{ codes | length }})
    )
    {%- endset -%}
    trim({{ replace_all(spaced, " +", " ") }})
{%- endmacro %}


{# Regular expressions: patterns are written once, in the syntax that both engines have. #}

{# A text with every match of a pattern replaced; \1 is what the first group matched. #}
{% macro replace_all(text, pattern, replacement) -%}
    {{ adapter.dispatch("replace_all")(text, pattern, replacement) }}
{%- endmacro %}

{% macro duckdb__replace_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, '{{ pattern }}', '{{ replacement }}', 'g')
{%- endmacro %}

{% macro snowflake__replace_all(text, pattern, replacement) -%}
    regexp_replace({{ text }}, {{ escaped(pattern) }}, {{ escaped(replacement) }})
{%- endmacro %}


{# Whether a pattern matches a text from its beginning to its end. #}
{% macro matches_whole(text, pattern) -%}
    {{ adapter.dispatch("matches_whole")(text, pattern) }}
{%- endmacro %}

{% macro duckdb__matches_whole(text, pattern) -%}
    regexp_full_match({{ text }}, '{{ pattern }}')
{%- endmacro %}

{% macro snowflake__matches_whole(text, pattern) -%}
    regexp_like({{ text }}, {{ escaped(pattern) }})
{%- endmacro %}


{# Snowflake reads backslashes in a string as escapes. #}
{% macro escaped(text) -%}
    '{{ text | replace("\\", "\\\\") }}'
{%- endmacro %}
