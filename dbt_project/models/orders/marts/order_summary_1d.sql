{%- set keys = ["order_date", "location_id", "currency"] -%}
with

{{ order_measure_ctes(ref("fact_orders"), keys) }}

select
    {{ (keys + order_measures()) | join(",\n    ") }}
from measured
