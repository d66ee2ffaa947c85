{#
    Unbroken runs of observations within a day in which a thing kept its attributes.

    relation    staged snapshots, one row per observation and thing
    id          the thing's id
    seen_at     the column with the moment of the observation
    names       attributes whose white space is folded
    attributes  the other attributes, as sent
    carried     columns that start no run: the values of the run's last observation are taken
    folded      the macro that folds a name, where it does more than fold white space

    Nearly every thing keeps its attributes all day. So they are grouped first, which is cheap, and
    only the observations of things with several sets of attributes are walked through in time order.
#}
{% macro attribute_runs(relation, id, seen_at, names, attributes, carried=[], folded=none) %}
{%- set folded = folded or fold_whitespace -%}
{%- set all_attributes = names + attributes -%}
with

observed as (
    select
        partition_date,
        {{ seen_at }},
        {{ id }},
        {%- for column in carried %}
        {{ column }},
        {%- endfor %}
        {{ all_attributes | join(",\n        ") }}
    from {{ relation }}
    where {{ in_window() }}
),

sets_as_sent as (
    select
        partition_date,
        {{ id }},
        {{ all_attributes | join(",\n        ") }},
        {%- for column in carried %}
        max_by({{ column }}, {{ seen_at }}) as {{ column }},
        {%- endfor %}
        min({{ seen_at }}) as first_seen_ts,
        max({{ seen_at }}) as last_seen_ts
    from observed
    group by partition_date, {{ id }}, {{ all_attributes | join(", ") }}
),

sets as (
    select
        partition_date,
        {{ id }},
        {%- for name in names %}
        {{ folded(name) }} as {{ name }},
        {%- endfor %}
        {%- for column in attributes + carried %}
        {{ column }},
        {%- endfor %}
        first_seen_ts,
        last_seen_ts,
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

observed_of_changed as (
    select
        observed.partition_date,
        observed.{{ seen_at }},
        {%- for name in names %}
        {{ folded("observed." ~ name) }} as {{ name }},
        {%- endfor %}
        {%- for column in attributes + carried %}
        observed.{{ column }},
        {%- endfor %}
        observed.{{ id }}
    from observed
    inner join changed
        on
            observed.partition_date = changed.partition_date
            and observed.{{ id }} = changed.{{ id }}
),

marked as (
    select
        *,
        {{ differs_from_previous(all_attributes, "partition_date, " ~ id, seen_at) }} as starts_run
    from observed_of_changed
),

numbered as (
    select
        *,
        count_if(starts_run) over (
            partition by partition_date, {{ id }}
            order by {{ seen_at }}
            rows between unbounded preceding and current row
        ) as run_number
    from marked
),

runs as (
    select
        partition_date,
        {{ id }},
        {{ all_attributes | join(",\n        ") }},
        {%- for column in carried %}
        max_by({{ column }}, {{ seen_at }}) as {{ column }},
        {%- endfor %}
        min({{ seen_at }}) as first_seen_ts,
        max({{ seen_at }}) as last_seen_ts
    from numbered
    group by partition_date, {{ id }}, run_number, {{ all_attributes | join(", ") }}
    union all
    select
        partition_date,
        {{ id }},
        {{ (all_attributes + carried) | join(",\n        ") }},
        first_seen_ts,
        last_seen_ts
    from sets
    where sets_that_day = 1
)

select
    partition_date,
    {{ id }},
    {{ all_attributes | join(",\n    ") }},
    first_seen_ts,
    last_seen_ts
    {%- for column in carried %},
    {{ column }}
    {%- endfor %}
from runs
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
