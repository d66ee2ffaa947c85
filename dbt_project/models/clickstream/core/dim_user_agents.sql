-- A day has an agent once: two rows of an agent aren't of the same moment.
select
    user_agent_id,
    user_agent,
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
    min(first_seen_ts) over (partition by user_agent_id) as first_seen_ts,
    last_seen_ts
from {{ ref("user_agents_daily") }}
qualify
    row_number() over (partition by user_agent_id order by last_seen_ts desc) = 1
