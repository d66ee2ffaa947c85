{# Within the window, a run of a thing ends before its next one begins. #}
{% test runs_do_not_overlap(model, id) %}
with

ordered as (
    select
        {{ id }},
        first_seen_ts,
        last_seen_ts,
        lead(first_seen_ts) over (partition by {{ id }} order by first_seen_ts) as next_seen_ts
    from {{ model }}
    where {{ in_window() }}
)

select *
from ordered
where
    last_seen_ts < first_seen_ts
    or next_seen_ts <= last_seen_ts
{% endtest %}
