{# What a field of a product tells: the ends of its names, by the columns that they become. #}
{% macro product_fields() -%}
    {{ return({
        "product_id": "id",
        "product_variant": "va",
        "product_name": "nm",
        "product_brand": "br",
        "product_category": "ca",
        "product_position": "ps",
        "product_quantity": "qt",
        "product_price": "pr",
    }) }}
{%- endmacro %}


{#
    Products of hits with an action, as core.product_actions has them: a statement.
    One row per hit and number of a product.

    hits   the hits, as core.fact_hits has them
    made   the condition on their days
    sent   the condition on the arrival days that they may have

    The names of a product's fields are `pr`, its number and what they tell, in any case.
#}
{% macro product_action_query(hits, made, sent) -%}
{%- set known = product_fields().values() | list -%}
with

hits as (
    select *
    from {{ hits }}
    where
        {{ made }}
        and product_action is not null
),

sent as (
    select
        log_id,
        upper({{ clean("currency") }}) as currency,
        lower({{ clean("action_list") }}) as action_list,
        upper({{ clean("transaction_id") }}) as transaction_id,
        body
    from {{ source("staging", "hits") }}
    where
        {{ sent }}
        and product_action is not null
),

fields as (
    {{ fields_of("sent", ["log_id"], "sent.body") | indent(4) }}
),

named as (
    select
        log_id,
        field_name,
        field_value,
        lower({{ clean("field_name") }}) as folded_name
    from fields
),

numbered as (
    select
        log_id,
        field_name,
        field_value,
        folded_name,
        {{ nth_match("folded_name", "^pr([0-9]{1,3})[^0-9]", 1) }} as digits
    from named
),

of_products as (
    select
        log_id,
        field_name,
        {{ clean("field_value") }} as field_value,
        cast(digits as bigint) as product_number,
        substr(folded_name, 3 + length(digits)) as told
    from numbered
    where digits is not null
),

-- Of two names that are the same, folded, the smaller one counts.
chosen as (
    select
        log_id,
        product_number,
        told,
        field_value
    from of_products
    qualify
        row_number() over (
            partition by log_id, product_number, told order by field_name
        ) = 1
),

products as (
    select
        log_id,
        product_number,
        {%- for column, told in product_fields().items() %}
        max(case when told = '{{ told }}' then field_value end) as {{ column }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from chosen
    group by log_id, product_number
),

others as (
    select
        log_id,
        product_number,
        {{ object_of("told", "field_value") }} as extras
    from chosen
    where
        field_value is not null
        and told not in ('{{ known | join("', '") }}')
    group by log_id, product_number
)

select
    {{- ids_and_times("hits") }},
    hits.product_action,
    products.product_number,
    products.product_id,
    upper(products.product_variant) as product_variant,
    products.product_name,
    products.product_brand,
    products.product_category,
    case
        when {{ matches_whole("products.product_position", "[0-9]{1,5}") }}
            then try_cast(products.product_position as bigint)
    end as product_position,
    {{ number_of("products.product_quantity") }} as product_quantity,
    {{ number_of("products.product_price") }} as product_price,
    sent.currency,
    sent.action_list,
    sent.transaction_id,
    others.extras
from hits
inner join sent on hits.log_id = sent.log_id
inner join products on hits.log_id = products.log_id
left join others
    on
        products.log_id = others.log_id
        and products.product_number = others.product_number
{%- endmacro %}
