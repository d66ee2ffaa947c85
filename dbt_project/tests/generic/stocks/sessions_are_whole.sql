{#
    A session of the window has at least so many per cent of the rows of the one held before it.
    Ten days reach over the longest closing.
#}
{% test sessions_are_whole(model, percent) %}
with

sessions as (
    select
        partition_date,
        count(*) as bars
    from {{ model }}
    where
        partition_date >= cast('{{ var("start_date") }}' as date) - 10
        and partition_date < cast('{{ var("end_date") }}' as date)
    group by partition_date
),

compared as (
    select
        *,
        lag(bars) over (order by partition_date) as bars_before
    from sessions
)

select *
from compared
where
    {{ in_window() }}
    and 100 * bars < {{ percent }} * bars_before
{% endtest %}
