{# PredictIt's days are those of New York: its closing prices roll over at midnight there. #}
{% macro eastern_day(utc_time) -%}
    {{ day_in(utc_time, "America/New_York") }}
{%- endmacro %}

{# An Eastern wall time as UTC. #}
{% macro eastern_to_utc(wall_time) -%}
    {{ to_utc(wall_time, "America/New_York") }}
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
