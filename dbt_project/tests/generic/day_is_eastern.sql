{# The partition is the Eastern calendar day of the poll. #}
{% test day_is_eastern(model) %}
select
    partition_date,
    polled_at
from {{ model }}
where
    {{ in_window() }}
    and partition_date <> {{ eastern_day("polled_at") }}
{% endtest %}
