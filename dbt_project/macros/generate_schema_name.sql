{#
    A layer is a schema, and a folder below its source's: models/<source>/<layer>/, seeds/<source>/<layer>/.
    (Tests lie in no layer; dbt names a schema for the rows that fail.)
#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- if node.resource_type in ("model", "seed", "snapshot") and not custom_schema_name -%}
        {{ node.fqn[2] }}
    {%- else -%}
        {{ (custom_schema_name or target.schema) | trim }}
    {%- endif -%}
{%- endmacro %}
