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


{# A moment so many milliseconds earlier. #}
{% macro milliseconds_before(moment, milliseconds) -%}
    {{ adapter.dispatch("milliseconds_before")(moment, milliseconds) }}
{%- endmacro %}

{% macro duckdb__milliseconds_before(moment, milliseconds) -%}
    ({{ moment }} - to_microseconds(1000 * {{ milliseconds }}))
{%- endmacro %}

{% macro snowflake__milliseconds_before(moment, milliseconds) -%}
    dateadd(millisecond, -({{ milliseconds }}), {{ moment }})
{%- endmacro %}


{# Milliseconds since 1970 of a UTC timestamp. #}
{% macro epoch_milliseconds(moment) -%}
    datediff('millisecond', cast('1970-01-01' as timestamp), {{ moment }})
{%- endmacro %}


{# Seconds from a moment to a later one, without what is left of the last. #}
{% macro whole_seconds(start, end) -%}
    cast(floor(datediff('millisecond', {{ start }}, {{ end }}) / 1000) as bigint)
{%- endmacro %}


{# A timestamp so many whole hours after a date's midnight. #}
{% macro hours_into(day, hours) -%}
    {{ adapter.dispatch("hours_into")(day, hours) }}
{%- endmacro %}

{% macro duckdb__hours_into(day, hours) -%}
    (cast({{ day }} as timestamp) + to_hours({{ hours }}))
{%- endmacro %}

{% macro snowflake__hours_into(day, hours) -%}
    dateadd(hour, {{ hours }}, cast({{ day }} as timestamp_ntz))
{%- endmacro %}
