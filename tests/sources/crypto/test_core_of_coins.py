"""Core and marts of crypto, by made-up staged rows and an oracle that knows no SQL: all columns."""

import random
import shutil
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
"""Full of what is odd."""
LATER = DayRange(date(2026, 3, 9), date(2026, 4, 15))
"""Nearly all coins are seen on nearly all of them."""
LATE = timedelta(hours=23, minutes=50)
"""When they are polled on those."""
MADE = DayRange(DAYS.first, LATER.last)
CORE = (
    "fact_coin_prices",
    "coin_polls",
    "fact_coin_history",
    "coin_attribute_runs",
    "dim_coins",
    "dim_coins_history",
)
MARTS = (
    "coin_prices_1h",
    "coin_prices_1d",
    "coin_gaps",
    "coin_feed_health",
    "coin_life",
    "market_share_1d",
    "coin_reconciliation",
    "coin_risk_1d",
)
SCHEMAS: dict[str, Schema] = {
    name: schema
    for dataset in load("crypto").datasets
    for name, schema in all_tables(dataset).items()
}
COINS = ["bitcoin", *(f"coin-{number}" for number in range(1, 8))]
GONE = COINS[1]
"""It isn't there on the last of the odd days."""
LEFT = COINS[-1]
"""It is there on the odd days only."""
NAMES = ["Coin", " Coin\u200b ", "Coin  of\tAll", "\u4f8b\u5b50", "Coin\u2060of All"]


def digits(dice: random.Random, scale: int) -> Decimal:
    return Decimal(dice.randrange(10**12)).scaleb(-dice.randint(0, scale))


def price(dice: random.Random) -> Decimal:
    """About the same, but for some that are tiny."""
    return Decimal(dice.randrange(10**12, 2 * 10**12)).scaleb(-dice.choice([12, 12, 12, 12, 22]))


def maybe(dice: random.Random, *values: Any) -> Any:
    return dice.choice(values)


def coin_row(at: datetime, page: int, pages: int, position: int, coin: str) -> Row:
    """A staged row of which nothing is known but where it stood."""
    return dict.fromkeys(SCHEMAS["coin_snapshots"].to_schema().columns) | {
        "partition_date": at.date(),
        "polled_at": at,
        "page": page,
        "pages": pages,
        "position": position,
        "coin_id": coin,
        "symbol": coin,
        "coin_name": coin,
    }


def poll(dice: random.Random, at: datetime, leaves: bool) -> list[Row]:
    """The rows of a poll: pages that lack, coins on two pages or on none, stale ones."""
    pages = dice.choice([1, 2, 2, 3])
    there = [page for page in range(1, pages + 1) if dice.random() < 0.9] or [1]
    made = []
    for page in there:
        for position, coin in enumerate(dice.sample(COINS, dice.randint(1, 5))):
            if leaves and coin == GONE:
                continue
            lag = dice.choice([0, 1, 599.4, 600.0, 600.6, 601, 86_400])
            source_ts = at - timedelta(seconds=lag, milliseconds=300)
            whole = source_ts.replace(microsecond=0)
            made.append(
                coin_row(at, page, pages, position, coin)
                | {
                    "source_ts": maybe(dice, None, *[source_ts] * 7, *[whole] * 2),
                    "symbol": dice.choice(["exa", "exa", "exa ", "EXA"]),
                    "coin_name": dice.choice(NAMES[:3] if dice.random() < 0.8 else NAMES),
                    "image_url": maybe(dice, None, "https://a.example/1", "https://a.example/2"),
                    "price": maybe(dice, None, Decimal(0), *[price(dice)] * 8),
                    "market_cap": maybe(dice, None, Decimal(0), digits(dice, 8)),
                    "market_cap_rank": maybe(dice, None, 1, 2),
                    "volume_24h": maybe(dice, None, Decimal(0), digits(dice, 8)),
                    "high_24h": maybe(dice, None, Decimal(0), digits(dice, 24)),
                    "low_24h": maybe(dice, None, Decimal(0), digits(dice, 24)),
                    "change_24h_pct": maybe(dice, None, -digits(dice, 8), Decimal("-9.6")),
                    "circulating_supply": maybe(dice, None, digits(dice, 8)),
                    "total_supply": maybe(dice, None, digits(dice, 8)),
                    "max_supply": maybe(dice, None, digits(dice, 8)),
                    "fully_diluted_valuation": maybe(dice, None, digits(dice, 8)),
                }
            )
    return made


