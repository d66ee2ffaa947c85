with

{{
    overview_ctes(
        "day", ref("traffic_1d"), ref("purchases"), ref("product_actions")
    )
}}

select
    {{ overview_columns() | join(",\n    ") }}
from overview
