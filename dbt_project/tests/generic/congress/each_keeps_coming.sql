{# Each of the values has a row of the last days that were asked about. #}
{% test each_keeps_coming(model, asked, column, values, days) %}
with

bounds as (
    select
        min(partition_date) as first_day,
        max(partition_date) as last_day
    from {{ asked }}
),

newest as (
    select
        {{ column }},
        max(partition_date) as newest_row
    from {{ model }}
    group by {{ column }}
),

wanted as (
    select wanted.wanted_value
    from (values {% for value in values %}('{{ value }}'){{ ", " if not loop.last }}{% endfor %})
        as wanted (wanted_value)
)

select
    wanted.wanted_value,
    newest.newest_row
from wanted
cross join bounds
left join newest on wanted.wanted_value = newest.{{ column }}
where coalesce(newest.newest_row, bounds.first_day) < bounds.last_day - {{ days }}
{% endtest %}
