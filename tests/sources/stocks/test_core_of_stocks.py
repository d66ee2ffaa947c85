"""Core of stocks, by made-up staged rows and an oracle that knows no SQL: all rows and columns."""

import csv
import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import stocks_oracle as oracle
from pages import ask, assert_card_says_what_the_page_does, assert_is_sql_of_snowflake
from staged import assert_same, build_layers, home_of, stage, table

from predictit_assets.build import build_definitions
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.source import all_tables
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.settings import Settings
from predictit_assets.sources import load
from predictit_assets.sources.stocks.products import card
from predictit_assets.storage.duckdb import DuckDBWarehouse

Row = dict[str, Any]
DAYS = DayRange(date(2024, 1, 2), date(2024, 3, 15))
TABLES = (
    "dim_exchange_days",
    "fact_stock_days",
    "fact_stock_splits",
    "stock_answer_days",
    "ticker_listings",
    "dim_tickers_history",
    "dim_tickers",
)
SCHEMAS: dict[str, Schema] = {
    name: schema
    for dataset in load("stocks").datasets
    for name, schema in all_tables(dataset).items()
}
with (DBT_DIR / "seeds/stocks/core/exchange_closures.csv").open(newline="") as file:
    CLOSURES = list(csv.DictReader(file))


def cents(dice: random.Random, low: int, high: int) -> Decimal:
    return Decimal(dice.randint(low, high)) / 100


def bars(dice: random.Random, day: date) -> list[Row]:
    """Answers about a session: revised, cut, with twins of one ticker and twins by case."""
    made = []
    for asking in range(dice.randint(1, 4)):
        at = datetime.combine(day, datetime.min.time()) + timedelta(days=1 + asking, hours=1)
        names = ["KIMpL", "KIMPL", "AAA", "BBB", "CCC", "DDD", "EEE", "SPY"]
        # Half of the largest is enough, less isn't.
        names = dice.sample(names, dice.choice([2, 3, 4, 7, 8]))
        names += dice.sample(names, dice.choice([0, 0, 2]))
        for position, name in enumerate(names):
            low = cents(dice, 100, 20000)
            made.append(
                {
                    "partition_date": day,
                    "captured_at": at,
                    "part": "",
                    "position": position,
                    "ticker": name,
                    "open": low + cents(dice, 0, 100),
                    "high": low + cents(dice, 100, 200),
                    "low": low,
                    "close": low + cents(dice, 0, 100),
                    "volume": Decimal(dice.randint(1, 4)) * Decimal("1000.5"),
                    "vwap": dice.choice([None, low]),
                    "transactions": dice.choice([None, 7]),
                    "is_otc": dice.random() < 0.1,
                }
            )
    return made


def pages(dice: random.Random, day: date) -> list[Row]:
    """Answers in pages: asked again from the first, cut, with a page missing, without an end."""
    made = []
    for asking in range(dice.randint(1, 3)):
        at = datetime.combine(day, datetime.min.time()) + timedelta(days=1 + asking, hours=2)
        count = dice.randint(1, 3)
        held = dice.choice([count, count, count, dice.randint(1, count)])
        skipped = dice.choice([None, None, None, None, dice.randrange(count)])
        made += [
            {
                "partition_date": day,
                "captured_at": at + timedelta(seconds=12 * page),
                "part": f"p{page}",
                "page": page,
                "is_last": page == count - 1,
            }
            for page in range(held)
            if page != skipped
        ]
    return made


def answer(page: Row, rows: int) -> Row:
    return page | {"answer_kind": "rows" if rows else "empty", "row_count": rows}


def splits(dice: random.Random, page: Row) -> list[Row]:
    """Splits of a page: none, told twice, with one ratio or two."""
    made = []
    for position in range(dice.choice([0, 1, 3, 4])):
        before, after = dice.choice(
            [("1", "4"), ("10", "1"), ("0.1", "0.4"), ("0.1", "0.3"), ("1", "3")]
        )
        made.append(
            {name: page[name] for name in ("partition_date", "captured_at", "part", "page")}
            | {
                "position": position,
                "split_id": f"E{dice.randrange(99)}",
                "ticker": dice.choice(["AAA", "BBB", "CCC"]),
                "execution_date": page["partition_date"],
                "split_from": Decimal(before),
                "split_to": Decimal(after),
            }
        )
    return made


def listed(dice: random.Random, page: Row, night: float) -> list[Row]:
    """Tickers of a page: renamed, told twice, absent for a night or for good."""
    made: list[Row] = []
    for number in range(40):
        if number % 3 != page["page"] % 3 or dice.random() < night:
            continue
        gone = number >= 36 and page["partition_date"] > date(2024, 2, 20)
        for _ in range(0 if gone else dice.choice([1, 1, 1, 1, 2])):
            made.append(
                {name: page[name] for name in ("partition_date", "captured_at", "part", "page")}
                | {
                    "position": len(made),
                    "ticker": f"T{number}",
                    "name": dice.choice([f"Name {number}"] * 9 + [f" Other \t {number} "]),
                    "market": "stocks",
                    "locale": "us",
                    "type": dice.choice(["CS"] * 9 + [None]),
                    "primary_exchange": "XNYS",
                    "is_active": True,
                    "currency_name": "usd",
                    "currency_symbol": None,
                    "base_currency_name": None,
                    "base_currency_symbol": None,
                    "cik": dice.choice([None, "1", "2"]) if number < 4 else "3",
                    "composite_figi": None,
                    "share_class_figi": "BBG",
                    "last_updated_at": dice.choice(
                        [None, datetime(2024, 1, 1), page["captured_at"]]
                    ),
                    "delisted_at": None,
                }
            )
    return made


