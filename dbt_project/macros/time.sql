{# A naive Eastern wall time as UTC. Of the hour that autumn repeats, the second is meant. #}
{% macro eastern_to_utc(wall_time) -%}
    {{ adapter.dispatch("eastern_to_utc")(wall_time) }}
{%- endmacro %}

{% macro duckdb__eastern_to_utc(wall_time) -%}
    (({{ wall_time }}) at time zone 'America/New_York') at time zone 'UTC'
{%- endmacro %}

{% macro snowflake__eastern_to_utc(wall_time) -%}
    convert_timezone('America/New_York', 'UTC', {{ wall_time }})
{%- endmacro %}


{# The Eastern calendar day of a UTC timestamp. #}
{% macro eastern_day(utc_time) -%}
    {{ adapter.dispatch("eastern_day")(utc_time) }}
{%- endmacro %}

{% macro duckdb__eastern_day(utc_time) -%}
    cast((({{ utc_time }}) at time zone 'UTC') at time zone 'America/New_York' as date)
{%- endmacro %}

{% macro snowflake__eastern_day(utc_time) -%}
    cast(convert_timezone('UTC', 'America/New_York', {{ utc_time }}) as date)
{%- endmacro %}


{#
    The announced end of a contract as UTC, or NULL when the text is no date. Seen in the feed:
    2021-01-21T00:00:00, 02/4/2022 11:00:00 AM (ET), 10/31/2021 12:00 a.m.,
    5/1/2021 12:00 AM (ET) [beginning of the day], NA, N/A, No End Date, 9/99/99 9:99 p.m. (ET).
    All are Eastern wall time, whatever stands in brackets.
#}
{% macro parse_date_end(text) -%}
    {%- set bare = replace_all(
        "upper(trim(" ~ text ~ "))", "(\\s*(\\([^()\\[\\]]*\\)|\\[[^()\\[\\]]*\\]))+$", ""
    ) -%}
    {%- set dotless = "replace(" ~ bare ~ ", '.', '')" -%}
    {%- set spaced = replace_all(dotless, "\\s*([AP]M)$", " \\1") -%}
    {%- set century = replace_all(
        spaced, "^(\\d{1,2}/\\d{1,2}/)(\\d{2})(\\s|$)", "\\120\\2\\3"
    ) -%}
    case
        when {{ matches_whole(
            "trim(" ~ text ~ ")", "\\d{4}-\\d{2}-\\d{2}([T ]\\d{2}:\\d{2}(:\\d{2}(\\.\\d+)?)?)?"
        ) }}
            then {{ eastern_to_utc("try_cast(trim(" ~ text ~ ") as timestamp)") }}
        when {{ matches_whole(
            spaced, "\\d{1,2}/\\d{1,2}/(\\d{2}|\\d{4})(\\s+\\d{1,2}:\\d{2}(:\\d{2})? [AP]M)?"
        ) }}
            then {{ eastern_to_utc(parse_us_time(century)) }}
    end
{%- endmacro %}


{# A date as Americans write it, with or without a time of 12 hours; NULL when there is no such. #}
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
