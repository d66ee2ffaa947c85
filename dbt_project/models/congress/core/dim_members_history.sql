with

newest as (
    select *
    from {{ ref("member_sightings") }}
    qualify row_number() over (
        partition by member_id, member_updated_at
        order by captured_at desc, partition_date desc
    ) = 1
),

marked as (
    select
        *,
        {{
            differs_from_previous(member_attributes(), "member_id", "member_updated_at")
        }} as starts_version
    from newest
),

versions as (
    select
        *,
        lead(member_updated_at) over (
            partition by member_id
            order by member_updated_at
        ) as next_updated_at
    from marked
    where starts_version
)

select
    member_id,
    {{ member_attributes() | join(",\n    ") }},
    member_updated_at as valid_from,
    next_updated_at as valid_to,
    next_updated_at is null as is_current
from versions
