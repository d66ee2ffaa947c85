-- What the largest coins returned around days on which odds moved much, and on all other days.
with

{{ moves_of_odds_cte() }},

days_of_odds as (
    select
        {{ day_number("partition_date") }} as place,
        big_moves > 0 as did_happen
    from moves_of_odds
),

{{ returns_of_largest_cte() }},

{{ around(
    "days_of_odds",
    "returns_of_coins",
    "coin_id",
    {"median_return": "return_1d", "median_size": "size_of_return"},
) }}
