"""What is read of coins, the report and PostgreSQL, is what the warehouse holds."""

import random
import re
import shutil
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pages import (
    ask,
    assert_asset_reads,
    assert_card_says_what_the_page_does,
    assert_is_sql_of_snowflake,
    cells,
    change,
    faults,
    markup,
    section,
)
from postgres_server import Database
from staged import run_dbt
from test_core_of_coins import COINS, filled, history, price, steady

from predictit_assets import factory
from predictit_assets.checks.model_schema import model_schemas
from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import NothingHeld
from predictit_assets.layers import report
from predictit_assets.layers.served import served_tables
from predictit_assets.settings import Settings
from predictit_assets.sources import load
from predictit_assets.sources.crypto.products import card
from predictit_assets.sources.crypto.products.previews import PREVIEWS
from predictit_assets.sources.crypto.products.report import charts, page, queries
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.serving import Serving

DAYS = DayRange(date(2026, 3, 1), date(2026, 3, 12))
UNPOLLED = date(2026, 3, 5)
LIBRARIES = "/* what draws the charts */"
SCRIPT = "<script>alert('coins')</script><!--"
VENDOR = 'Data provided by <a href="https://www.coingecko.com/">CoinGecko</a>'


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Twelve days with four polls each, but for one without any. Not to be changed."""
    dice = random.Random(7)  # noqa: S311
    rows: dict[str, list[dict[str, Any]]] = {
        "coin_snapshots": [],
        "coin_history": [],
        "rejected_coin_snapshots": [],
    }
    prices = {coin: price(dice) for coin in COINS}
    for day in DAYS.days:
        start = datetime.combine(day, datetime.min.time())
        for hour in (1, 2, 13, 22) if day != UNPOLLED else ():
            rows["coin_snapshots"] += steady(dice, start + timedelta(hours=hour), prices)
    for coin in COINS[:3]:
        rows["coin_history"] += history(dice, DAYS.first, coin)
    settings = filled(tmp_path_factory.mktemp("coins") / "home", rows)
    run_dbt(settings, DAYS, "crypto")
    return settings


@pytest.fixture
def warehouse(built: Settings, tmp_path: Path) -> DuckDBWarehouse:
    """A copy of the built warehouse, to be changed at will."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copyfile(built.duckdb_file, copy)
    return DuckDBWarehouse(copy, lock_timeout=20)


def rendered(warehouse: DuckDBWarehouse) -> str:
    return page.page(queries.read(warehouse), LIBRARIES).decode()


