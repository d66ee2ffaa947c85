{#
    CTEs of the lists that tell what is listed: `usable_lists`. A list that shrank is a bad night of
    the API, and the largest of the five before it says what it should hold.
#}
{% macro usable_lists() %}
lists as (
    select
        partition_date,
        count(*) as tickers
    from {{ ref("ticker_listings") }}
    group by partition_date
),

compared_lists as (
    select
        *,
        max(tickers) over (
            order by partition_date rows between 5 preceding and 1 preceding
        ) as most_before
    from lists
),

usable_lists as (
    select partition_date
    from compared_lists
    where 100 * tickers >= 95 * coalesce(most_before, 0)
)
{% endmacro %}
