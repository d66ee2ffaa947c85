-- What the benchmark returned around sessions up to which odds moved much, and on all others.
with

{{ moves_of_odds_cte() }},

{{ returns_of_sessions_ctes() }},

-- What moved while the exchange was closed belongs to the session after it.
sessions_of_odds as (
    select
        days.place,
        sum(moves.big_moves) > 0 as did_happen
    from moves_of_odds as moves
    inner join session_of_days as days on moves.partition_date = days.exchange_date
    group by days.place
),

{{ around(
    "sessions_of_odds",
    "returns_of_sessions",
    "ticker",
    {"median_return": "price_return", "median_size": "size_of_return"},
) }}
