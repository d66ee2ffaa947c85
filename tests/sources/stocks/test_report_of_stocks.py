"""The page of stocks says what core holds, and what it lacks."""

import re
import shutil
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
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
from staged import build_layers
from test_core_of_stocks import filled

from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import NothingHeld, NothingPublished
from predictit_assets.layers import report
from predictit_assets.settings import Settings
from predictit_assets.sources.stocks.products import card
from predictit_assets.sources.stocks.products.previews import PREVIEWS
from predictit_assets.sources.stocks.products.report import charts, page, queries
from predictit_assets.storage.duckdb import DuckDBWarehouse

DAYS = DayRange(date(2024, 2, 12), date(2024, 2, 23))
"""Nine sessions: the 19th is a holiday."""
UNHELD = {date(2024, 2, 14), date(2024, 2, 15)}
SESSIONS = [day for day in DAYS.days if day.weekday() < 5 and day != date(2024, 2, 19)]
LAST = DAYS.last
LIBRARIES = "/* what draws the charts */"
SCRIPT = "<script>alert('stocks')</script><!--"
CLOSES = {
    "SPY": ("500", "506"),
    "FOUR": ("400", "106.5"),
    "TWO": ("50", "20"),
    "UP": ("10", "11.1"),
    "DOWN": ("20", "16"),
    "FLAT": ("30", "30"),
    "PENNY": ("0.5", "0.9"),
    "IDLE": ("10", "19"),
    "NEW": (None, "7"),
}
"""Of each ticker on all sessions but the last, and on the last."""


def rows_of(day: date) -> Iterator[dict[str, Any]]:
    """The bars of a session."""
    for position, (ticker, (before, last)) in enumerate(CLOSES.items()):
        said = last if day == LAST else before
        if said is None:
            continue
        close = Decimal(said)
        yield {
            "partition_date": day,
            "captured_at": datetime.combine(day, datetime.min.time()) + timedelta(days=1, hours=1),
            "part": "",
            "position": position,
            "ticker": ticker,
            "open": close,
            "high": close,
            "low": close,
            "close": close,
            "volume": Decimal(10 if ticker == "IDLE" else 2_000_000),
            "vwap": None,
            "transactions": None,
            "is_otc": ticker == "IDLE",
        }


def answer(day: date, rows: int) -> dict[str, Any]:
    """A list or splits of a day, in one page."""
    at = datetime.combine(day, datetime.min.time()) + timedelta(days=1, hours=2)
    head = {"partition_date": day, "captured_at": at, "part": "p0", "page": 0}
    return head | {"is_last": True, "answer_kind": "rows", "row_count": rows}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Seven of nine sessions with two splits, lists of each. Not to be changed."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in (
            *("stock_days", "stock_open_close", "stock_tickers", "stock_list_answers"),
            *("stock_splits", "stock_split_answers"),
        )
    }
    for day in SESSIONS:
        if day not in UNHELD:
            rows["stock_days"] += rows_of(day)
        # GONE is listed on the first day alone, UP later than the others; nobody lists IDLE.
        listed = [one for one in CLOSES if one not in {"IDLE", "UP"}]
        listed += ["GONE"] if day == DAYS.first else []
        listed += ["UP"] if day >= date(2024, 2, 20) else []
        told = answer(day, len(listed))
        rows["stock_list_answers"].append(told)
        for position, ticker in enumerate(listed):
            rows["stock_tickers"].append(
                {name: told[name] for name in ("partition_date", "captured_at", "part", "page")}
                | dict.fromkeys(
                    (
                        *("currency_symbol", "base_currency_name", "base_currency_symbol", "cik"),
                        *("composite_figi", "share_class_figi", "last_updated_at", "delisted_at"),
                    )
                )
                | {"position": position, "ticker": ticker, "name": f"{ticker} Inc.", "type": "CS"}
                | {"market": "stocks", "locale": "us", "primary_exchange": "XNYS"}
                | {"is_active": True, "currency_name": "usd"}
            )
    ratios = [("FOUR", "1", "4"), ("TWO", "1", "2"), ("TWO", "1", "3")]
    told = answer(LAST, len(ratios))
    rows["stock_split_answers"].append(told)
    for position, (ticker, before, after) in enumerate(ratios):
        rows["stock_splits"].append(
            {name: told[name] for name in ("partition_date", "captured_at", "part", "page")}
            | {"position": position, "split_id": f"E{position}", "ticker": ticker}
            | {"execution_date": LAST, "split_from": Decimal(before), "split_to": Decimal(after)}
        )
    settings = filled(tmp_path_factory.mktemp("stocks") / "home", rows)
    build_layers(settings, "stocks", ["core"], DAYS)
    return settings


