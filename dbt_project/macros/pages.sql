{#
    The newest answers of the pages of a day, where they are the whole of it: a statement, for a CTE.

    relation  staged answers in pages: partition_date, page (from 0), part, captured_at, row_count
              and is_last

    The first page whose newest answer is the last one ends the day: pages after it are of an older
    asking. A day has rows only if all its pages up to and with that one are there. One row per day
    and page, for the days of the window.
#}
{% macro newest_pages(relation) -%}
with

newest as (
    select
        partition_date,
        page,
        part,
        captured_at,
        row_count,
        is_last
    from {{ relation }}
    where {{ in_window() }}
    qualify row_number() over (
        partition by partition_date, page
        order by captured_at desc, part desc
    ) = 1
),

ends as (
    select
        partition_date,
        min(page) as last_page
    from newest
    where is_last
    group by partition_date
),

pages as (
    select
        newest.*,
        ends.last_page,
        count(*) over (partition by newest.partition_date) as pages_there
    from newest
    inner join ends on newest.partition_date = ends.partition_date
    where newest.page <= ends.last_page
)

select
    partition_date,
    page,
    part,
    captured_at,
    row_count,
    is_last
from pages
where pages_there = last_page + 1
{%- endmacro %}
