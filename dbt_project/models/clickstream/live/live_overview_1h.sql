{{ config(materialized="view") }}

with

{{ newer_hits_cte() }},

actions as (
    {{
        live_product_action_query(
            "newer_hits",
            [
                "partition_date", "event_at", "log_id", "session_id", "is_bot", "product_action",
                "product_id", "product_quantity",
            ],
        ) | indent(4)
    }}
),

purchases as (
    {{ live_purchase_query("newer_hits") | indent(4) }}
),

{{ traffic_ctes("hour", "newer_hits", "actions", made=since_seam()) }},

known as (
    select
        {{ traffic_columns() | join(",\n        ") }}
    from {{ ref("traffic_1h") }}
    where {{ before_seam() }}
    union all
    select
        {{ traffic_columns() | join(",\n        ") }}
    from traffic
),

{{ overview_ctes("hour", "known", "purchases", "actions") }}

select
    {{ overview_columns() | join(",\n    ") }}
from overview
