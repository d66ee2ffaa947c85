-- How much odds moved around sessions in which the benchmark moved much, and around all others.
with

{{ moves_of_odds_cte() }},

{{ returns_of_sessions_ctes() }},

-- What moved while the exchange was closed belongs to the session after it.
sums_of_sessions as (
    select
        days.place,
        sum(moves.changes) as changes,
        sum(moves.clear_moves) as clear_moves,
        sum(moves.dollars_moved) as dollars_moved
    from moves_of_odds as moves
    inner join session_of_days as days on moves.partition_date = days.exchange_date
    group by days.place
),

sessions_of_odds as (
    select
        sums_of_sessions.place,
        {{ mean_moves_of_odds("sums_of_sessions") }}
    from sums_of_sessions
),

sessions_of_prices as (
    select
        place,
        ticker,
        size_of_return >= {{ var("big_move_of_stocks", 0.02) }} as did_happen
    from returns_of_sessions
),

{{ around(
    "sessions_of_prices",
    "sessions_of_odds",
    "ticker",
    {"median_mean_move": "mean_move", "median_clear_share": "clear_share"},
) }}
