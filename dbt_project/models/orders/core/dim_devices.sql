select
    location_id,
    device_id,
    {{ seen_columns() }}
from {{ ref("fact_orders") }}
where location_id is not null and device_id is not null
group by location_id, device_id
