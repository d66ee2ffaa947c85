{{ config(materialized="incremental", incremental_strategy="replace_window") }}

{#- A day has bounds of its own, so a hole over midnight is told on each side. -#}
{%- set start, poll, end = 0, 1, 2 -%}
{%- set longest_step = 900 %}

with

polls as (
    select
        partition_date,
        polled_at
    from {{ ref("coin_polls") }}
    where {{ in_window() }}
),

days as (
    select distinct partition_date
    from polls
),

moments as (
    select
        partition_date,
        polled_at as moment,
        {{ poll }} as kind
    from polls
    union all
    select
        partition_date,
        cast(partition_date as timestamp) as moment,
        {{ start }} as kind
    from days
    union all
    select
        partition_date,
        cast(partition_date as timestamp) + interval '1 day' as moment,
        {{ end }} as kind
    from days
),

steps as (
    select
        *,
        lead(moment) over (partition by partition_date order by moment, kind) as next_moment,
        lead(kind) over (partition by partition_date order by moment, kind) as next_kind
    from moments
)

select
    partition_date,
    moment as gap_start_ts,
    next_moment as gap_end_ts,
    cast(datediff('second', moment, next_moment) / 60 as decimal(9, 2)) as minutes,
    kind = {{ start }} as from_midnight,
    next_kind = {{ end }} as to_midnight
from steps
where datediff('second', moment, next_moment) > {{ longest_step }}
