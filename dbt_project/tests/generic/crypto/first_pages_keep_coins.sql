{# Page 1 of a poll of the window has so many percent of the coins that it had a poll before. #}
{% test first_pages_keep_coins(model, percent) %}
with

first_pages as (
    select
        partition_date,
        polled_at,
        count(*) as coins
    from {{ model }}
    where
        partition_date >= cast('{{ var("start_date") }}' as date) - 1
        and partition_date < cast('{{ var("end_date") }}' as date)
        and page = 1
    group by partition_date, polled_at
),

compared as (
    select
        *,
        lag(coins) over (order by polled_at) as coins_before
    from first_pages
)

select *
from compared
where
    {{ in_window() }}
    and 100 * coins < {{ percent }} * coins_before
{% endtest %}
