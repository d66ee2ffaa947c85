{# A text with its white space folded: runs of any white space become one space, the ends none. #}
{% macro fold_whitespace(column) -%}
    {{ adapter.dispatch("fold_whitespace")(column) }}
{%- endmacro %}

{% macro duckdb__fold_whitespace(column) -%}
    trim(regexp_replace({{ column }}, '[[:space:]\p{Z}\x{85}\x{1C}-\x{1F}]+', ' ', 'g'))
{%- endmacro %}

{# Snowflake's regular expressions don't know Unicode: translate makes spaces of its white space. #}
{% macro snowflake__fold_whitespace(column) -%}
    {%- set white = (
        "0009 000A 000B 000C 000D 001C 001D 001E 001F 0085 00A0 1680 2000 2001 2002 2003 2004 2005"
        ~ " 2006 2007 2008 2009 200A 2028 2029 202F 205F 3000"
    ).split() -%}
    trim(regexp_replace(
        translate(
            {{ column }},
            '\u{{ white | join("\\u") }}',
            repeat(' ', {{ white | length }})
        ),
        ' +', ' '
    ))
{%- endmacro %}


{# Regular expressions: callers write a pattern once, in the syntax that both engines share. #}

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


{# What the first group of a pattern matched, the nth time that the pattern is found; or NULL. #}
{% macro nth_match(text, pattern, n) -%}
    {{ adapter.dispatch("nth_match")(text, pattern, n) }}
{%- endmacro %}

{% macro duckdb__nth_match(text, pattern, n) -%}
    regexp_extract_all({{ text }}, '{{ pattern }}', 1)[{{ n }}]
{%- endmacro %}

{% macro snowflake__nth_match(text, pattern, n) -%}
    regexp_substr({{ text }}, {{ escaped(pattern) }}, 1, {{ n }}, 'e', 1)
{%- endmacro %}


{# Snowflake reads backslashes in a string as escapes. #}
{% macro escaped(text) -%}
    '{{ text | replace("\\", "\\\\") }}'
{%- endmacro %}


{# The distinct texts of a group, sorted, with commas between them; NULL where there is none. #}
{% macro sorted_list(text) -%}
    {{ adapter.dispatch("sorted_list")(text) }}
{%- endmacro %}

{% macro duckdb__sorted_list(text) -%}
    string_agg(distinct {{ text }}, ',' order by {{ text }})
{%- endmacro %}

{# Snowflake makes an empty text of no texts. #}
{% macro snowflake__sorted_list(text) -%}
    nullif(listagg(distinct {{ text }}, ',') within group (order by {{ text }}), '')
{%- endmacro %}
