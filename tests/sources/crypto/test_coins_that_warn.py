"""What is suspicious about coins warns, and what is ordinary, as near to it as may be, doesn't."""

from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from staged import Row, run_dbt
from test_core_of_coins import coin_row, filled

from predictit_assets.contract.calendar import DayRange

ORDINARY = datetime(2026, 3, 1)
"""A day with 80 % of its polls."""
ODD = datetime(2026, 3, 2)
"""One with too few."""
NEWEST = datetime(2026, 3, 3)
COINS = [f"coin-{number}" for number in range(10)]
WARNINGS = {
    "fact_coin_prices_are_fresh": 1,
    "fact_coin_prices_lie_within_24_hours": 1,
    "fact_coin_prices_caps_fit": 1,
    "fact_coin_prices_ranks_are_there_once": 1,
    "fact_coin_prices_first_pages_keep_coins": 1,
    "coin_polls_are_complete": 1,
    "coin_polls_are_as_many_as_asked_for": 1,
    "dim_coins_share_no_symbol": 1,
    "coin_prices_1h_do_not_jump": 1,
    "coin_prices_1d_do_not_jump": 1,
    "coin_feed_health_feed_is_young": 1,
    "coin_feed_health_formats_are_usual": 1,
    "coin_reconciliation_differences_are_small": 1,
}
"""The checks that warn, and how many rows each finds."""


def poll(at: datetime, coins: int = len(COINS), pages: int = 1) -> list[Row]:
    """A poll with nothing odd."""
    ordinary = {
        "source_ts": at - timedelta(milliseconds=1500),
        "price": Decimal(1),
        "market_cap": Decimal(100),
        "circulating_supply": Decimal(100),
        "high_24h": Decimal(1),
        "low_24h": Decimal(1),
        "change_24h_pct": Decimal("0.25"),
    }
    return [
        coin_row(at, 1, pages, place, coin) | ordinary | {"market_cap_rank": place + 1}
        for place, coin in enumerate(COINS[:coins])
    ]


def ordinary() -> list[Row]:
    """A day in which all is as usual, at the bounds."""
    polls = [poll(ORDINARY + timedelta(seconds=374 * number)) for number in range(231)]
    # A tenth of the coins gone, an update as old as may be, a price up by a half.
    polls[3].pop()
    for row in polls[5]:
        row["source_ts"] = row["polled_at"] - timedelta(milliseconds=599_700)
    polls[7][0] |= {"price": Decimal("1.5"), "high_24h": Decimal("1.5"), "market_cap": Decimal(150)}
    rows = [row for one in polls for row in one]
    # Of 2,310 rows 23 are 1 %, 115 are 5 %, and 1,155 a half.
    for row in rows[100:1254]:
        row["source_ts"] = row["source_ts"].replace(microsecond=0)
        row["change_24h_pct"] = Decimal("0.2")
    for one in polls[20:135]:
        one[9]["source_ts"] -= timedelta(seconds=601)
    for row in rows[400:423]:
        row |= {"high_24h": Decimal("0.9"), "low_24h": Decimal("0.9"), "market_cap": Decimal(90)}
    for row in rows[430:500]:
        row |= {"high_24h": Decimal("0.991"), "low_24h": Decimal("0.9"), "market_cap": Decimal(96)}
    # A coin that leaves may leave its symbol to another.
    gone = coin_row(ORDINARY, 1, 1, 10, "gone") | {"symbol": COINS[0], "price": Decimal(1)}
    return [*rows, gone | {"source_ts": ORDINARY}]


def suspicious() -> list[Row]:
    """A day with something of each kind."""
    polls = [poll(ODD + timedelta(seconds=300 * number)) for number in range(12)]
    polls[1][0]["pages"] = 2
    for row in polls[1]:
        row["pages"] = 2
    polls[2][0]["market_cap_rank"] = 2
    del polls[3][8:]
    for row in polls[5]:
        row["source_ts"] = row["polled_at"] - timedelta(seconds=601)
    polls[7][0] |= {"price": Decimal("1.51"), "high_24h": Decimal(2), "market_cap": Decimal(151)}
    polls[8][0] |= {"price": Decimal("1.51"), "high_24h": Decimal(2), "market_cap": Decimal(151)}
    polls[9][1] |= {"high_24h": Decimal("0.98"), "low_24h": Decimal("0.9")}
    polls[9][2] |= {"high_24h": Decimal("1.1"), "low_24h": Decimal("1.02")}
    polls[10][1] |= {"market_cap": Decimal(106)}
    polls[10][2] |= {"market_cap": Decimal(94)}
    for row in polls[11][:7]:
        row["source_ts"] -= timedelta(seconds=601)
    rows = [row for one in polls for row in one]
    for row in rows:
        row["change_24h_pct"] = Decimal("0.2")
    return rows


def newest() -> list[Row]:
    """The newest poll, in which two coins have a symbol."""
    rows = poll(NEWEST)
    rows[0]["symbol"] = rows[1]["symbol"]
    return rows


def told(at: datetime, price: str) -> Row:
    """A moment of the vendor's history."""
    return {
        "partition_date": at.date(),
        "asked_at": NEWEST,
        "coin_id": COINS[3],
        "point_at": at,
        "price": Decimal(price),
        "market_cap": None,
        "volume": None,
    }


def test_each_suspicion_warns_and_what_is_ordinary_does_not(tmp_path: Path) -> None:
    rows: dict[str, list[Row]] = {
        "coin_snapshots": [*ordinary(), *suspicious(), *newest()],
        "coin_history": [
            # Ours is 1: the one differs by 2 %, the other by a little more.
            told(ORDINARY + timedelta(hours=23), "0.980392156862745099"),
            told(ODD + timedelta(minutes=20), "0.98039"),
        ],
    }
    settings = filled(tmp_path / "home", rows)
    results = run_dbt(settings, DayRange(ORDINARY.date(), NEWEST.date()), "crypto")
    found = {name: one.failures for name, one in results.items() if one.status == "warn"}
    assert found == WARNINGS
