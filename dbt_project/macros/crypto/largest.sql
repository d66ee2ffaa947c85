{#
    What the largest coins returned by UTC day, as the CTE `returns_of_coins`. One row per coin and
    day with a close of its own and of the day before.

    A coin is among the `largest_coins` (5) by its cap of the day before: by that of the same day a
    coin would be among them because it rose.
#}
{% macro returns_of_largest_cte() -%}
sizes as (
    select
        partition_date,
        coin_id,
        row_number() over (
            partition by partition_date order by market_cap desc, coin_id
        ) as place_by_size
    from {{ ref("market_share_1d") }}
),

returns_of_coins as (
    select
        risk.partition_date,
        {{ day_number("risk.partition_date") }} as place,
        risk.coin_id,
        risk.return_1d,
        abs(risk.return_1d) as size_of_return
    from {{ ref("coin_risk_1d") }} as risk
    inner join sizes
        on
            risk.coin_id = sizes.coin_id
            and risk.partition_date - 1 = sizes.partition_date
    where
        risk.return_1d is not null
        and sizes.place_by_size <= {{ var("largest_coins", 5) }}
)
{%- endmacro %}
