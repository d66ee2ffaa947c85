{{ config(materialized="view") }}

with

{{ newer_hits_cte() }},

custom_events as (
    {{ custom_event_query("newer_hits", made=since_seam(), sent=since_seam()) | indent(4) }}
),

purchase_hits as (
    {{ purchase_hit_query("newer_hits", made=since_seam(), sent=since_seam()) | indent(4) }}
),

{{
    session_ctes(
        "newer_hits",
        "custom_events",
        "purchase_hits",
        started="partition_date is not null",
        ended=since_seam(),
    )
}},

newest as (
    select max(received_at) as received_at
    from {{ source("staging", "hits") }}
),

known as (
    select *
    from {{ ref("sessions") }}
    where {{ before_seam() }}
    union all
    select *
    from sessions
)

select
    known.*,
    datediff('millisecond', known.ended_at, newest.received_at) < 1800000 as is_open
from known
cross join newest
