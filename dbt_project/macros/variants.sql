{# Semi-structured values: VARIANT in both engines. #}

{# A JSON text as a VARIANT; NULL where the engine can't parse it. #}
{% macro parsed_json(text) -%}
    {{ adapter.dispatch("parsed_json")(text) }}
{%- endmacro %}

{% macro duckdb__parsed_json(text) -%}
    cast(try_cast({{ text }} as json) as variant)
{%- endmacro %}

{% macro snowflake__parsed_json(text) -%}
    try_parse_json({{ text }})
{%- endmacro %}


{# The texts of a group in ascending order, as a VARIANT. #}
{% macro array_of(text) -%}
    {{ adapter.dispatch("array_of")(text) }}
{%- endmacro %}

{% macro duckdb__array_of(text) -%}
    cast(list({{ text }} order by {{ text }}) as variant)
{%- endmacro %}

{% macro snowflake__array_of(text) -%}
    cast(array_agg({{ text }}) within group (order by {{ text }}) as variant)
{%- endmacro %}


{#
    Compact JSON whose numbers are texts: engines write numbers each in their own way. A quotation
    mark that isn't escaped and stands before a colon ends a name, unless it begins a text: then a
    colon, comma or bracket is before it.
#}
{% macro numbers_as_texts(json) -%}
    {{ replace_all(
        json,
        '([^\\\\:,{[]":)(-?[0-9][0-9.eE+-]*)([,}])',
        '\\1"\\2"\\3',
    ) }}
{%- endmacro %}
