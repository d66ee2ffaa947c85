select
    location_id,
    {{ seen_columns() }}
from {{ ref("fact_orders") }}
where location_id is not null
group by location_id
