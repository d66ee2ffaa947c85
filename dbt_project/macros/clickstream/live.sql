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