def steady(dice: random.Random, at: datetime, prices: dict[str, Decimal]) -> list[Row]:
    """A poll with nearly all coins, and now and then a part of another one."""
    made = []
    for position, coin in enumerate(COINS):
        prices[coin] *= Decimal(dice.randrange(90_000, 110_000)) / 100_000
        prices[coin] = prices[coin].quantize(Decimal("1e-24"))
        if coin == LEFT or dice.random() < 0.1:
            continue
        known = {
            "source_ts": at - timedelta(seconds=dice.choice([1.5] * 30 + [700])),
            "price": prices[coin],
            "market_cap": maybe(dice, Decimal(0), *[digits(dice, 8)] * 9),
            "market_cap_rank": maybe(dice, None, *[position + 1] * 9),
        }
        made.append(coin_row(at, 1, 1, position, coin) | known)
    if dice.random() < 0.3:
        # Its first page was lost.
        made = made if dice.random() < 0.7 else []
        made.append(coin_row(at + timedelta(minutes=4), 2, 2, 0, COINS[-2]))
    return made


def history(dice: random.Random, day: date, coin: str) -> list[Row]:
    """Answers about a coin and a day: one or some, some reach over midnight."""
    start = datetime.combine(day, datetime.min.time())
    # Beside those that polls of the day made, at the bounds of what is near enough.
    seconds = (-0.3, 0, 5.123, 300.2, 599.7, 600.4, 1200.6)
    moments = [21_600 * part + second for part in range(5) for second in seconds]
    made = []
    for asking in range(dice.randint(1, 3)):
        made += [
            {
                "partition_date": day,
                "asked_at": start + timedelta(days=1 + asking, hours=2),
                "coin_id": coin,
                "point_at": start + timedelta(seconds=moment),
                "price": maybe(
                    dice, None, Decimal(0), digits(dice, 24), *[price(dice) for _ in range(6)]
                ),
                "market_cap": maybe(dice, None, digits(dice, 8)),
                "volume": maybe(dice, None, Decimal(0)),
            }
            for moment in sorted(dice.sample(moments, dice.randint(1, 12)))
        ]
    return made


def rejected(at: datetime, number: int) -> Row:
    return dict.fromkeys(SCHEMAS["rejected_coin_snapshots"].to_schema().columns, "x") | {
        "partition_date": at.date(),
        "captured_at": at,
        "position": number,
    }


@pytest.fixture(scope="module")
def staged() -> dict[str, list[Row]]:
    """Four made-up days, one of them without polls, and some weeks after a pause."""
    dice = random.Random(2026)  # noqa: S311
    rows: dict[str, list[Row]] = {
        "coin_snapshots": [],
        "coin_history": [],
        "rejected_coin_snapshots": [],
    }
    for day in DAYS.days:
        start = datetime.combine(day, datetime.min.time())
        for number in range(12 if day.day != 2 else 0):
            # Now and then another poll a few minutes later.
            at = start + timedelta(hours=2 * (number - number % 3), microseconds=number)
            at += timedelta(seconds=(0, 300.5, 900.2)[number % 3])
            rows["coin_snapshots"] += poll(dice, at, leaves=day == DAYS.last)
        for coin in COINS[:3]:
            rows["coin_history"] += history(dice, day, coin)
    at = datetime.combine(DAYS.last, datetime.min.time())
    rows["rejected_coin_snapshots"] += [rejected(at, number) for number in range(3)]
    prices = {coin: price(dice) for coin in COINS}
    for day in LATER.days:
        at = datetime.combine(day, datetime.min.time()) + LATE
        rows["coin_snapshots"] += steady(dice, at, prices)
    return rows


def filled(home: Path, rows: dict[str, list[Row]]) -> Settings:
    settings = home_of(home, "crypto")
    stage(settings, SCHEMAS, rows)
    return settings


