{# Each value of a column in the window was there on a day before, unless there is none. #}
{% test values_were_there(model, column) %}
select distinct {{ column }}
from {{ model }}
where
    {{ in_window() }}
    and {{ column }} is not null
    and exists (
        select 1
        from {{ model }} as earlier
        where earlier.partition_date < {{ window_start() }}
    )
except
select {{ column }}
from {{ model }}
where partition_date < {{ window_start() }}
{% endtest %}
