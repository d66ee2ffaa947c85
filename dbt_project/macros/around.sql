{#
    What numbers were on the day before, the day of and the day after something happened, and on all
    other days: a statement. One row per subject and number of days after, without those for which
    there is nothing to look at.

    happened  CTE with `place`, a whole number that is one more on the next day, and `did_happen`:
              the days of which it is known whether it did
    measured  CTE with `place` and the numbers, none of them NULL
    subject   the column that rows are told by: of one of the two, which has it once a day
    measures  the columns of `measured` that medians are of, by what they are called

    Each number of days after has a comparison of its own: the same step from each day on which it
    didn't happen. So a day beside one on which it did is among the others. That keeps what is
    compared alike, and makes a difference smaller than it is.
#}
{% macro around(happened, measured, subject, measures) -%}
{%- set cases = {"": "did_happen", "_otherwise": "not did_happen"} -%}
steps as (
    select -1 as days_after
    union all
    select 0 as days_after
    union all
    select 1 as days_after
),

paired as (
    select
        {{ subject }},
        steps.days_after,
        {{ happened }}.did_happen,
        {{ measured }}.{{ measures.values() | join(",\n        " ~ measured ~ ".") }}
    from {{ happened }}
    cross join steps
    inner join {{ measured }} on {{ measured }}.place = {{ happened }}.place + steps.days_after
)

select
    {{ subject }},
    days_after,
    cast(count_if(did_happen) as bigint) as days,
    cast(count_if(not did_happen) as bigint) as days_otherwise
    {%- for name, column in measures.items() %}
        {%- for suffix, condition in cases.items() %},
    cast(
        median(case when {{ condition }} then cast({{ column }} as double) end) as decimal(12, 6)
    ) as {{ name }}{{ suffix }}
        {%- endfor %}
    {%- endfor %}
from paired
group by {{ subject }}, days_after
order by {{ subject }}, days_after
{%- endmacro %}


{# The number of a day: one more than that of the day before. #}
{% macro day_number(day) -%}
    {{ day }} - cast('1970-01-01' as date)
{%- endmacro %}


{# A text that a setting of dbt gives, as a literal. #}
{% macro text_of(name, default) -%}
    '{{ var(name, default) | replace("'", "''") }}'
{%- endmacro %}
