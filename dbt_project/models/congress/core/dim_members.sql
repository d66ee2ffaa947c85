with

sightings as (
    select
        *,
        min(first_seen_at) over (partition by member_id) as ever_first_seen_at
    from {{ ref("member_sightings") }}
    qualify row_number() over (
        partition by member_id
        order by member_updated_at desc, captured_at desc, partition_date desc
    ) = 1
)

select
    members.member_id,
    sightings.member_record_id,
    members.{{ member_attributes() | join(",\n    members.") }},
    sightings.headshot,
    sightings.website,
    case members.party
        when 'R' then 'Republican'
        when 'D' then 'Democratic'
        when 'I' then 'Independent'
        when 'L' then 'Libertarian'
        else 'Unknown'
    end as party_name,
    states.state_name,
    states.state_iso,
    sightings.member_updated_at as source_updated_at,
    sightings.ever_first_seen_at as first_seen_at
from {{ ref("dim_members_history") }} as members
inner join sightings on members.member_id = sightings.member_id
left join {{ ref("us_states") }} as states on members.state = states.state
where members.is_current
