{# A naive wall time of a zone as UTC. Of an hour that happens twice, the second is taken. #}
{% macro to_utc(wall_time, zone) -%}
    {{ adapter.dispatch("to_utc")(wall_time, zone) }}
{%- endmacro %}

{% macro duckdb__to_utc(wall_time, zone) -%}
    (({{ wall_time }}) at time zone '{{ zone }}') at time zone 'UTC'
{%- endmacro %}

{% macro snowflake__to_utc(wall_time, zone) -%}
    convert_timezone('{{ zone }}', 'UTC', {{ wall_time }})
{%- endmacro %}


{# The calendar day, in a zone, of a UTC timestamp. #}
{% macro day_in(utc_time, zone) -%}
    {{ adapter.dispatch("day_in")(utc_time, zone) }}
{%- endmacro %}

{% macro duckdb__day_in(utc_time, zone) -%}
    cast((({{ utc_time }}) at time zone 'UTC') at time zone '{{ zone }}' as date)
{%- endmacro %}

{% macro snowflake__day_in(utc_time, zone) -%}
    cast(convert_timezone('UTC', '{{ zone }}', {{ utc_time }}) as date)
{%- endmacro %}


{# A US date (month/day/year), with or without a 12-hour time; NULL when the text is none. #}
{% macro parse_us_time(text) -%}
    {{ adapter.dispatch("parse_us_time")(text) }}
{%- endmacro %}

{% macro duckdb__parse_us_time(text) -%}
    try_strptime({{ text }}, ['%m/%d/%Y', '%m/%d/%Y %I:%M %p', '%m/%d/%Y %I:%M:%S %p'])
{%- endmacro %}

{% macro snowflake__parse_us_time(text) -%}
    coalesce(
        try_to_timestamp_ntz({{ text }}, 'MM/DD/YYYY'),
        try_to_timestamp_ntz({{ text }}, 'MM/DD/YYYY HH12:MI AM'),
        try_to_timestamp_ntz({{ text }}, 'MM/DD/YYYY HH12:MI:SS AM')
    )
{%- endmacro %}


{# So many days after a date. #}
{% macro days_after(day, days) -%}
    {{ adapter.dispatch("days_after")(day, days) }}
{%- endmacro %}

{% macro duckdb__days_after(day, days) -%}
    ({{ day }} + cast({{ days }} as integer))
{%- endmacro %}

{% macro snowflake__days_after(day, days) -%}
    dateadd(day, {{ days }}, {{ day }})
{%- endmacro %}
