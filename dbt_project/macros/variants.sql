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


{# An object of the names and texts of a group, as a VARIANT. No name may be there twice. #}
{% macro object_of(name, text) -%}
    {{ adapter.dispatch("object_of")(name, text) }}
{%- endmacro %}

{% macro duckdb__object_of(name, text) -%}
    cast(json_group_object({{ name }}, {{ text }}) as variant)
{%- endmacro %}

{% macro snowflake__object_of(name, text) -%}
    cast(object_agg({{ name }}, {{ text }}) as variant)
{%- endmacro %}


{#
    The fields of JSON objects as texts, as a statement: the columns, `field_name` and `field_value`.
    A field that is null is left out. One row per row of the relation and field.

    Engines write numbers each in their own way: a number is taken as a text from the beginning.
#}
{% macro fields_of(relation, columns, json) -%}
    {{ adapter.dispatch("fields_of")(relation, columns, numbers_as_texts(json)) }}
{%- endmacro %}

{% macro duckdb__fields_of(relation, columns, json) -%}
    select
        {%- for column in columns %}
        sent.{{ column }},
        {%- endfor %}
        field.key as field_name,
        field.value ->> '$' as field_value
    from {{ relation }} as sent, json_each(try_cast({{ json }} as json)) as field
    where field.type <> 'NULL'
{%- endmacro %}

{% macro snowflake__fields_of(relation, columns, json) -%}
    select
        {%- for column in columns %}
        sent.{{ column }},
        {%- endfor %}
        field.key as field_name,
        cast(field.value as varchar) as field_value
    from {{ relation }} as sent, lateral flatten(input => try_parse_json({{ json }})) as field
    where cast(field.value as varchar) is not null
{%- endmacro %}


{#
    Compact JSON whose numbers are texts. A quotation mark that isn't escaped and stands before a
    colon ends a name, unless it begins a text: then a colon, comma or bracket is before it.
#}
{% macro numbers_as_texts(json) -%}
    {{ replace_all(
        json,
        '([^\\\\:,{[]":)(-?[0-9][0-9.eE+-]*)([,}])',
        '\\1"\\2"\\3',
    ) }}
{%- endmacro %}
