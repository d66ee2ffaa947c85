"""The benchmark beside odds: the rows of both analyses, worked out by hand."""

from typing import Any

import pytest
from analysing import ENGINES, Rows, described, numbers, run, table

STOCKS, ODDS = "stocks_around_moves_of_odds", "odds_around_moves_of_stocks"

# A Thursday to the Saturday of the week after.
DAYS = table(
    """
    exchange_date session_number
    2026-03-05    1
    2026-03-06    2
    2026-03-07    -
    2026-03-08    -
    2026-03-09    3
    2026-03-10    4
    2026-03-11    5
    2026-03-12    6
    2026-03-13    7
    2026-03-14    -
    """
)
# Nothing is known of the 10th, and on the 12th a share becomes two.
BARS = table(
    """
    partition_date ticker close
    2026-03-05     SPY    100
    2026-03-06     SPY    110
    2026-03-09     SPY     99
    2026-03-11     SPY    100
    2026-03-12     SPY     50
    2026-03-13     SPY     51
    2026-03-05     spy    100
    2026-03-06     spy    900
    """
)
# The 7th and the 14th are Saturdays: one belongs to the 9th, the other to no session that is known.
MOVES = table(
    """
    partition_date contract_id price_change is_noise
    2026-03-05     1            0.01        true
    2026-03-07     1           -0.60        false
    2026-03-09     1            0.02        false
    2026-03-10     1            0.03        false
    2026-03-11     1            0.50        false
    2026-03-13     1            0.05        false
    2026-03-14     1            0.90        false
    """,
    market_id=1,
)
TABLES: dict[str, Rows] = {
    "marts.movers_1d": MOVES,
    "core.dim_markets": [{"market_id": 1, "market_name": "Who wins?"}],
    "core.dim_exchange_days": DAYS,
    "core.fact_stock_days": BARS,
    "core.fact_stock_splits": [{"partition_date": "2026-03-12", "ticker": "SPY"}],
}
COUNTS = ("ticker", "days_after", "days", "days_otherwise")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_the_benchmark_returned_around_big_moves_of_odds(engine: str) -> None:
    """Odds moved much up to the 9th and on the 11th, and not on the 5th, 10th and 13th."""
    found = run(engine, STOCKS, TABLES)
    assert numbers(found, *COUNTS, "median_return", "median_return_otherwise") == [
        # The logarithms of 1.1, 0.9 and 1.02.
        ("SPY", -1, 1, 1, 0.09531, -0.105361),
        ("SPY", 0, 1, 1, -0.105361, 0.019803),
        ("SPY", 1, 0, 1, None, 0.09531),
    ]
    assert numbers(found, "median_size", "median_size_otherwise") == [
        (0.09531, 0.105361),
        (0.105361, 0.019803),
        (None, 0.09531),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_how_much_odds_moved_around_big_moves_of_the_benchmark(engine: str) -> None:
    """It moved much on the 6th and 9th, and by less than 2 % on the 13th."""
    found = run(engine, ODDS, TABLES)
    assert numbers(found, *COUNTS, "median_mean_move", "median_mean_move_otherwise") == [
        ("SPY", -1, 1, 0, 0.01, None),
        # Of two days of odds up to the 9th, and of the 13th.
        ("SPY", 0, 1, 1, 0.31, 0.05),
        ("SPY", 1, 2, 0, 0.17, None),
    ]
    assert numbers(found, "median_clear_share", "median_clear_share_otherwise") == [
        (0.0, None),
        (1.0, 1.0),
        (1.0, None),
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [STOCKS, ODDS])
def test_without_sessions_of_both_there_are_no_rows(engine: str, name: str) -> None:
    nothing: dict[str, Rows] = {table: [] for table in TABLES}
    assert run(engine, name, nothing) == []
    assert run(engine, name, TABLES | {"core.fact_stock_days": []}) == []


@pytest.mark.parametrize("name", [STOCKS, ODDS])
def test_each_says_what_a_row_is(name: str) -> None:
    said: Any = described(name)
    assert "One row per ticker and step" in " ".join(said["description"].split())
    assert list(said["columns"]) == list(run("duckdb", name, TABLES)[0])
