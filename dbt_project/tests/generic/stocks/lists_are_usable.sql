{#
    Each list of the window that was asked for is complete (else the model has no row of it), and
    didn't shrink.
#}
{% test lists_are_usable(model, answers) %}
with

asked as (
    select distinct partition_date
    from {{ answers }}
    where {{ in_window() }}
),

held as (
    select
        partition_date,
        count(*) as tickers
    from {{ model }}
    group by partition_date
),

{{ usable_lists() }}

select
    asked.partition_date,
    held.tickers
from asked
left join held on asked.partition_date = held.partition_date
left join usable_lists on asked.partition_date = usable_lists.partition_date
where usable_lists.partition_date is null
{% endtest %}
