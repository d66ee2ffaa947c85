with

{{
    overview_ctes(
        "hour", ref("traffic_1h"), ref("purchases"), ref("product_actions")
    )
}}

select
    {{ overview_columns() | join(",\n    ") }}
from overview
