{#
    Sessions as core.sessions has them: CTEs, the last is `sessions`. One row per session.

    hits, custom_events, purchase_hits   relations as core has them
    started   the condition on the days on which the sessions start
    ended     the condition on the days of their hits: theirs, and the day after
#}
{% macro session_ctes(hits, custom_events, purchase_hits, started, ended) -%}
placed_hits as (
    select
        *,
        utm_source is not null or utm_medium is not null or utm_campaign is not null as has_utm,
        row_number() over (partition by session_id order by event_at, log_id) as place
    from {{ hits }}
    where {{ ended }}
),

marked_hits as (
    select
        *,
        min(case when page_url is not null then place end) over (
            partition by session_id
        ) as entry_place,
        max(case when page_url is not null then place end) over (
            partition by session_id
        ) as exit_place,
        min(case when has_utm then place end) over (partition by session_id) as utm_place
    from placed_hits
),

-- A session that started before the days that are read has no start in them.
summed as (
    select
        session_id,
        max(case when is_session_start then partition_date end) as partition_date,
        max(client_id) as client_id,
        min(event_at) as started_at,
        max(event_at) as ended_at,
        count(*) as hits,
        count(case when hit_type = 'pageview' then 1 end) as pageviews,
        count(case when product_action = 'click' then 1 end) as product_clicks,
        count(case when product_action = 'detail' then 1 end) as product_details,
        count(case when product_action = 'add' then 1 end) as adds,
        count(case when product_action = 'remove' then 1 end) as removes,
        max(case when place = entry_place then page_url end) as entry_page,
        max(case when place = exit_place then page_url end) as exit_page,
        max(
            case
                when place = 1 and referrer_host is distinct from page_host then referrer_host
            end
        ) as referrer_host,
        max(case when place = utm_place then utm_source end) as utm_source,
        max(case when place = utm_place then utm_medium end) as utm_medium,
        max(case when place = utm_place then utm_campaign end) as utm_campaign,
        max(case when place = 1 then user_agent_id end) as user_agent_id,
        count(case when is_bot then 1 end) > 0 as is_bot
    from marked_hits
    group by session_id
),

started as (
    select *
    from summed
    where {{ started }}
),

counted_events as (
    select
        session_id,
        count(*) as custom_events
    from {{ custom_events }}
    where {{ ended }}
    group by session_id
),

counted_purchases as (
    select
        session_id,
        count(*) as purchase_hits
    from {{ purchase_hits }}
    where {{ ended }}
    group by session_id
),

{%- for column in ["user_id", "user_network"] %}

listed_{{ column }}s as (
    select
        session_id,
        {{ array_of(column) }} as {{ column }}s
    from (
        select distinct
            session_id,
            {{ column }}
        from {{ hits }}
        where
            {{ ended }}
            and {{ column }} is not null
    ) as distinct_{{ column }}s
    group by session_id
),
{%- endfor %}

sessions as (
    select
        started.partition_date,
        started.session_id,
        started.client_id,
        started.started_at,
        started.ended_at,
        {{ whole_seconds("started.started_at", "started.ended_at") }} as duration_seconds,
        started.hits,
        started.pageviews,
        coalesce(counted_events.custom_events, 0) as custom_events,
        started.product_clicks,
        started.product_details,
        started.adds,
        started.removes,
        coalesce(counted_purchases.purchase_hits, 0) as purchase_hits,
        started.entry_page,
        started.exit_page,
        started.referrer_host,
        started.utm_source,
        started.utm_medium,
        started.utm_campaign,
        started.user_agent_id,
        coalesce(listed_user_ids.user_ids, {{ parsed_json("'[]'") }}) as user_ids,
        coalesce(listed_user_networks.user_networks, {{ parsed_json("'[]'") }}) as user_networks,
        started.is_bot
    from started
    left join counted_events on started.session_id = counted_events.session_id
    left join counted_purchases on started.session_id = counted_purchases.session_id
    left join listed_user_ids on started.session_id = listed_user_ids.session_id
    left join listed_user_networks on started.session_id = listed_user_networks.session_id
)
{%- endmacro %}
