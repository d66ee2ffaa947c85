{{ config(materialized="view") }}

with

{{ traffic_ctes("hour", ref("live_hits"), ref("live_product_actions"), made=since_seam()) }},

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

{{ overview_ctes("hour", "known", ref("live_purchases"), ref("live_product_actions")) }}

select
    {{ overview_columns() | join(",\n    ") }}
from overview
