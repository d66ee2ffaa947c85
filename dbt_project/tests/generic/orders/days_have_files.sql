{# Between two days with a file there are at most two days without one. #}
{% test days_have_files(model) %}
with

days as (
    select distinct partition_date
    from {{ source("staging", "order_dumps") }}
),

followed as (
    select
        partition_date,
        lead(partition_date) over (order by partition_date) as next_date
    from days
)

select
    partition_date,
    next_date
from followed
where
    datediff('day', partition_date, next_date) > 3
    and next_date >= cast('{{ var("start_date") }}' as date)
    and partition_date < cast('{{ var("end_date") }}' as date)
{% endtest %}
