{# The counts and ends of the sessions of the window are those of their hits. #}
{% test counts_of_hits(model, to) %}
{%- set columns = [
    "started_at", "ended_at", "hits", "pageviews", "product_clicks", "product_details", "adds",
    "removes",
] -%}
with

hits as (
    select
        session_id,
        min(event_at) as started_at,
        max(event_at) as ended_at,
        count(*) as hits,
        count(case when is_session_start then 1 end) as starts,
        count(case when hit_type = 'pageview' then 1 end) as pageviews,
        count(case when product_action = 'click' then 1 end) as product_clicks,
        count(case when product_action = 'detail' then 1 end) as product_details,
        count(case when product_action = 'add' then 1 end) as adds,
        count(case when product_action = 'remove' then 1 end) as removes
    from {{ to }}
    where {{ in_window(0, 1) }}
    group by session_id
)

select sessions.session_id
from {{ model }} as sessions
left join hits on sessions.session_id = hits.session_id
where
    {{ in_window() }}
    and (
        hits.session_id is null
        or hits.starts <> 1
        or {{ any_differs("sessions", "hits", dict(zip(columns, columns))) }}
    )
{% endtest %}
