{{ config(materialized="view") }}

{%- set keys = ["order_date", "currency"] %}

with

{{ fact_ctes("true") }},

{{ order_measure_ctes("facts", keys) }}

select
    {{ (keys + order_measures()) | join(",\n    ") }},
    locations
from measured
