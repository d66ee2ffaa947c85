{#
    Which of the staged hits are copies, and which contradict an earlier one: CTEs, the last is
    `judged_hits`. One row per staged hit of the days that are read.

    arrived   the condition on the arrival days that are read: a hit is judged by those of its day
              and of the day before

    Nearly all hits have their request_id for themselves: only those of the others are put in order,
    and some whose name has the same hash by chance. Staging is read once for each use: texts that
    are kept for a second one take more than reading them again.
#}
{% macro judged_hit_ctes(arrived) -%}
{%- set name_hash -%}
hash({{ clean("client_id") }}, {{ clean("request_id") }})
{%- endset -%}
repeated as (
    select {{ name_hash }} as name_hash
    from {{ source("staging", "hits") }}
    where
        {{ arrived }}
        and request_id is not null
    group by {{ name_hash }}
    having count(*) > 1
),

named as (
    select
        partition_date,
        received_at,
        log_id,
        {{ clean("client_id") }} as client_id,
        {{ clean("request_id") }} as request_id,
        content_hash,
        {{ name_hash }} as name_hash
    from {{ source("staging", "hits") }}
    where
        {{ arrived }}
        and request_id is not null
),

rivals as (
    select
        named.partition_date,
        named.received_at,
        named.log_id,
        named.client_id,
        named.request_id,
        lag(named.received_at) over (
            partition by named.client_id, named.request_id, named.content_hash
            order by named.received_at, named.log_id
        ) as same_received_at,
        case
            when
                named.content_hash <> lag(named.content_hash) over (
                    partition by named.client_id, named.request_id
                    order by named.received_at, named.log_id
                )
                then lag(named.received_at) over (
                    partition by named.client_id, named.request_id
                    order by named.received_at, named.log_id
                )
        end as other_received_at
    from named
    inner join repeated on named.name_hash = repeated.name_hash
    where named.request_id is not null
),

-- Of all contents before that were others, the newest is the one before the last change.
compared as (
    select
        partition_date,
        log_id,
        same_received_at,
        max(other_received_at) over (
            partition by client_id, request_id
            order by received_at, log_id
            rows between unbounded preceding and current row
        ) as other_received_at
    from rivals
),

arrivals as (
    select
        partition_date,
        received_at,
        log_id,
        {{ clean("client_id") }} as client_id,
        case when queue_ms <= 86400000 then 'queue' else 'received' end as time_source,
        {{ milliseconds_before("received_at", "case when queue_ms <= 86400000 then queue_ms else 0 end") }}
            as event_at
    from {{ source("staging", "hits") }}
    where {{ arrived }}
),

judged_hits as (
    select
        arrivals.*,
        coalesce(
            cast(compared.same_received_at as date) >= {{ days_after("compared.partition_date", -1) }},
            false
        ) as is_copy,
        coalesce(
            cast(compared.other_received_at as date) >= {{ days_after("compared.partition_date", -1) }},
            false
        ) as is_conflicting
    from arrivals
    left join compared on arrivals.log_id = compared.log_id
)
{%- endmacro %}


{#
    The hits of some days with their sessions: CTEs, the last is `session_hits`. One row per hit.

    arrived   the condition on the arrival days that are read
    since     the first of these days, as an SQL date

    A client that never pauses is cut at a midnight after a day without a pause. So whoever knows
    the newest pause and the first hit of the day knows the session, and the two days before
    `since` are all that has to be known: of the first of them, what is within half an hour.
#}
{% macro session_hit_ctes(arrived, since) -%}
{{ judged_hit_ctes(arrived) }},

in_order as (
    select
        log_id,
        client_id,
        time_source,
        event_at,
        is_conflicting,
        lag(event_at) over (partition by client_id order by event_at, log_id) as previous_at
    from judged_hits
    where
        not is_copy
        and event_at >= {{ milliseconds_before(
            "cast(" ~ days_after(since, -1) ~ " as timestamp)", 1800000
        ) }}
),

after_pauses as (
    select
        *,
        max(
            case
                when
                    previous_at is null
                    or datediff('millisecond', previous_at, event_at) >= 1800000
                    then event_at
            end
        ) over (
            partition by client_id
            order by event_at, log_id
            rows between unbounded preceding and current row
        ) as pause_ended_at,
        max(
            case
                when previous_at is null or cast(previous_at as date) < cast(event_at as date)
                    then event_at
            end
        ) over (
            partition by client_id
            order by event_at, log_id
            rows between unbounded preceding and current row
        ) as day_began_at
    from in_order
),

session_hits as (
    select
        cast(event_at as date) as partition_date,
        log_id,
        client_id,
        time_source,
        event_at,
        is_conflicting,
        previous_at,
        case
            when cast(pause_ended_at as date) >= {{ days_after("cast(event_at as date)", -1) }}
                then pause_ended_at
            else day_began_at
        end as started_at
    from after_pauses
    where cast(event_at as date) >= {{ since }}
)
{%- endmacro %}


{#
    Hits as core.fact_hits has them: CTEs, the last is `facts`. One row per hit.

    arrived   the condition on the arrival days that are read
    since     the first of the days that are made, as an SQL date
    made      the condition on these days
    sent      the condition on the arrival days that their hits may have
#}
{% macro fact_hit_ctes(arrived, since, made, sent) -%}
{{ session_hit_ctes(arrived, since) }},

sent as (
    select *
    from {{ source("staging", "hits") }}
    where {{ sent }}
),

chosen as (
    select *
    from session_hits
    where {{ made }}
),

facts as (
    select
        chosen.partition_date,
        chosen.event_at,
        sent.received_at,
        chosen.time_source,
        chosen.log_id,
        {{ clean("sent.request_id") }} as request_id,
        chosen.client_id,
        {{ clean("sent.user_id") }} as user_id,
        md5(
            chosen.client_id || '|' || cast({{ epoch_milliseconds("chosen.started_at") }} as varchar)
        ) as session_id,
        chosen.event_at = chosen.started_at
        and (chosen.previous_at is null or chosen.previous_at < chosen.event_at)
            as is_session_start,
        {{ clean("sent.property_id") }} as property_id,
        lower({{ clean("sent.hit_type") }}) as hit_type,
        lower({{ clean("sent.product_action") }}) as product_action,
        {%- for column in [
            "page_url", "page_host", "page_path", "page_title", "referrer_url", "referrer_host",
            "utm_source", "utm_medium", "utm_campaign",
        ] %}
        {{ clean("sent." ~ column) }} as {{ column }},
        {%- endfor %}
        sent.user_agent_id,
        sent.is_bot,
        {{ clean("sent.user_network") }} as user_network,
        {{ clean("sent.screen_resolution") }} as screen_resolution,
        lower({{ clean("sent.screen_colors") }}) as screen_colors,
        {{ clean("sent.document_encoding") }} as document_encoding,
        upper({{ clean("sent.user_language") }}) as user_language,
        chosen.is_conflicting,
        {{ parsed_json("sent.body") }} as params
    from chosen
    inner join sent on chosen.log_id = sent.log_id
)
{%- endmacro %}


{# The columns that tables of hits share. #}
{% macro ids_and_times(hits) -%}
    {%- for column in [
        "partition_date", "event_at", "log_id", "session_id", "client_id", "user_id", "property_id",
        "is_bot",
    ] %}
    {{ hits }}.{{ column }}
    {%- if not loop.last %},{% endif %}
    {%- endfor %}
{%- endmacro %}


{#
    Events with a category, as core.custom_events has them: a statement. One row per hit.

    hits   the hits, as core.fact_hits has them
    made   the condition on their days
    sent   the condition on the arrival days that they may have
#}
{% macro custom_event_query(hits, made, sent) -%}
with

hits as (
    select *
    from {{ hits }}
    where
        {{ made }}
        and hit_type = 'event'
),

sent as (
    select
        log_id,
        {{ clean("event_category") }} as event_category,
        {{ clean("event_action") }} as event_action,
        {{ clean("event_label") }} as event_label,
        {{ clean("event_value") }} as event_value
    from {{ source("staging", "hits") }}
    where
        {{ sent }}
        and event_category is not null
)

select
    {{- ids_and_times("hits") }},
    sent.event_category,
    sent.event_action,
    sent.event_label,
    sent.event_value,
    hits.page_url
from hits
inner join sent on hits.log_id = sent.log_id
where sent.event_category is not null
{%- endmacro %}


{#
    Purchases as they were sent, as core.purchase_hits has them: a statement. One row per hit.

    hits, made, sent   as in custom_event_query
#}
{% macro purchase_hit_query(hits, made, sent) -%}
with

hits as (
    select *
    from {{ hits }}
    where
        {{ made }}
        and product_action = 'purchase'
),

sent as (
    select
        log_id,
        upper({{ clean("transaction_id") }}) as transaction_id,
        {{ number_of("revenue") }} as revenue,
        {{ number_of("tax") }} as tax,
        {{ number_of("shipping") }} as shipping,
        {{ clean("affiliation") }} as affiliation,
        {{ clean("coupon") }} as coupon,
        upper({{ clean("currency") }}) as currency
    from {{ source("staging", "hits") }}
    where
        {{ sent }}
        and product_action is not null
        and transaction_id is not null
)

select
    {{- ids_and_times("hits") }},
    sent.transaction_id,
    sent.revenue,
    sent.tax,
    sent.shipping,
    sent.affiliation,
    sent.coupon,
    sent.currency
from hits
inner join sent on hits.log_id = sent.log_id
where sent.transaction_id is not null
{%- endmacro %}


{#
    The first hit of each transaction, of whichever day: a statement.
    One row per property and transaction.

    purchase_hits   as core.purchase_hits has them
#}
{% macro purchase_query(purchase_hits) -%}
with

keyed as (
    select
        *,
        coalesce(property_id, '') as property_key
    from {{ purchase_hits }}
),

numbered as (
    select
        *,
        row_number() over (
            partition by property_key, transaction_id order by event_at, log_id
        ) as place,
        count(*) over (partition by property_key, transaction_id) as times_sent,
        max(event_at) over (partition by property_key, transaction_id) as last_sent_at
    from keyed
)

select
    partition_date,
    event_at,
    log_id,
    session_id,
    client_id,
    user_id,
    property_key as property_id,
    is_bot,
    transaction_id,
    revenue,
    tax,
    shipping,
    affiliation,
    coupon,
    currency,
    times_sent,
    last_sent_at
from numbered
where place = 1
{%- endmacro %}
