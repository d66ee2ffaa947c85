{{ config(materialized="incremental", incremental_strategy="replace_window") }}

with

sightings as (
    select
        *,
        min(captured_at) over (
            partition by partition_date, member_id, member_updated_at
        ) as first_seen_at,
        row_number() over (
            partition by partition_date, member_id, member_updated_at
            order by captured_at desc, trade_record_id desc, position desc, page desc
        ) as place
    from {{ source("staging", "congress_trades") }}
    where {{ in_window() }}
)

select
    partition_date,
    member_id,
    member_updated_at,
    {{ readable("member_record_id") }} as member_record_id,
    {{ readable("member_name") }} as member_name,
    {{ readable("display_name") }} as display_name,
    {{ readable("party") }} as party,
    {{ readable("state") }} as state,
    {{ readable("district") }} as district,
    {{ readable("filer_chamber") }} as chamber,
    {{ readable("filer_status") }} as status,
    -- JSON: an entity that stands for a quotation mark would break it.
    committees,
    leadership_positions,
    {{ readable("headshot") }} as headshot,
    {{ readable("website") }} as website,
    captured_at,
    first_seen_at
from sightings
where place = 1
