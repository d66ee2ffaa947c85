{{ config(materialized="view") }}

{{ live_purchase_query(ref("live_hits")) }}