@pytest.fixture
def warehouse(built: Settings, tmp_path: Path) -> DuckDBWarehouse:
    """A copy of the built warehouse, to be changed at will."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copyfile(built.duckdb_file, copy)
    return DuckDBWarehouse(copy, lock_timeout=20)


def rendered(warehouse: DuckDBWarehouse) -> str:
    return page.page(queries.read(warehouse, "SPY"), LIBRARIES).decode()


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
    assert "made up" not in markup(text)
    assert rendered(warehouse) == text
    drawn = {f"close_{n}" for n in range(queries.LARGEST + 1)}
    assert set(re.findall(r'id="spec-(\w+)"', text)) == {"tickers", "spread", *drawn}
    change(warehouse, f"update core.dim_tickers set name = '{card.MADE_UP}' where ticker = 'SPY'")
    assert "These prices are made up." in rendered(warehouse)


def test_moves_leave_out_what_a_split_does(warehouse: DuckDBWarehouse) -> None:
    moves = section(rendered(warehouse), "moves")
    assert [(row[0].split()[0], row[1], row[3]) for row in cells(moves)] == [
        ("Stock", "Close", "Move"),
        ("UP", "11.10", "+11.0%"),
        ("FOUR", "106.50", "+6.5%"),
        ("SPY", "506.00", "+1.2%"),
        ("Stock", "Close", "Move"),
        ("DOWN", "16.00", "−20.0%"),
    ]
    assert "split that day" in moves
    contents = queries.read(warehouse, "SPY")
    # What is no large move for its price or volume moves too; TWO may be split either way.
    assert contents.spread == {-11: 1, 0: 1, 2: 1, 7: 1, 11: 3}
    told = {row["told"]: row["tickers"] for row in data_of(charts.spread(contents))}
    assert {words: tickers for words, tickers in told.items() if tickers} == {
        "down 10% and more": 1,
        "no move": 1,
        "up 1 to 2%": 1,
        "up 6 to 7%": 1,
        "up 10% and more": 3,
    }
    assert "5 tickers rose, 1 fell, 1 did neither" in moves


def test_closes_are_in_shares_of_the_newest_session(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse, "DOWN")
    assert [one.ticker for one in contents.courses] == ["DOWN", "SPY", "FOUR", "FLAT", "TWO", "UP"]
    four = contents.courses[2]
    rows = data_of(charts.closes(four, contents, "close"))
    assert [row.get("close") for row in rows] == [100, 100, None, None, 100, 100, 100, 100, 106.5]
    two = dict(contents.courses[4].closes)
    assert two[SESSIONS[0]] == 50

    assert "DOWN, which others are compared with" in section(
        page.page(contents, LIBRARIES).decode(), "closes"
    )
    other = queries.read(warehouse, "NOBODY")
    assert [one.is_benchmark for one in other.courses] == [False] * 6
    text = page.page(other, LIBRARIES).decode()
    assert "NOBODY, the benchmark, has no price" in section(text, "closes")


def test_what_the_feed_lacks_is_told(warehouse: DuckDBWarehouse) -> None:
    text = rendered(warehouse)
    tiles = dict(re.findall(r'<dt title="[^"]*">([^<]+)</dt><dd>([^<]+)<', markup(text)))
    assert tiles == {
        "Sessions": "7",
        "Tickers": "9",
        "Newest session": "23 Feb 2024",
        "Missing sessions": "2",
    }
    feed = section(text, "feed")
    assert cells(feed)[1] == ["14 Feb 2024", "15 Feb 2024", "2"]
    assert "1 was never on a list" in feed
    table = [row for row in cells(feed) if len(row) == 7][1:]
    assert [row[1] for row in table] == ["9", "8", "8", "8", "8", "–", "–", "8", "8"]
    held = [row["date"] for row in data_of(charts.tickers(queries.read(warehouse, "SPY")))]
    assert held == [str(day) for day in SESSIONS if day not in UNHELD]

    # A session after the newest prices is missing once an answer about another thing is newer.
    change(warehouse, "update core.fact_stock_splits set captured_at = '2024-02-28 02:00:00'")
    assert cells(section(rendered(warehouse), "feed"))[1] == ["26 Feb 2024", "27 Feb 2024", "2"]


def test_splits_and_listings_are_those_of_core(warehouse: DuckDBWarehouse) -> None:
    text = rendered(warehouse)
    assert cells(section(text, "splits"))[1:] == [
        ["FOUR FOUR Inc.", "23 Feb 2024", "4 for 1"],
        ["TWO TWO Inc.", "23 Feb 2024", "2 for 1 one of several"],
    ]
    listings = section(text, "listings")
    ((active,),) = ask(warehouse, "select count_if(is_active) from core.dim_tickers")
    assert f"{active} tickers are listed" in listings
    assert [row for row in cells(listings) if row[0] != "Stock"] == [
        ["UP UP Inc.", "CS", "XNYS", "20 Feb 2024"],
        ["GONE GONE Inc.", "CS", "XNYS", "12 Feb 2024"],
    ]


def test_texts_of_the_api_are_texts(warehouse: DuckDBWarehouse) -> None:
    change(
        warehouse,
        f"update core.dim_tickers set name = $$\u202e{SCRIPT}$$, type = $${SCRIPT}$$",
        f"update core.fact_stock_days set ticker = $${SCRIPT}$$ where ticker = 'DOWN'",
        f"update core.dim_tickers set ticker = $${SCRIPT}$$ where ticker = 'DOWN'",
    )
    text = page.page(queries.read(warehouse, SCRIPT), LIBRARIES).decode()
    assert faults(text.encode()) == []
    assert SCRIPT not in text
    assert "\u202e" not in text
    for place in ("closes", "moves", "splits", "listings"):
        assert "&lt;script&gt;alert(" in section(text, place)


def test_what_isnt_there_is_told(warehouse: DuckDBWarehouse, tmp_path: Path) -> None:
    change(
        warehouse,
        "delete from core.fact_stock_days where partition_date <> '2024-02-20'",
        "delete from core.fact_stock_splits",
        "delete from core.ticker_listings",
        "delete from core.dim_tickers",
    )
    text = rendered(warehouse)
    assert faults(text.encode()) == []
    for words in (
        "The prices of the session before 20 Feb 2024 aren't held",
        "None was told",
        "No list of tickers is held",
        "Without a list nothing says",
        "None: each session since 20 Feb 2024 has prices",
    ):
        assert words in text
    change(warehouse, "delete from core.fact_stock_days")
    with pytest.raises(NothingHeld, match="predictit fetch stocks"):
        rendered(warehouse)
    with pytest.raises(NothingPublished):
        rendered(DuckDBWarehouse(tmp_path / "none.duckdb", lock_timeout=1))


@pytest.mark.parametrize(
    ("value", "says", "way"),
    [
        ("0.0123", "+1.2%", "up"),
        ("-0.0123", "−1.2%", "down"),
        ("-0.0001", "0.0%", "flat"),
    ],
)
def test_a_move_that_isnt_told_has_no_colour(value: str, says: str, way: str) -> None:
    assert (page.move(Decimal(value)), page.way(Decimal(value))) == (says, way)


def test_the_prices_are_previewed_in_the_ui(warehouse: DuckDBWarehouse) -> None:
    with warehouse.read_connection() as query:
        for name, preview in PREVIEWS.items():
            shown = preview(query)
            assert isinstance(shown, dg.TableMetadataValue), name
            assert shown.records


def test_the_asset_reads_what_the_page_names_and_nothing_else(tmp_path: Path) -> None:
    assert_asset_reads(queries, "stocks", tmp_path)


def test_what_is_asked_is_sql_of_snowflake_too() -> None:
    assert_is_sql_of_snowflake(queries, 13)


def test_its_card_in_the_index_says_what_the_page_does(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse, "SPY")
    assert_card_says_what_the_page_does(
        card.CARD,
        warehouse,
        newest=contents.newest,
        sessions=str(contents.held),
        stocks=str(contents.session.tickers),
        splits=str(len(contents.splits)),
    )
