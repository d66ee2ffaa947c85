{{ config(materialized="view") }}

{{ live_product_action_query(ref("live_hits")) }}
