{# Fewer weekdays than so many were asked about since the newest row: the API has gone quiet. #}
{% test rows_keep_coming(model, asked, weekdays) %}
with

newest as (
    select coalesce(max(partition_date), cast('1900-01-01' as date)) as newest_row
    from {{ model }}
)

select count(*) as weekdays_without_rows
from {{ asked }} as days
cross join newest
where
    days.partition_date > newest.newest_row
    -- 2012-01-01 was a Sunday.
    and mod(days.partition_date - cast('2012-01-01' as date), 7) between 1 and 5
having count(*) >= {{ weekdays }}
{% endtest %}