def data_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a chart draws."""
    rows: list[dict[str, Any]] = next(iter(spec["datasets"].values()))
    return rows


def test_the_page_is_whole_loads_nothing_and_is_the_same_each_time(
    warehouse: DuckDBWarehouse,
) -> None:
    text = rendered(warehouse)
    assert faults(text.encode()) == []
    assert report.faults(text.encode()) == []
    assert "default-src 'none'" in text
    assert text.count(VENDOR) == 2
    assert "made up" not in markup(text)
    assert rendered(warehouse) == text
    ten = {f"price_{n}" for n in range(len(queries.read(warehouse).courses))}
    assert set(re.findall(r'id="spec-(\w+)"', text)) == {"shares", "risks", "unseen", *ten}

    change(warehouse, "update core.dim_coins set image_url = 'https://assets.example/1.png'")
    assert "These prices are made up." in rendered(warehouse)


def test_the_board_is_that_of_the_newest_poll(warehouse: DuckDBWarehouse) -> None:
    expected = ask(
        warehouse,
        "select coin_name, price, change_24h, change_7d, market_cap from live.live_coin_board"
        " order by market_cap desc nulls last, coin_id",
    )
    assert len(expected) > 4
    _, *rows = cells(section(rendered(warehouse), "board"))
    assert len(rows) == len(expected)
    for row, (name, worth, day, week, cap) in zip(rows, expected, strict=True):
        assert row[0].startswith(name)
        told = (page.price(worth), page.move(day), page.move(week), page.large(cap))
        assert (row[2], row[4], row[5], row[6]) == told
    assert any(day is not None for _, _, day, *_ in expected)


def test_charts_draw_what_the_marts_hold(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    assert contents.by_hour
    for course in contents.courses:
        rows = data_of(charts.prices(course, contents.by_hour, "price"))
        closes = ask(
            warehouse,
            "select epoch_ms(period_start_ts), price_close from marts.coin_prices_1h"
            " where coin_id = ? and price_close is not null order by 1",
            course.coin.coin_id,
        )
        seen = [(row["t"], row["price"]) for row in rows if "price" in row]
        assert seen == [(at, float(close)) for at, close in closes]
        # Polls of two hours that follow each other are joined, and no others.
        gaps = [row["t"] for row in rows if row.get("gap")]
        moments = [at for at, _ in closes]
        apart = [at + 3_600_000 for at, later in pairwise(moments) if later - at > 3_600_000]
        assert gaps == apart

    shares: dict[str, float] = {}
    for row in data_of(charts.shares(contents)):
        shares[row["date"]] = shares.get(row["date"], 0) + row["share"]
    polled = {str(day) for day in DAYS.days if day != UNPOLLED}
    assert shares.keys() == polled
    assert list(shares.values()) == pytest.approx([1.0] * len(polled), abs=1e-5)
    newest = {
        name: float(share)
        for name, share in ask(
            warehouse,
            "select coins.coin_name, share from marts.market_share_1d as shares"
            " join core.dim_coins as coins using (coin_id) where partition_date = ?",
            DAYS.last,
        )
    }
    for row in data_of(charts.shares(contents)):
        if row["date"] == str(DAYS.last) and row["coin"] != charts.OTHERS:
            assert row["share"] == pytest.approx(newest[row["coin"]], abs=1e-6)

    dots = {(row["volatility"], row["drawdown"]) for row in data_of(charts.risks(contents))}
    assert dots == {
        (float(volatility), float(drawdown))
        for volatility, drawdown in ask(
            warehouse,
            "select volatility_7d, drawdown from marts.coin_risk_1d"
            " where partition_date = ? and volatility_7d is not null",
            DAYS.last,
        )
    }
    assert dots

    hours = {row["date"]: row["hours"] for row in data_of(charts.unseen(contents))}
    assert hours == {
        str(day): round(float(minutes) / 60, 2)
        for day, minutes in ask(
            warehouse,
            "select partition_date, sum(minutes) from marts.coin_gaps group by partition_date",
        )
    }


def test_tables_tell_reconciliation_holes_and_health(warehouse: DuckDBWarehouse) -> None:
    text = rendered(warehouse)
    _, *rows = cells(section(text, "reconciliation"))
    expected = ask(
        warehouse,
        "select coin_id, points_compared, history_points, max_difference"
        " from marts.coin_reconciliation order by max_difference desc nulls last, coin_id",
    )
    assert [(row[2], row[3], row[4]) for row in rows] == [
        (str(compared), str(points), page.part(worst, 2)) for _, compared, points, worst in expected
    ]
    health = section(text, "health")
    longest = ask(warehouse, "select max(minutes) from marts.coin_gaps")[0][0]
    assert cells(health)[1][2] == page.minutes(longest)
    days = [row for row in cells(health) if len(row) == 10][1:]
    assert [row[1] for row in days] == [
        str(polls)
        for (polls,) in ask(
            warehouse, "select polls from marts.coin_feed_health order by partition_date desc"
        )
    ]


def test_texts_of_the_vendor_are_texts(warehouse: DuckDBWarehouse) -> None:
    change(
        warehouse,
        f"update staging.coin_snapshots set coin_name = $${SCRIPT}$$, symbol = $$\u202e{SCRIPT}$$",
        f"update core.dim_coins set coin_name = $${SCRIPT}$$, symbol = $${SCRIPT}$$",
    )
    text = rendered(warehouse)
    assert faults(text.encode()) == []
    assert SCRIPT not in text
    assert "\u202e" not in text
    for place in ("board", "prices", "shares", "reconciliation"):
        assert "&lt;script&gt;alert(" in section(text, place)


def test_what_isnt_there_is_told(warehouse: DuckDBWarehouse) -> None:
    change(
        warehouse,
        "delete from marts.coin_risk_1d",
        "delete from marts.coin_reconciliation",
        "delete from marts.coin_gaps",
        "update staging.coin_snapshots set price = null, market_cap = null",
        "update core.fact_coin_prices set price = null, market_cap = null",
        "delete from marts.market_share_1d",
    )
    text = rendered(warehouse)
    assert faults(text.encode()) == []
    for words in (
        "No coin has enough days yet",
        "Nobody asked for the vendor",
        "each quarter of an hour has a poll",
        "No coin has a fresh price",
    ):
        assert words in text
    change(warehouse, "delete from core.coin_polls")
    with pytest.raises(NothingHeld, match="predictit poll crypto"):
        rendered(warehouse)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("89521.2345", "89,521.23"),
        ("1", "1.00"),
        ("0.12345678", "0.1235"),
        ("0.00012", "0.00012"),
        ("5.6e-11", "0.000000000056"),
        ("0", "0"),
        (None, "–"),
    ],
)
def test_prices_keep_their_first_digits(value: str | None, says: str) -> None:
    assert page.price(None if value is None else Decimal(value)) == says


@pytest.mark.parametrize(
    ("value", "says", "way"),
    [
        ("0.0123", "+1.2%", "up"),
        ("-0.0123", "−1.2%", "down"),
        ("0.0001", "0.0%", "flat"),
        ("-0.0001", "0.0%", "flat"),
        (None, "–", "flat"),
    ],
)
def test_a_move_that_isnt_told_has_no_colour(value: str | None, says: str, way: str) -> None:
    change_of = None if value is None else Decimal(value)
    assert (page.move(change_of), page.way(change_of)) == (says, way)


def test_each_mart_is_previewed_in_the_ui(warehouse: DuckDBWarehouse) -> None:
    with warehouse.read_connection() as query:
        for name, preview in PREVIEWS.items():
            shown = preview(query)
            assert isinstance(shown, dg.TableMetadataValue), name
            assert shown.records


def test_the_asset_reads_what_the_page_names_and_nothing_else(tmp_path: Path) -> None:
    assert_asset_reads(queries, "crypto", tmp_path)


def test_what_is_asked_is_sql_of_snowflake_too() -> None:
    assert_is_sql_of_snowflake(queries, 13)


def test_postgres_serves_prices_and_the_board_as_of_the_build(
    warehouse: DuckDBWarehouse, built: Settings, database: Database
) -> None:
    declared = load("crypto").serving
    assert declared
    tables = served_tables("crypto", declared, model_schemas(factory.dbt(built).manifest()))
    serving = Serving(database.url, "reader_of_coins", 20)
    serving.publish("crypto", tables, warehouse, DAYS.days)
    assert {one.table for one in tables} == {
        *("dim_coins", "coin_prices_1h", "coin_prices_1d", "coin_risk_1d"),
        *("market_share_1d", "live_coin_board"),
    }
    for one in tables:
        query = f"select {', '.join(one.model.types)} from {one.model.layer}.{one.table}"
        found = database.rows("set time zone 'UTC'", query)
        held = ask(warehouse, query)
        assert held, one.table
        assert in_any_order(found) == in_any_order(held), one.table
    # It is of that moment: what is staged since waits for the next build.
    change(warehouse, "update staging.coin_snapshots set coin_name = 'another'")
    names = {name for (name,) in database.rows("select coin_name from live.live_coin_board")}
    assert "another" not in names
    serving.publish("crypto", tables, warehouse, [])
    assert {name for (name,) in database.rows("select coin_name from live.live_coin_board")} == {
        "another"
    }


def in_any_order(rows: list[tuple[Any, ...]]) -> list[str]:
    def naive(value: Any) -> Any:
        return value.replace(tzinfo=None) if isinstance(value, datetime) else value

    return sorted(repr(tuple(map(naive, row))) for row in rows)


def test_its_card_in_the_index_says_what_the_page_does(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    assert_card_says_what_the_page_does(
        card.CARD,
        warehouse,
        newest=contents.polled_at,
        coins=f"{contents.coins:,}",
        the_market=card.large(contents.market.market_cap),
        largest_coin=f"{contents.courses[0].coin.price:,.2f}",
    )
    assert_is_sql_of_snowflake(card, 4)
