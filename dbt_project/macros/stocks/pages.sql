{#
    CTEs of the newest answer of each page of a day: `newest_answers`, with `last_page`, the first
    page that says that none follows (NULL where none does), and `pages_held`, those up to it.

    A page is asked again and again: its newest answer is what it holds.
#}
{% macro newest_answers(relation) %}
page_answers as (
    select
        partition_date,
        page,
        captured_at,
        is_last
    from {{ relation }}
    where {{ in_window() }}
    qualify
        row_number() over (partition by partition_date, page order by captured_at desc, part asc) = 1
),

ended_answers as (
    select
        *,
        min(case when is_last then page end) over (partition by partition_date) as last_page
    from page_answers
),

newest_answers as (
    select
        *,
        count_if(page <= last_page) over (partition by partition_date) as pages_held
    from ended_answers
)
{% endmacro %}
