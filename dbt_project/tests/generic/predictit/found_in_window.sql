{# Each row of a poll of the window is, in these columns, one of another table. #}
{% test found_in_window(model, to, columns) %}
select {{ columns | join(", ") }}
from {{ model }}
where
    {{ eastern_day("polled_at") }} >= cast('{{ var("start_date") }}' as date)
    and {{ eastern_day("polled_at") }} < cast('{{ var("end_date") }}' as date)
except
select {{ columns | join(", ") }}
from {{ to }}
where {{ in_window() }}
{% endtest %}
