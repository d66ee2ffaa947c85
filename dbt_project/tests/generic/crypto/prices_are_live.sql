{# The rows of a poll of the window are, in these columns, those of that poll in a table by day. #}
{% test prices_are_live(model, to, columns) %}
select {{ columns | join(", ") }}
from {{ model }}
where
    cast(polled_at as date) >= cast('{{ var("start_date") }}' as date)
    and cast(polled_at as date) < cast('{{ var("end_date") }}' as date)
except
select {{ columns | join(", ") }}
from {{ to }}
where {{ in_window() }}
{% endtest %}
