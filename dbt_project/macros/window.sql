{# Whether a row belongs to the days that this build is about. #}
{% macro in_window() -%}
    partition_date >= cast('{{ var("start_date") }}' as date)
    and partition_date < cast('{{ var("end_date") }}' as date)
{%- endmacro %}


{#
    Incremental strategy: replace the window of the target by the model's rows, in one transaction.
    Unlike delete+insert it leaves nothing stale where a day got smaller.
#}
{% macro get_incremental_replace_window_sql(arg_dict) -%}
    {{ adapter.dispatch("replace_window")(arg_dict) }}
{%- endmacro %}

{% macro default__replace_window(arg_dict) -%}
    {%- set columns = get_quoted_csv(arg_dict["dest_columns"] | map(attribute="name")) -%}
    delete from {{ arg_dict["target_relation"] }}
    where {{ in_window() }};
    insert into {{ arg_dict["target_relation"] }} ({{ columns }})
    select {{ columns }} from {{ arg_dict["temp_relation"] }}
{%- endmacro %}

{# dbt opens no transaction in Snowflake. #}
{% macro snowflake__replace_window(arg_dict) -%}
    {{ snowflake_dml_explicit_transaction(default__replace_window(arg_dict)) }}
{%- endmacro %}