@pytest.fixture(scope="module")
def staged() -> dict[str, list[Row]]:
    """A made-up winter."""
    dice = random.Random(2024)  # noqa: S311
    rows: dict[str, list[Row]] = {name: [] for name in SCHEMAS if "rejected" not in name}
    sessions = [day["exchange_date"] for day in oracle.exchange_days(CLOSURES) if day["is_session"]]
    for day in sessions:
        if day not in DAYS or dice.random() < 0.1:
            continue
        rows["stock_days"] += bars(dice, day)
        for page in pages(dice, day):
            found = splits(dice, page)
            rows["stock_splits"] += found
            rows["stock_split_answers"].append(answer(page, len(found)))
        shrunk = dice.choice([0, 0.02, 0.02, 0.05, 0.3])
        for page in pages(dice, day):
            found = listed(dice, page, shrunk)
            rows["stock_tickers"] += found
            rows["stock_list_answers"].append(answer(page, len(found)))
    return rows


def filled(home: Path, rows: dict[str, list[Row]]) -> Settings:
    settings = home_of(home, "stocks")
    stage(settings, SCHEMAS, rows)
    return settings


@pytest.fixture(scope="module")
def built(staged: dict[str, list[Row]], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Core of that winter, in one build. Not to be changed."""
    settings = filled(tmp_path_factory.mktemp("stocks") / "home", staged)
    build_layers(settings, "stocks", ["core"], DAYS)
    return settings


def test_core_is_what_its_definition_says(built: Settings, staged: dict[str, list[Row]]) -> None:
    lists = oracle.listings(staged["stock_tickers"], staged["stock_list_answers"])
    expected = {
        "dim_exchange_days": oracle.exchange_days(CLOSURES),
        "fact_stock_days": oracle.stock_days(staged["stock_days"]),
        "fact_stock_splits": oracle.splits(staged["stock_splits"], staged["stock_split_answers"]),
        "stock_answer_days": oracle.answer_days(
            staged["stock_days"], staged["stock_split_answers"] + staged["stock_list_answers"]
        ),
        "ticker_listings": lists,
        "dim_tickers_history": oracle.tickers_history(lists),
        "dim_tickers": oracle.tickers(lists),
    }
    assert set(expected) == set(TABLES)
    for name, rows in expected.items():
        assert_same(table(built, f"core.{name}"), rows)


def test_the_made_up_winter_holds_what_the_rules_are_for(
    built: Settings, staged: dict[str, list[Row]]
) -> None:
    """An oracle that never sees a case proves nothing of it."""
    kept = table(built, "core.fact_stock_days")
    assert any(row["twins"] for row in kept)
    newest: dict[date, datetime] = {}
    for row in staged["stock_days"]:
        day = row["partition_date"]
        newest[day] = max(row["captured_at"], newest.get(day, row["captured_at"]))
    passed_over = {
        row["partition_date"] for row in kept if row["captured_at"] < newest[row["partition_date"]]
    }
    assert passed_over
    assert {row["is_ambiguous"] for row in table(built, "core.fact_stock_splits")} == {True, False}
    lists = table(built, "core.ticker_listings")
    days = {row["partition_date"] for row in lists}
    asked = {row["partition_date"] for row in staged["stock_list_answers"]}
    assert 0 < len(oracle.usable_days(lists)) < len(days) < len(asked)
    now = table(built, "core.dim_tickers")
    assert {row["is_active"] for row in now} == {True, False}
    assert len(table(built, "core.dim_tickers_history")) > len(now)


def test_days_in_any_order_make_the_same_core(
    built: Settings, staged: dict[str, list[Row]], tmp_path: Path
) -> None:
    settings = filled(tmp_path / "home", staged)
    middle = [date(2024, 1, 20), date(2024, 2, 18)]
    windows = [
        DayRange(middle[1], DAYS.last),
        DayRange(DAYS.first, middle[0]),
        DayRange(middle[0] - timedelta(days=3), middle[1] + timedelta(days=3)),
    ]
    for window in windows:
        build_layers(settings, "stocks", ["core"], window)
    for name in TABLES:
        assert table(settings, f"core.{name}") == table(built, f"core.{name}"), name


@pytest.mark.parametrize("wanted", [False, True])
def test_single_prices_have_a_fact_while_they_are_asked_for(
    wanted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTIT_STOCKS_OPEN_CLOSE", str(wanted).lower())
    settings = Settings(home=tmp_path / "home", sources=("stocks", "congress"))
    keys = {
        spec.key.to_user_string() for spec in build_definitions(settings).resolve_all_asset_specs()
    }
    assert ("core/stocks/fact_open_close" in keys) == wanted


def test_the_card_in_the_index_counts_sessions_stocks_and_splits(built: Settings) -> None:
    warehouse = DuckDBWarehouse(built.duckdb_file, lock_timeout=20)
    days = ask(warehouse, "select partition_date, ticker, captured_at from core.fact_stock_days")
    last = max(day for day, _, _ in days)
    ((splits,),) = ask(warehouse, "select count(*) from core.fact_stock_splits")
    assert_card_says_what_the_page_does(
        card.CARD,
        warehouse,
        newest=max(at for _, _, at in days),
        sessions=str(len({day for day, _, _ in days})),
        stocks=str(len({ticker for day, ticker, _ in days if day == last})),
        splits=str(splits),
    )
    assert_is_sql_of_snowflake(card, 4)
