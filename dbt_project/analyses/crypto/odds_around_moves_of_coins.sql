-- How much odds moved around days on which a large coin moved much, and on all other days.
with

{{ moves_of_odds_cte() }},

days_of_odds as (
    select
        {{ day_number("moves_of_odds.partition_date") }} as place,
        {{ mean_moves_of_odds("moves_of_odds") }}
    from moves_of_odds
),

{{ returns_of_largest_cte() }},

days_of_coins as (
    select
        place,
        coin_id,
        size_of_return >= {{ var("big_move_of_coins", 0.05) }} as did_happen
    from returns_of_coins
),

{{ around(
    "days_of_coins",
    "days_of_odds",
    "coin_id",
    {"median_mean_move": "mean_move", "median_clear_share": "clear_share"},
) }}
