"""Coins beside odds: the rows of both analyses, worked out by hand."""

from typing import Any

import pytest
from analysing import ENGINES, Rows, described, numbers, run, table

COINS, ODDS = "coins_around_moves_of_odds", "odds_around_moves_of_coins"

MOVES = table(
    """
    partition_date market_id contract_id price_change is_noise
    2026-03-02     1         1            0.55        false
    2026-03-02     1         2            0.00        true
    2026-03-03     1         1            0.05        false
    2026-03-03     1         2           -0.80        true
    2026-03-04     1         1           -0.50        false
    2026-03-05     1         1            -           -
    2026-03-06     1         1            0.01        true
    """
)
# Of six coins the last isn't large, but for one day.
CAPS = [
    {"partition_date": f"2026-03-0{day}", "coin_id": coin, "market_cap": cap}
    for day in range(1, 7)
    for coin, cap in [
        ("bitcoin", 100), ("b", 40), ("c", 30), ("d", 20), ("e", 10),
        ("small", 50 if day == 3 else 1),
    ]
]  # fmt: skip
RETURNS = table(
    """
    partition_date coin_id return_1d
    2026-03-01     bitcoin  -
    2026-03-02     bitcoin  0.05
    2026-03-03     bitcoin -0.02
    2026-03-04     bitcoin  0.03
    2026-03-05     bitcoin  0.01
    2026-03-06     bitcoin  -
    2026-03-07     bitcoin  0.04
    2026-03-03     small    9.00
    2026-03-04     small   -0.50
    """
)
TABLES: dict[str, Rows] = {
    "marts.movers_1d": MOVES,
    "core.dim_markets": [{"market_id": 1, "market_name": "Who wins?"}],
    "marts.market_share_1d": CAPS,
    "marts.coin_risk_1d": RETURNS,
}
COUNTS = ("coin_id", "days_after", "days", "days_otherwise")


@pytest.mark.parametrize("engine", ENGINES)
def test_what_coins_returned_around_big_moves_of_odds(engine: str) -> None:
    """Odds moved much on the 2nd and 4th, not on the 3rd and 6th; the 5th isn't known."""
    found = run(engine, COINS, TABLES)
    assert numbers(found, *COUNTS, "median_return", "median_return_otherwise") == [
        # The 3rd; the 2nd and 5th.
        ("bitcoin", -1, 1, 2, -0.02, 0.03),
        # The 2nd and 4th; the 3rd.
        ("bitcoin", 0, 2, 1, 0.04, -0.02),
        # The 3rd and 5th; the 4th and 7th.
        ("bitcoin", 1, 2, 2, -0.005, 0.035),
        # It isn't large on the day of its jump, but on the day after that.
        ("small", 0, 1, 0, -0.5, None),
        ("small", 1, 0, 1, None, -0.5),
    ]
    assert numbers(found[:3], "median_size", "median_size_otherwise") == [
        (0.02, 0.03),
        (0.04, 0.02),
        (0.015, 0.035),
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_how_much_odds_moved_around_big_moves_of_coins(engine: str) -> None:
    """Bitcoin moved much on the 2nd, and not on the 3rd, 4th, 5th and 7th."""
    found = run(engine, ODDS, TABLES)
    measures = [
        f"{name}{suffix}"
        for name in ("median_mean_move", "median_clear_share")
        for suffix in ("", "_otherwise")
    ]
    assert numbers(found, *COUNTS, *measures) == [
        # The 2nd, 3rd, 4th and 6th: odds moved by 27.5, 42.5, 50 and 1 cents, on the whole.
        ("bitcoin", -1, 0, 4, None, 0.35, None, 0.5),
        ("bitcoin", 0, 1, 2, 0.275, 0.4625, 0.5, 0.75),
        ("bitcoin", 1, 1, 2, 0.425, 0.255, 0.5, 0.5),
        ("small", -1, 1, 0, 0.425, None, 0.5, None),
        ("small", 0, 1, 0, 0.5, None, 1.0, None),
    ]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", [COINS, ODDS])
def test_without_days_of_both_there_are_no_rows(engine: str, name: str) -> None:
    nothing: dict[str, Rows] = {table: [] for table in TABLES}
    assert run(engine, name, nothing) == []
    assert run(engine, name, TABLES | {"marts.movers_1d": []}) == []


@pytest.mark.parametrize("name", [COINS, ODDS])
def test_each_says_what_a_row_is(name: str) -> None:
    said: Any = described(name)
    assert "One row per coin and step" in " ".join(said["description"].split())
    assert list(said["columns"]) == list(run("duckdb", name, TABLES)[0])
