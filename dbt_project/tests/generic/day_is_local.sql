{# The partition is the calendar day, in a zone, of a moment in UTC. #}
{% test day_is_local(model, column, zone) %}
select
    partition_date,
    {{ column }}
from {{ model }}
where
    {{ in_window() }}
    and partition_date <> {{ day_in(column, zone) }}
{% endtest %}
