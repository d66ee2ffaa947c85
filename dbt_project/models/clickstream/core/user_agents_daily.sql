{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

hits as (
    select
        *,
        min(received_at) over (partition by partition_date, user_agent_id) as first_seen_ts
    from {{ source("staging", "hits") }}
    where
        {{ in_window() }}
        and user_agent_id is not null
    qualify
        row_number() over (
            partition by partition_date, user_agent_id order by received_at desc, log_id desc
        ) = 1
)

select
    partition_date,
    user_agent_id,
    {{ clean("user_agent") }} as user_agent,
    browser_name,
    browser_version,
    browser_major,
    os_name,
    os_version,
    device_type,
    device_brand,
    device_model,
    is_bot,
    agent_rules,
    first_seen_ts,
    received_at as last_seen_ts
from hits
