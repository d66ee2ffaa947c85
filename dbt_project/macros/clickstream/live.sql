{#
    Where what is published ends and what staging tells now begins: three days before the newest day
    of arrivals. So what came on its last two days is told without a build.
#}

{# Whether a row is of a day that is published, and isn't made again. #}
{% macro before_seam() -%}
    partition_date < (select {{ seam() }} from {{ source("staging", "hits") }} as newest)
{%- endmacro %}


{# Whether a row is of a day that is made of staging, or of so many days before these. #}
{% macro since_seam(before=0) -%}
    partition_date >= (select {{ seam(before) }} from {{ source("staging", "hits") }} as newest)
{%- endmacro %}


{% macro seam(before=0) -%}
    {{ days_after("max(newest.partition_date)", -3 - before) }}
{%- endmacro %}


{#
    The hits that are made of staging, in few columns: a CTE. Tables that are made of hits name it:
    whatever asks live_hits itself makes them anew each time.
#}
{% macro newer_hits_cte() -%}
newer_hits as (
    select
        {{- ids_and_times("hits") }},
        hits.is_session_start,
        hits.hit_type,
        hits.product_action,
        hits.page_url,
        hits.page_host,
        hits.referrer_host,
        hits.utm_source,
        hits.utm_medium,
        hits.utm_campaign,
        hits.user_agent_id,
        hits.user_network
    from {{ ref("live_hits") }} as hits
    where {{ since_seam() }}
)
{%- endmacro %}


{#
    Products of hits with an action: those that are published, and those of newer hits. A statement.

    hits      the newer hits
    columns   the columns of product_actions that are asked for
#}
{% macro live_product_action_query(hits, columns=["*"]) -%}
with

made as (
    {{ product_action_query(hits, made=since_seam(), sent=since_seam()) | indent(4) }}
)

select {{ columns | join(", ") }}
from {{ ref("product_actions") }}
where {{ before_seam() }}
union all
select {{ columns | join(", ") }}
from made
{%- endmacro %}


{# The first hit of each transaction, published or newer. A statement. #}
{% macro live_purchase_query(hits) -%}
with

made as (
    {{ purchase_hit_query(hits, made=since_seam(), sent=since_seam()) | indent(4) }}
),

sent_ever as (
    select *
    from {{ ref("purchase_hits") }}
    where {{ before_seam() }}
    union all
    select *
    from made
),

first_sent as (
    {{ purchase_query("sent_ever") | indent(4) }}
)

select *
from first_sent
{%- endmacro %}
