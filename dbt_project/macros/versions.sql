{#
    Unbroken runs of polls within a day in which a thing kept its attributes.

    relation    staged snapshots, one row per poll and thing
    id          the thing's id
    names       attributes whose white space is folded
    attributes  the other attributes, as sent
    carried     a column that starts no run: its value at the run's last poll is taken

    Nearly every thing keeps its attributes all day. So they are grouped first, which is cheap, and
    only the polls of things with several sets of attributes are walked through in time order.
#}
{% macro attribute_runs(relation, id, names, attributes, carried) %}
{%- set all_attributes = names + attributes -%}
with

observed as (
    select
        partition_date,
        polled_at,
        {{ id }},
        {{ carried }},
        {{ all_attributes | join(",\n        ") }}
    from {{ relation }}
    where {{ in_window() }}
),

sets_as_sent as (
    select
        partition_date,
        {{ id }},
        {{ all_attributes | join(",\n        ") }},
        min(polled_at) as first_seen_ts,
        max(polled_at) as last_seen_ts,
        max_by({{ carried }}, polled_at) as {{ carried }}
    from observed
    group by partition_date, {{ id }}, {{ all_attributes | join(", ") }}
),

sets as (
    select
        partition_date,
        {{ id }},
        {%- for name in names %}
        {{ fold_whitespace(name) }} as {{ name }},
        {%- endfor %}
        {{ attributes | join(",\n        ") }},
        first_seen_ts,
        last_seen_ts,
        {{ carried }},
        count(*) over (partition by partition_date, {{ id }}) as sets_that_day
    from sets_as_sent
),

changed as (
    select distinct
        partition_date,
        {{ id }}
    from sets
    where sets_that_day > 1
),

polls_of_changed as (
    select
        observed.partition_date,
        observed.polled_at,
        observed.{{ id }},
        observed.{{ carried }},
        {%- for name in names %}
        {{ fold_whitespace("observed." ~ name) }} as {{ name }},
        {%- endfor %}
        {%- for attribute in attributes %}
        observed.{{ attribute }}{{ "," if not loop.last }}
        {%- endfor %}
    from observed
    inner join changed
        on
            observed.partition_date = changed.partition_date
            and observed.{{ id }} = changed.{{ id }}
),

marked as (
    select
        *,
        {{ differs_from_previous(all_attributes, "partition_date, " ~ id, "polled_at") }} as starts_run
    from polls_of_changed
),

numbered as (
    select
        *,
        count_if(starts_run) over (
            partition by partition_date, {{ id }}
            order by polled_at
            rows between unbounded preceding and current row
        ) as run_number
    from marked
),

runs as (
    select
        partition_date,
        {{ id }},
        {{ all_attributes | join(",\n        ") }},
        min(polled_at) as first_seen_ts,
        max(polled_at) as last_seen_ts,
        max_by({{ carried }}, polled_at) as {{ carried }}
    from numbered
    group by partition_date, {{ id }}, run_number, {{ all_attributes | join(", ") }}
    union all
    select
        partition_date,
        {{ id }},
        {{ all_attributes | join(",\n        ") }},
        first_seen_ts,
        last_seen_ts,
        {{ carried }}
    from sets
    where sets_that_day = 1
)

select * from runs
{% endmacro %}


{#
    Versions of a thing's attributes over all days: runs that follow each other with the same
    attributes are one version.
#}
{% macro attribute_versions(relation, id, attributes) %}
with

marked as (
    select
        *,
        {{ differs_from_previous(attributes, id, "first_seen_ts") }} as starts_version
    from {{ relation }}
),

numbered as (
    select
        *,
        count_if(starts_version) over (
            partition by {{ id }}
            order by first_seen_ts
            rows between unbounded preceding and current row
        ) as version_number
    from marked
),

versions as (
    select
        {{ id }},
        {{ attributes | join(",\n        ") }},
        min(first_seen_ts) as valid_from
    from numbered
    group by {{ id }}, version_number, {{ attributes | join(", ") }}
),

closed as (
    select
        *,
        lead(valid_from) over (partition by {{ id }} order by valid_from) as valid_to
    from versions
)

select
    {{ id }},
    {{ attributes | join(",\n    ") }},
    valid_from,
    valid_to,
    valid_to is null as is_current
from closed
{% endmacro %}


{# Whether an attribute isn't what it was in the row before; true of the first row. #}
{% macro differs_from_previous(attributes, partition_by, order_by) -%}
    {%- set previous = "(partition by " ~ partition_by ~ " order by " ~ order_by ~ ")" -%}
    (
        row_number() over {{ previous }} = 1
        {%- for attribute in attributes %}
        or lag({{ attribute }}) over {{ previous }} is distinct from {{ attribute }}
        {%- endfor %}
    )
{%- endmacro %}