@pytest.fixture(scope="module")
def built(staged: dict[str, list[Row]], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Core and marts of those days, the late ones built first, one twice. Not to be changed."""
    settings = filled(tmp_path_factory.mktemp("crypto") / "home", staged)
    middle = DAYS.first + timedelta(days=2)
    run_dbt(settings, DayRange(middle, MADE.last), "crypto")
    build_layers(settings, "crypto", ["core", "marts", "live"], DayRange(DAYS.first, middle))
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
    assert set(expected) == set(CORE)
    for name, rows in expected.items():
        assert_same(table(built, f"core.{name}"), rows)


def test_marts_are_what_their_definition_says(
    built: Settings, staged: dict[str, list[Row]]
) -> None:
    snapshots = staged["coin_snapshots"]
    expected = {
        "coin_gaps": oracle.gaps(snapshots),
        "coin_feed_health": oracle.feed_health(snapshots, staged["rejected_coin_snapshots"]),
        "coin_life": oracle.life(snapshots),
        "market_share_1d": oracle.market_share(snapshots),
        "coin_reconciliation": oracle.reconciliation(snapshots, staged["coin_history"]),
        "coin_risk_1d": oracle.risk(snapshots),
    }
    assert {*expected, "coin_prices_1h", "coin_prices_1d"} == set(MARTS)
    for name, rows in expected.items():
        assert_nearly_same(table(built, f"marts.{name}"), rows)


def test_what_is_live_is_what_is_published_right_after_a_build(
    built: Settings, staged: dict[str, list[Row]]
) -> None:
    snapshots = staged["coin_snapshots"]
    assert table(built, "live.live_coin_prices") == table(built, "core.fact_coin_prices")
    board = table(built, "live.live_coin_board")
    assert_nearly_same(board, oracle.live_board(snapshots, snapshots))
    now = {row["coin_id"] for row in table(built, "core.dim_coins") if row["is_open"]}
    assert {row["coin_id"] for row in board} <= now


def test_what_is_staged_of_the_newest_day_is_live_before_a_build(
    built: Settings, staged: dict[str, list[Row]], tmp_path: Path
) -> None:
    published, dice = staged["coin_snapshots"], random.Random(4)  # noqa: S311
    shutil.copytree(built.home, tmp_path / "home")
    settings = built.model_copy(update={"home": tmp_path / "home"})
    prices = {row["coin_id"]: row["price"] for row in published if row["price"]}
    # More polls of the newest published day, and some of the next one: odd ones, then whole ones.
    last = datetime.combine(MADE.last, datetime.min.time()) + LATE
    odd = [last + timedelta(minutes=minutes) for minutes in (7, 8, 1300)]
    whole = [last + timedelta(minutes=minutes) for minutes in (1365, 1379.9, 1440)]
    now, changes = list(published), set()
    for at in (*odd, *whole):
        rows = steady(dice, at, prices) if at in whole else poll(dice, at, leaves=False)
        if at == whole[1]:
            # An hour later, what it was before counts.
            rows[0]["source_ts"] -= timedelta(hours=1)
        stage(settings, SCHEMAS, {"coin_snapshots": rows})
        now += rows
        assert_same(table(settings, "live.live_coin_prices"), oracle.live_prices(published, now))
        board = table(settings, "live.live_coin_board")
        assert_nearly_same(board, oracle.live_board(published, now))
        horizons = ("change_1h", "change_24h", "change_7d")
        changes |= {(name, row[name] is None) for row in board for name in horizons}
    assert len(changes) == 2 * len(horizons)


def assert_nearly_same(found: list[Row], expected: list[Row]) -> None:
    """The same rows, where a ratio may be a unit off in its last digit: it was a float once."""
    columns = list(found[0])
    wanted = [{name: row[name] for name in columns} for row in expected]
    keys = [name for name in columns if not any(is_ratio(row[name]) for row in found)]

    def keyed(rows: list[Row]) -> dict[tuple[Any, ...], Row]:
        by_key = {tuple(row[name] for name in keys): row for row in rows}
        assert len(by_key) == len(rows), keys
        return by_key

    ours, theirs = keyed(found), keyed(wanted)
    assert_same(in_order([{name: row[name] for name in keys} for row in found]),
                [{name: row[name] for name in keys} for row in wanted])  # fmt: skip
    for key, row in ours.items():
        for name in columns:
            one, other = row[name], theirs[key][name]
            near = one == other or (
                None not in (one, other)
                and abs(one - other) <= Decimal("2e-12") + abs(other) * Decimal("1e-14")
            )
            assert near, (name, one, other, row)


def is_ratio(value: Any) -> bool:
    return isinstance(value, Decimal) and value.as_tuple().exponent == -12


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
    health = table(built, "marts.coin_feed_health")
    assert any(row["complete_polls"] < row["polls"] for row in health)
    assert any(row["feed_age_p50_s"] != row["feed_age_max_s"] for row in health)
    assert any(0 < row["whole_second_share"] < 1 for row in health)
    assert any(0 < (row["one_decimal_share"] or 0) < 1 for row in health)
    assert {row["rejected_rows"] for row in health} == {0, 3}
    life = table(built, "marts.coin_life")
    assert {row["stretch"] for row in life} >= {1, 2}
    assert {row["is_open"] for row in life} == {True, False}
    share = table(built, "marts.market_share_1d")
    assert {row["coins_without_cap"] > 0 for row in share} == {True, False}
    newest: dict[date, datetime] = {}
    for row in table(built, "core.coin_polls"):
        newest[row["partition_date"]] = max(
            row["polled_at"], newest.get(row["partition_date"], row["polled_at"])
        )
    assert any(row["polled_at"] < newest[row["partition_date"]] for row in share)
    compared = table(built, "marts.coin_reconciliation")
    assert {0, 1} < {row["points_compared"] for row in compared}
    assert {row["close_difference"] is None for row in compared} == {True, False}
    risk = table(built, "marts.coin_risk_1d")
    for name in ("return_1d", "volatility_7d", "volatility_30d", "correlation_30d"):
        assert {row[name] is None for row in risk} == {True, False}, name
    assert any(row["pairs_30d"] < row["returns_30d"] for row in risk)
