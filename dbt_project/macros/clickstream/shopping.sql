{#
    How far the sessions of people went, from looking to buying: CTEs, the last is `shopping`.
    One row per session of people that starts on the days of the build.

    Later is what has the larger event_at, of the same moment the larger log_id.
#}
{% macro shopping_ctes() -%}
sessions_of_people as (
    select
        partition_date,
        session_id
    from {{ ref("sessions") }}
    where
        {{ in_window() }}
        and not is_bot
),

steps_of_all as (
    select *
    from {{ ref("fact_hits") }}
    where
        {{ in_window(0, 1) }}
        and product_action in ('detail', 'add', 'purchase')
),

bought as (
    select log_id
    from {{ ref("purchase_hits") }}
    where {{ in_window(0, 1) }}
),

steps as (
    select
        hits.session_id,
        hits.event_at,
        hits.log_id,
        case
            when hits.product_action = 'purchase' then bought.log_id is not null
        end as is_purchase,
        hits.product_action
    from steps_of_all as hits
    left join bought on hits.log_id = bought.log_id
),

placed as (
    select
        *,
        row_number() over (partition by session_id order by event_at, log_id) as place
    from steps
),

with_detail as (
    select
        *,
        min(case when product_action = 'detail' then place end) over (
            partition by session_id
        ) as detail_place,
        min(case when product_action = 'add' then place end) over (
            partition by session_id
        ) as first_add_place
    from placed
),

with_add as (
    select
        *,
        min(case when product_action = 'add' and place > detail_place then place end) over (
            partition by session_id
        ) as add_place
    from with_detail
),

reached as (
    select
        session_id,
        count(detail_place) > 0 as has_detail,
        count(first_add_place) > 0 as has_any_add,
        count(add_place) > 0 as has_add,
        count(case when is_purchase and place > add_place then 1 end) > 0 as has_purchase,
        count(case when is_purchase and place > first_add_place then 1 end) > 0
            as has_purchase_of_any_add
    from with_add
    group by session_id
),

shopping as (
    select
        sessions_of_people.partition_date,
        sessions_of_people.session_id,
        coalesce(reached.has_detail, false) as has_detail,
        coalesce(reached.has_any_add, false) as has_any_add,
        coalesce(reached.has_add, false) as has_add,
        coalesce(reached.has_purchase, false) as has_purchase,
        coalesce(reached.has_purchase_of_any_add, false) as has_purchase_of_any_add
    from sessions_of_people
    left join reached on sessions_of_people.session_id = reached.session_id
)
{%- endmacro %}
