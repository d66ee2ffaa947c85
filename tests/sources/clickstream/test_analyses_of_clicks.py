"""What a site says that it sold beside what the shop says: the rows, worked out by hand."""

from typing import Any

import pytest
from analysing import ENGINES, Rows, described, numbers, run, table

NAME = "site_beside_shop"

SITE = table(
    """
    partition_date property_id currency transactions revenue
    2026-03-01     shop        USD      1             5.00
    2026-03-03     shop        USD      2            30.00
    2026-03-03     app         USD      1            10.00
    2026-03-03     shop        EUR      1             7.50
    2026-03-04     shop        USD      2            20.00
    2026-03-05     shop        USD      1             -
    2026-03-07     shop        USD      3            33.00
    """
)
# The 6th has no hits, and nothing is held after the 8th.
TRAFFIC = table(
    """
    partition_date
    2026-03-01
    2026-03-02
    2026-03-03
    2026-03-04
    2026-03-05
    2026-03-07
    2026-03-08
    """
)
# The order of the evening of the 3rd is one of the 4th, and the last four don't count.
ORDERS = table(
    """
    order_id order_date created_at          currency total counts
    1        2026-03-02 2026-03-02T15:00:00 USD      12.00 true
    2        2026-03-03 2026-03-03T15:00:00 USD      25.00 true
    3        2026-03-03 2026-03-03T23:59:59 usd_     15.00 true
    4        2026-03-03 2026-03-04T01:00:00 USD      20.00 true
    5        2026-03-05 2026-03-05T15:00:00 USD       0.00 true
    6        2026-03-06 2026-03-06T15:00:00 USD      11.00 true
    7        2026-03-05 2026-03-05T15:00:00 USD      99.00 false
    8        2026-03-03 2026-03-03T15:00:00 -        99.00 false
    9        2026-03-04 2026-03-04T15:00:00 -         4.00 true
    """
)
DUMPS = table(
    """
    partition_date
    2026-03-01
    2026-03-03
    2026-03-08
    """
)
TABLES: dict[str, Rows] = {
    "marts.revenue_1d": SITE,
    "marts.traffic_1d": TRAFFIC,
    "core.fact_orders": ORDERS,
    "staging.order_dumps": DUMPS,
}
DAY = ("partition_date", "currency", "both_hold_it")


def days(found: Rows, *columns: str) -> list[tuple[Any, ...]]:
    return [(row["partition_date"].day, *one) for row, one in zip(
        found, numbers(found, *DAY[1:], *columns), strict=True)]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_days_that_both_hold_are_compared(engine: str) -> None:
    found = run(engine, NAME, TABLES)
    assert days(found, "site_transactions", "shop_orders", "more_transactions", "differs") == [
        # The first day of both may be held in part.
        (1, "USD", False, 1, None, None, None),
        (2, "USD", True, 0, 1, -1, True),
        (3, "EUR", True, 1, 0, 1, True),
        (3, "USD", True, 3, 2, 1, True),
        (4, "", True, 0, 1, -1, True),
        (4, "USD", True, 2, 1, 1, True),
        # As many, but what one of them was isn't known.
        (5, "USD", True, 1, 1, 0, None),
        (6, "USD", False, None, 1, None, None),
        (7, "USD", True, 3, 0, 3, True),
    ]
    assert days(found, "site_revenue", "shop_revenue", "more_revenue", "more_revenue_share") == [
        (1, "USD", False, 5.0, None, None, None),
        (2, "USD", True, 0.0, 12.0, -12.0, -1.0),
        (3, "EUR", True, 7.5, 0.0, 7.5, None),
        (3, "USD", True, 40.0, 40.0, 0.0, 0.0),
        (4, "", True, 0.0, 4.0, -4.0, -1.0),
        (4, "USD", True, 20.0, 20.0, 0.0, 0.0),
        (5, "USD", True, None, 0.0, None, None),
        (6, "USD", False, None, 11.0, None, None),
        (7, "USD", True, 33.0, 0.0, 33.0, None),
    ]


@pytest.mark.parametrize(
    ("hits", "dumps", "compared"),
    [
        ((3, 4, 5), (3, 4, 5), True),
        ((4, 5), (3, 4, 5), False),
        ((3, 4), (3, 4, 5), False),
        ((3, 4, 5), (4, 5), False),
        ((3, 4, 5), (3, 4), False),
        ((3, 5), (3, 4, 5), False),
        # A shop that is closed has no file.
        ((3, 4, 5), (3, 5), True),
    ],
)
def test_a_day_is_compared_that_lies_between_others_of_both(
    hits: tuple[int, ...], dumps: tuple[int, ...], compared: bool
) -> None:
    held = {
        "marts.revenue_1d": [SITE[4]],
        "marts.traffic_1d": [{"partition_date": f"2026-03-0{day}"} for day in hits],
        "core.fact_orders": [],
        "staging.order_dumps": [{"partition_date": f"2026-03-0{day}"} for day in dumps],
    }
    (day,) = run("duckdb", NAME, held)
    assert (day["both_hold_it"], day["shop_orders"]) == (compared, 0 if compared else None)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_day_on_which_both_tell_the_same_doesnt_differ(engine: str) -> None:
    same = {
        "marts.revenue_1d": [SITE[2] | {"transactions": 2, "revenue": "40.00"}],
        "core.fact_orders": ORDERS[1:3],
    }
    (day,) = run(engine, NAME, TABLES | same)
    assert (day["more_transactions"], day["more_revenue"], day["differs"]) == (0, 0.0, False)


@pytest.mark.parametrize("engine", ENGINES)
def test_nothing_is_compared_where_one_of_both_holds_nothing(engine: str) -> None:
    assert run(engine, NAME, {table: [] for table in TABLES}) == []
    for lacking in (
        {"core.fact_orders": [], "staging.order_dumps": []},
        {"marts.revenue_1d": [], "marts.traffic_1d": []},
    ):
        found = run(engine, NAME, TABLES | lacking)
        assert found
        assert set(numbers(found, "both_hold_it", "more_transactions", "differs")) == {
            (False, None, None)
        }


def test_it_says_what_a_row_is() -> None:
    said: Any = described(NAME)
    assert "One row per UTC day and currency" in " ".join(said["description"].split())
    assert list(said["columns"]) == list(run("duckdb", NAME, TABLES)[0])
