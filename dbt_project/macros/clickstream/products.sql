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

{{ product_ctes("sent", ["log_id", "currency", "action_list", "transaction_id"], "body") }}

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
    products.currency,
    products.action_list,
    products.transaction_id,
    products.extras
from hits
inner join products on hits.log_id = products.log_id
{%- endmacro %}


{#
    What hits tell of products: CTEs, the last is `products`. One row per hit and number of a product,
    with the columns of product_fields as clean texts, and `extras`.

    sent      a relation of hits
    columns   of these, the columns that are kept; the first tells hits apart
    body      the hit as JSON

    A field that is null is none. Of two names that are the same, folded, the smaller one counts.
#}
{% macro product_ctes(sent, columns, body) -%}
    {{ adapter.dispatch("product_ctes")(sent, columns, body) }}
{%- endmacro %}


{#
    Each hit by itself, in lists: fields in rows of their own, which have to be grouped again, take
    many times the memory. Most fields tell of no product: what is cheap to see leaves them out first.
#}
{% macro duckdb__product_ctes(sent, columns, body) -%}
{%- set known = product_fields().values() | join("', '") -%}
bodies as (
    select
        {{ columns | join(",\n        ") }},
        try_cast({{ numbers_as_texts(body) }} as json) as body
    from {{ sent }}
),

found as (
    select
        {{ columns | join(",\n        ") }},
        list_filter(
            list_zip(json_keys(body), json_extract_string(body, '$.*')),
            lambda field: regexp_matches(field[1], '^[ \t\r\n]*[pP][rR][0-9]')
        ) as fields
    from bodies
),

folded as (
    select
        {{ columns | join(",\n        ") }},
        list_transform(
            fields,
            lambda field: {
                'name': field[1],
                'folded': lower({{ clean("field[1]") }}),
                'value': field[2]
            }
        ) as fields
    from found
),

numbered as (
    select
        {{ columns | join(",\n        ") }},
        list_transform(
            list_filter(
                fields,
                lambda field:
                    field.value is not null
                    and regexp_matches(field.folded, '^pr[0-9]{1,3}[^0-9]')
            ),
            lambda field: {
                'name': field.name,
                'digits': regexp_extract(field.folded, '^pr([0-9]+)', 1),
                'folded': field.folded,
                'value': {{ clean("field.value") }}
            }
        ) as fields
    from folded
),

told as (
    select
        {{ columns | join(",\n        ") }},
        list_sort(
            list_transform(
                fields,
                lambda field: {
                    'name': field.name,
                    'product_number': cast(field.digits as bigint),
                    'told': substr(field.folded, 3 + length(field.digits)),
                    'value': field.value
                }
            )
        ) as fields
    from numbered
),

of_numbers as (
    select
        *,
        unnest(list_distinct(list_transform(fields, lambda field: field.product_number)))
            as product_number
    from told
),

of_products as (
    select
        * exclude (fields),
        list_filter(fields, lambda field: field.product_number = of_numbers.product_number)
            as fields
    from of_numbers
),

listed as (
    select
        *,
        list_transform(fields, lambda field: field.told) as names,
        list_transform(fields, lambda field: field.value) as texts
    from of_products
),

others as (
    select
        *,
        list_filter(
            fields,
            lambda field:
                field.value is not null
                and field.told not in ('{{ known }}')
                and list_position(names, field.told) = list_position(fields, field)
        ) as others
    from listed
),

products as (
    select
        {{ columns | join(",\n        ") }},
        product_number,
        {%- for column, told in product_fields().items() %}
        texts[list_position(names, '{{ told }}')] as {{ column }},
        {%- endfor %}
        case
            when len(others) > 0
                then cast(
                    cast(
                        map_from_entries(
                            list_transform(others, lambda field: (field.told, field.value))
                        ) as json
                    ) as variant
                )
        end as extras
    from others
)
{%- endmacro %}


{% macro snowflake__product_ctes(sent, columns, body) -%}
{%- set id = columns[0] -%}
fields as (
    select
        {{ sent }}.{{ id }},
        field.key as field_name,
        cast(field.value as varchar) as field_value
    from
        {{ sent }},
        lateral flatten(input => try_parse_json({{ numbers_as_texts(body) }})) as field
    where cast(field.value as varchar) is not null
),

named as (
    select
        {{ id }},
        field_name,
        field_value,
        lower({{ clean("field_name") }}) as folded_name
    from fields
),

numbered as (
    select
        {{ id }},
        field_name,
        field_value,
        folded_name,
        {{ nth_match("folded_name", "^pr([0-9]{1,3})[^0-9]", 1) }} as digits
    from named
),

of_products as (
    select
        {{ id }},
        field_name,
        {{ clean("field_value") }} as field_value,
        cast(digits as bigint) as product_number,
        substr(folded_name, 3 + length(digits)) as told
    from numbered
    where digits is not null
),

chosen as (
    select
        {{ id }},
        product_number,
        told,
        field_value
    from of_products
    qualify
        row_number() over (
            partition by {{ id }}, product_number, told order by field_name
        ) = 1
),

known as (
    select
        {{ id }},
        product_number,
        {%- for column, told in product_fields().items() %}
        max(case when told = '{{ told }}' then field_value end) as {{ column }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from chosen
    group by {{ id }}, product_number
),

others as (
    select
        {{ id }},
        product_number,
        cast(object_agg(told, field_value) as variant) as extras
    from chosen
    where
        field_value is not null
        and told not in ('{{ product_fields().values() | join("', '") }}')
    group by {{ id }}, product_number
),

products as (
    select
        {%- for column in columns %}
        {{ sent }}.{{ column }},
        {%- endfor %}
        known.product_number,
        {%- for column in product_fields() %}
        known.{{ column }},
        {%- endfor %}
        others.extras
    from {{ sent }}
    inner join known on {{ sent }}.{{ id }} = known.{{ id }}
    left join others
        on
            known.{{ id }} = others.{{ id }}
            and known.product_number = others.product_number
)
{%- endmacro %}
