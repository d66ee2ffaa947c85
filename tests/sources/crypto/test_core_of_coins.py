"""Core of crypto, by made-up staged rows and an oracle that knows no SQL: all rows and columns."""

import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import crypto_oracle as oracle
import pytest
from staged import assert_same, build_layers, home_of, in_order, run_dbt, stage, table

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.source import all_tables
from predictit_assets.settings import Settings
from predictit_assets.sources import load

Row = dict[str, Any]
DAYS = DayRange(date(2026, 3, 1), date(2026, 3, 4))
TABLES = (
    "fact_coin_prices",
    "coin_polls",
    "fact_coin_history",
    "coin_attribute_runs",
    "dim_coins",
    "dim_coins_history",
)
SCHEMAS: dict[str, Schema] = {
    name: schema
    for dataset in load("crypto").datasets
    for name, schema in all_tables(dataset).items()
}
COINS = [f"coin-{number}" for number in range(8)]
NAMES = ["Coin", " Coin\u200b ", "Coin  of\tAll", "\u4f8b\u5b50", "Coin\u2060of All"]


def digits(dice: random.Random, scale: int) -> Decimal:
    return Decimal(dice.randrange(10**12)).scaleb(-dice.randint(0, scale))


def price(dice: random.Random) -> Decimal:
    """About the same, but for some that are tiny."""
    return Decimal(dice.randrange(10**12, 2 * 10**12)).scaleb(-dice.choice([12, 12, 12, 12, 22]))


def maybe(dice: random.Random, *values: Any) -> Any:
    return dice.choice(values)


def poll(dice: random.Random, at: datetime, leaves: bool) -> list[Row]:
    """The rows of a poll: pages that lack, coins on two pages or on none, stale ones."""
    pages = dice.choice([1, 2, 2, 3])
    there = [page for page in range(1, pages + 1) if dice.random() < 0.9] or [1]
    made = []
    for page in there:
        for position, coin in enumerate(dice.sample(COINS, dice.randint(1, 5))):
            if leaves and coin == COINS[0]:
                continue
            lag = dice.choice([0, 1, 599.4, 600.0, 600.6, 601, 86_400])
            nulls = dict.fromkeys(SCHEMAS["coin_snapshots"].to_schema().columns)
            made.append(
                nulls
                | {
                    "partition_date": at.date(),
                    "polled_at": at,
                    "page": page,
                    "pages": pages,
                    "position": position,
                    "coin_id": coin,
                    "source_ts": maybe(
                        dice, None, *[at - timedelta(seconds=lag, milliseconds=300)] * 9
                    ),
                    "symbol": dice.choice(["exa", "exa", "exa ", "EXA"]),
                    "coin_name": dice.choice(NAMES[:3] if dice.random() < 0.8 else NAMES),
                    "image_url": maybe(dice, None, "https://a.example/1", "https://a.example/2"),
                    "price": maybe(dice, None, Decimal(0), *[price(dice)] * 8),
                    "market_cap": maybe(dice, None, Decimal(0), digits(dice, 8)),
                    "market_cap_rank": maybe(dice, None, 1, 2),
                    "volume_24h": maybe(dice, None, Decimal(0), digits(dice, 8)),
                    "high_24h": maybe(dice, None, Decimal(0), digits(dice, 24)),
                    "low_24h": maybe(dice, None, Decimal(0), digits(dice, 24)),
                    "change_24h_pct": maybe(dice, None, -digits(dice, 8)),
                    "circulating_supply": maybe(dice, None, digits(dice, 8)),
                    "total_supply": maybe(dice, None, digits(dice, 8)),
                    "max_supply": maybe(dice, None, digits(dice, 8)),
                    "fully_diluted_valuation": maybe(dice, None, digits(dice, 8)),
                }
            )
    return made


def history(dice: random.Random, day: date, coin: str) -> list[Row]:
    """Answers about a coin and a day: one or some, some reach over midnight."""
    start = datetime.combine(day, datetime.min.time())
    made = []
    for asking in range(dice.randint(1, 3)):
        hours = sorted(dice.sample(range(25), dice.randint(1, 6)))
        made += [
            {
                "partition_date": day,
                "asked_at": start + timedelta(days=1 + asking, hours=2),
                "coin_id": coin,
                "point_at": start + timedelta(hours=hour, milliseconds=dice.choice([0, 5123])),
                "price": maybe(dice, None, Decimal(0), digits(dice, 24)),
                "market_cap": maybe(dice, None, digits(dice, 8)),
                "volume": maybe(dice, None, Decimal(0)),
            }
            for hour in hours
        ]
    return made


