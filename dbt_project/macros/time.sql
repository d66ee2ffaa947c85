{# A naive Eastern wall time as UTC. Of the hour that autumn repeats, the second is meant. #}
{% macro eastern_to_utc(wall_time) -%}
    (({{ wall_time }}) at time zone 'America/New_York') at time zone 'UTC'
{%- endmacro %}


{# The Eastern calendar day of a UTC timestamp. #}
{% macro eastern_day(utc_time) -%}
    cast((({{ utc_time }}) at time zone 'UTC') at time zone 'America/New_York' as date)
{%- endmacro %}


{#
    The announced end of a contract as UTC, or NULL when the text is no date. Seen in the feed:
    2021-01-21T00:00:00, 02/4/2022 11:00:00 AM (ET), 10/31/2021 12:00 a.m.,
    5/1/2021 12:00 AM (ET) [beginning of the day], NA, N/A, No End Date, 9/99/99 9:99 p.m. (ET).
    All are Eastern wall time, whatever stands in brackets.
#}
{% macro parse_date_end(text) -%}
    {%- set bare -%}
    regexp_replace(
        upper(trim({{ text }})), '(\s*(\([^()\[\]]*\)|\[[^()\[\]]*\]))+$', ''
    )
    {%- endset -%}
    {%- set dotless -%} replace({{ bare }}, '.', '') {%- endset -%}
    {%- set spaced -%} regexp_replace({{ dotless }}, '\s*([AP]M)$', ' \1') {%- endset -%}
    {%- set century -%}
    regexp_replace({{ spaced }}, '^(\d{1,2}/\d{1,2}/)(\d{2})(\s|$)', '\120\2\3')
    {%- endset -%}
    case
        when regexp_full_match(
            trim({{ text }}), '\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?'
        )
            then {{ eastern_to_utc("try_cast(trim(" ~ text ~ ") as timestamp)") }}
        when regexp_full_match({{ spaced }}, '\d{1,2}/\d{1,2}/(\d{2}|\d{4})(\s+\d{1,2}:\d{2}(:\d{2})? [AP]M)?')
            then {{ eastern_to_utc(
                "try_strptime(" ~ century ~ ", ["
                ~ "'%m/%d/%Y', '%m/%d/%Y %I:%M %p', '%m/%d/%Y %I:%M:%S %p'])"
            ) }}
    end
{%- endmacro %}
