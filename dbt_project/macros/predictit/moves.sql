{#
    How much odds moved by Eastern day, as the CTE `moves_of_odds`. One row per day on which the
    change of a contract is known, of the markets whose name is like the variable `question` (all).

    A big move is one of at least `big_move_of_odds` dollars (0.50) that isn't noise: movers_1d says
    what is. All is in sums, so that days can be put together.
#}
{% macro moves_of_odds_cte() -%}
moves_of_odds as (
    select
        moves.partition_date,
        count(*) as changes,
        cast(count_if(not moves.is_noise) as bigint) as clear_moves,
        cast(
            count_if(
                not moves.is_noise and abs(moves.price_change) >= {{ var("big_move_of_odds", 0.5) }}
            ) as bigint
        ) as big_moves,
        sum(abs(moves.price_change)) as dollars_moved
    from {{ ref("movers_1d") }} as moves
    inner join {{ ref("dim_markets") }} as markets on moves.market_id = markets.market_id
    where
        moves.price_change is not null
        and lower(markets.market_name) like lower({{ text_of("question", "%") }})
    group by moves.partition_date
)
{%- endmacro %}


{# The same sums, as the numbers that `around` takes medians of. #}
{% macro mean_moves_of_odds(sums) -%}
    cast({{ sums }}.dollars_moved as double) / {{ sums }}.changes as mean_move,
        cast({{ sums }}.clear_moves as double) / {{ sums }}.changes as clear_share
{%- endmacro %}