@pytest.fixture(scope="module")
def staged() -> dict[str, list[Row]]:
    """Four made-up days; one of them is without polls."""
    dice = random.Random(2026)  # noqa: S311
    rows: dict[str, list[Row]] = {"coin_snapshots": [], "coin_history": []}
    for day in DAYS.days:
        start = datetime.combine(day, datetime.min.time())
        for number in range(12 if day.day != 2 else 0):
            # Now and then another poll a few minutes later.
            at = start + timedelta(hours=2 * (number - number % 3), microseconds=number)
            at += timedelta(seconds=(0, 300.5, 900.2)[number % 3])
            rows["coin_snapshots"] += poll(dice, at, leaves=day == DAYS.last)
        for coin in COINS[:3]:
            rows["coin_history"] += history(dice, day, coin)
    return rows


def filled(home: Path, rows: dict[str, list[Row]]) -> Settings:
    settings = home_of(home, "crypto")
    stage(settings, SCHEMAS, rows)
    return settings


@pytest.fixture(scope="module")
def built(staged: dict[str, list[Row]], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Core of those days, the late ones built first, and one twice. Not to be changed."""
    settings = filled(tmp_path_factory.mktemp("crypto") / "home", staged)
    middle = DAYS.first + timedelta(days=2)
    run_dbt(settings, DayRange(middle, DAYS.last), "crypto.core", "crypto.marts")
    build_layers(settings, "crypto", ["core", "marts"], DayRange(DAYS.first, middle))
    return settings


def test_core_is_what_its_definition_says_in_whatever_order_days_are_built(
    built: Settings, staged: dict[str, list[Row]]
) -> None:
    snapshots = staged["coin_snapshots"]
    expected = {
        "fact_coin_prices": oracle.coin_prices(snapshots),
        "coin_polls": oracle.coin_polls(snapshots),
        "fact_coin_history": oracle.coin_history(staged["coin_history"]),
        "coin_attribute_runs": oracle.attribute_runs(snapshots),
        "dim_coins": oracle.coins(snapshots),
        "dim_coins_history": oracle.coins_history(snapshots),
    }
    assert set(expected) == set(TABLES)
    for name, rows in expected.items():
        assert_same(table(built, f"core.{name}"), rows)


def test_hours_and_days_are_what_their_definition_says(
    built: Settings, staged: dict[str, list[Row]]
) -> None:
    facts = oracle.coin_prices(staged["coin_snapshots"])
    for name, period in (("1h", timedelta(hours=1)), ("1d", timedelta(days=1))):
        rows = [_to_nine_digits(row) for row in oracle.prices_by(facts, period)]
        found = [_to_nine_digits(row) for row in table(built, f"marts.coin_prices_{name}")]
        assert_same(in_order(found), rows)
        assert any(row["largest_step"] for row in rows)
        assert {row["fresh_quotes"] > 0 for row in rows} >= {True, name == "1d"}


def _to_nine_digits(row: Row) -> Row:
    """The means are floats; of sums that are exact they differ in the last digit at most."""
    mean = row["time_weighted_price"]
    return row | {"time_weighted_price": None if mean is None else f"{mean:.9g}"}


def test_the_made_up_days_hold_what_the_rules_are_for(
    built: Settings, staged: dict[str, list[Row]]
) -> None:
    """An oracle that never sees a case proves nothing of it."""
    facts = table(built, "core.fact_coin_prices")
    assert len(facts) < len(staged["coin_snapshots"])
    assert {row["is_stale"] for row in facts} == {True, False}
    assert {row["is_complete"] for row in table(built, "core.coin_polls")} == {True, False}
    now = table(built, "core.dim_coins")
    assert {row["is_open"] for row in now} == {True, False}
    assert len(table(built, "core.dim_coins_history")) > len(now)
    told = table(built, "core.fact_coin_history")
    assert 0 < len(told) < len(staged["coin_history"])
    assert not any("\u200b" in row["coin_name"] for row in now)
