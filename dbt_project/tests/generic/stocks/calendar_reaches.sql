{# The calendar goes on for so many days after the newest bars. #}
{% test calendar_reaches(model, bars, days) %}
with

calendar as (
    select max(exchange_date) as last_day
    from {{ model }}
),

newest as (
    select max(partition_date) as newest_session
    from {{ bars }}
)

select
    calendar.last_day,
    newest.newest_session
from calendar
cross join newest
where calendar.last_day < newest.newest_session + {{ days }}
{% endtest %}
