{#
    Whether a row belongs to the days that a model replaces, or that a test looks at: those of the
    build, and as many before and after them as its `meta` says (`days_before`, `days_after`).

    before, after   so many days more, which are only read
#}
{% macro in_window(before=0, after=0) -%}
    partition_date >= {{ window_start(before) }}
    and partition_date < {{ window_end(after) }}
{%- endmacro %}


{# The first of the days that a model replaces, or a day so many days before it. #}
{% macro window_start(before=0) -%}
    {%- set day = "cast('" ~ var("start_date") ~ "' as date)" -%}
    {%- set before = before + (config.meta_get("days_before") or 0) -%}
    {{ days_after(day, -before) if before else day }}
{%- endmacro %}


{# The day after those that a model replaces, or one so many days later. #}
{% macro window_end(after=0) -%}
    {%- set day = "cast('" ~ var("end_date") ~ "' as date)" -%}
    {%- set after = after + (config.meta_get("days_after") or 0) -%}
    {{ days_after(day, after) if after else day }}
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
