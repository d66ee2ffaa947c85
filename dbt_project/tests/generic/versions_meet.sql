{# The versions of a thing follow each other without gap or overlap, and the last one is current. #}
{% test versions_meet(model, id, valid_from="valid_from", valid_to="valid_to") %}
with

ordered as (
    select
        {{ id }},
        {{ valid_from }},
        {{ valid_to }},
        is_current,
        lead({{ valid_from }}) over (
            partition by {{ id }} order by {{ valid_from }}
        ) as next_valid_from
    from {{ model }}
)

select *
from ordered
where
    {{ valid_to }} is distinct from next_valid_from
    or is_current <> (next_valid_from is null)
{% endtest %}
