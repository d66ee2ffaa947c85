{# The days of the window's rows are sessions, as far as the calendar of the exchange goes. #}
{% test is_session_in_window(model, calendar) %}
select distinct bars.partition_date
from {{ model }} as bars
inner join {{ calendar }} as days on bars.partition_date = days.exchange_date
where
    {{ in_window() }}
    and not days.is_session
{% endtest %}
