select
    staff_id,
    {{ seen_columns() }}
from {{ ref("fact_orders") }}
where staff_id is not null
group by staff_id
