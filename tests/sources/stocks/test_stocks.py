"""Stocks: from Polygon's answers over a real socket to staged rows, worked out by hand."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pyarrow
import pytest
import requests
from asking import ask_again, held, silent
from deaths import Killed, dying
from hypothesis import given
from hypothesis import strategies as st

from predictit_assets import factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.arrival import ANSWERED, FAILED, NOTHING, REFUSED, ByDay
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.contract.source import Dataset
from predictit_assets.errors import FetchError, SettingsError
from predictit_assets.fetch import client as fetch_client
from predictit_assets.fetch.client import KeyRefused
from predictit_assets.fetch.days import is_due
from predictit_assets.instance.runs import run_build
from predictit_assets.layers.intake import Intake
from predictit_assets.sample.clock import SettableClock
from predictit_assets.sample.http import Answer
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources import enabled as enabled_sources
from predictit_assets.sources.stocks import ask, sessions
from predictit_assets.sources.stocks.api import number
from predictit_assets.sources.stocks.fake import FakeStocks, traps
from predictit_assets.sources.stocks.fake.companies import COMPANIES
from predictit_assets.sources.stocks.fake.polygon import PAGE_SIZE
from predictit_assets.sources.stocks.pending import due_pairs
from predictit_assets.sources.stocks.rows import part_of, read_open_close, ticker_of
from predictit_assets.sources.stocks.settings import StocksSettings
from predictit_assets.status import status
from predictit_assets.storage.asked import Asked
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore
from predictit_assets.storage.stream import Stream

STOCKS = load("stocks")
BARS, SPLITS, LISTS = (STOCKS.dataset(one) for one in ("daily_bars", "splits", "ticker_lists"))
KEY = "s3cret/with+odd=chars"
LATER = datetime(2024, 3, 31, 12, tzinfo=UTC)
DAY = date(2024, 2, 8)
AT = datetime(2024, 2, 9, 1, 35, 0, 5, tzinfo=UTC)
LISTED = sum(not one.is_otc for one in COMPANIES)

BAR = (
    '{"T":"KIMpL","o":26.07,"h":26.25,"l":25.91,"c":25.9102005,"v":1.12117471e+08,'
    '"vw":26.0400015,"n":74,"t":1602705600000,"otc":true}'
)
BAR_ROW = {
    "partition_date": DAY,
    "captured_at": datetime(2024, 2, 9, 1, 35, 0, 5),
    "part": "",
    "position": 0,
    "ticker": "KIMpL",
    "open": Decimal("26.070000"),
    "high": Decimal("26.250000"),
    "low": Decimal("25.910000"),
    # A half goes to the even neighbour.
    "close": Decimal("25.910200"),
    "volume": Decimal("112117471.0000"),
    "vwap": Decimal("26.040002"),
    "transactions": 74,
    "is_otc": True,
}
TICKER: dict[str, Any] = {
    "ticker": "EXPpL",
    "name": "Example \0Partners",
    "market": "stocks",
    "locale": "us",
    "primary_exchange": "XNYS",
    "type": "PFD",
    "active": True,
    "currency_name": "usd",
    "currency_symbol": "USD",
    "base_currency_name": "dollar",
    "base_currency_symbol": "$",
    "cik": "0009999999",
    "composite_figi": "BBG000000001",
    "share_class_figi": "BBG000000002",
    "last_updated_utc": "2024-02-08T01:30:00.5+02:00",
    "delisted_utc": "2024-02-07",
}
TICKER_ROW = {
    "partition_date": DAY,
    "captured_at": datetime(2024, 2, 9, 1, 35, 0, 5),
    "part": "p2",
    "page": 2,
    "position": 0,
    "ticker": "EXPpL",
    "name": "Example Partners",
    "market": "stocks",
    "locale": "us",
    "type": "PFD",
    "primary_exchange": "XNYS",
    "is_active": True,
    "currency_name": "usd",
    "currency_symbol": "USD",
    "base_currency_name": "dollar",
    "base_currency_symbol": "$",
    "cik": "0009999999",
    "composite_figi": "BBG000000001",
    "share_class_figi": "BBG000000002",
    "last_updated_at": datetime(2024, 2, 7, 23, 30, 0, 500_000),
    "delisted_at": datetime(2024, 2, 7),
}
SPLIT: dict[str, Any] = {
    "id": "E36",
    "ticker": "EXPL",
    "execution_date": "2024-02-08",
    "split_from": 1,
    "split_to": 1.0167815,
}
SPLIT_ROW = {
    "partition_date": DAY,
    "captured_at": datetime(2024, 2, 9, 1, 35, 0, 5),
    "part": "p2",
    "page": 2,
    "position": 0,
    "split_id": "E36",
    "ticker": "EXPL",
    "execution_date": DAY,
    "split_from": Decimal("1.000000"),
    "split_to": Decimal("1.016782"),
}
OPEN_CLOSE: dict[str, Any] = {
    "status": "OK",
    "from": "2024-02-08",
    "symbol": "KIMpL",
    "open": 41.2,
    "high": 42.05,
    "low": 40.9,
    "close": 41.75,
    "volume": 512340,
    "afterHours": 41.7,
    "preMarket": 41.1,
    "otc": True,
}
OPEN_CLOSE_ROW = {
    "partition_date": DAY,
    "captured_at": datetime(2024, 2, 9, 1, 35, 0, 5),
    "part": "KIM~pL",
    "ticker": "KIMpL",
    "status": "OK",
    "open": Decimal("41.200000"),
    "high": Decimal("42.050000"),
    "low": Decimal("40.900000"),
    "close": Decimal("41.750000"),
    "after_hours": Decimal("41.700000"),
    "pre_market": Decimal("41.100000"),
    "volume": Decimal("512340.0000"),
    "is_otc": True,
    "is_missing": False,
}
NOT_FOUND = {"status": "NOT_FOUND", "request_id": "1", "message": "Data not found."}


def payload(body: Any, part: str = "", at: datetime = AT) -> Payload:
    return Payload(DAY, at, body if isinstance(body, bytes) else json.dumps(body).encode(), part)


def results(*records: str | dict[str, Any], **envelope: Any) -> bytes:
    """An envelope with records, those given as text as they are."""
    texts = [one if isinstance(one, str) else json.dumps(one) for one in records]
    head = json.dumps({"status": "OK", "request_id": "1", **envelope})
    return f'{head[:-1]},"results":[{",".join(texts)}]}}'.encode()


def rows_of(dataset: Dataset, *payloads: Payload) -> dict[str, list[dict[str, Any]]]:
    return {table: batch.to_pylist() for table, batch in dataset.rows(payloads).items()}


def changed(record: dict[str, Any], key: str, *value: Any) -> dict[str, Any]:
    """A record without a key, or with another value of it."""
    rest = {name: one for name, one in record.items() if name != key}
    return rest | {key: value[0]} if value else rest


def bar_with(key: str, *text: str) -> str:
    """The bar without a key, or with another text as its value."""
    record = json.loads(BAR, parse_float=str, parse_int=str)
    told = {name: BAR.partition(f'"{name}":')[2].partition(",")[0].strip("}") for name in record}
    told.pop(key, None)
    if text:
        told[key] = text[0]
    return "{" + ",".join(f'"{name}":{value}' for name, value in told.items()) + "}"


# Rows


def test_every_column_of_a_bar_is_as_worked_out_by_hand() -> None:
    rows = rows_of(BARS, payload(results(BAR)))
    assert rows["stock_days"] == [BAR_ROW]
    assert list(rows["stock_days"][0]) == list(BAR_ROW)
    assert rows["rejected_stock_days"] == []


def test_every_column_of_a_ticker_is_as_worked_out_by_hand() -> None:
    rows = rows_of(LISTS, payload(results(TICKER, count=1), "p2"))
    assert rows["stock_tickers"] == [TICKER_ROW]
    assert list(rows["stock_tickers"][0]) == list(TICKER_ROW)
    assert rows["rejected_stock_tickers"] == []


def test_every_column_of_a_split_is_as_worked_out_by_hand() -> None:
    rows = rows_of(SPLITS, payload(results(SPLIT), "p2"))
    assert rows["stock_splits"] == [SPLIT_ROW]
    assert list(rows["stock_splits"][0]) == list(SPLIT_ROW)
    assert rows["rejected_stock_splits"] == []


def test_every_column_of_an_open_close_answer_is_as_worked_out_by_hand() -> None:
    row, new = read_open_close(payload(OPEN_CLOSE | {"halted": 1}, "KIM~pL"))
    assert row == OPEN_CLOSE_ROW
    assert list(row) == list(OPEN_CLOSE_ROW)
    assert new == ["$.halted"]
    missing, _ = read_open_close(payload(NOT_FOUND, "KIM~pL"))
    told = {name: value for name, value in missing.items() if value is not None}
    assert told == {
        **{name: OPEN_CLOSE_ROW[name] for name in ("partition_date", "captured_at", "part")},
        **{"ticker": "KIMpL", "is_missing": True},
    }


def test_what_may_be_missing_is_null() -> None:
    bars = [bar_with("vw"), bar_with("n"), bar_with("vw", "null"), bar_with("otc")]
    rows = rows_of(BARS, payload(results(*bars)))["stock_days"]
    assert [row["vwap"] is None for row in rows] == [True, False, True, False]
    assert [row["transactions"] for row in rows] == [74, None, 74, 74]
    assert [row["is_otc"] for row in rows] == [True, True, True, False]
    least = {key: TICKER[key] for key in ("ticker", "name", "market", "locale")}
    nulls = dict.fromkeys(TICKER) | least
    for row in rows_of(LISTS, payload(results(least, nulls), "p2"))["stock_tickers"]:
        told = {name for name, value in row.items() if value is not None}
        assert told == {*least, "partition_date", "captured_at", "part", "page", "position"}
    optional = {key: OPEN_CLOSE[key] for key in OPEN_CLOSE.keys() - {"afterHours", "preMarket"}}
    row, _ = read_open_close(payload(optional | {"otc": None}, "KIM~pL"))
    assert (row["after_hours"], row["pre_market"], row["is_otc"]) == (None, None, False)


@pytest.mark.parametrize(
    ("bar", "path"),
    [
        *((bar_with(key), "$.results[1]") for key in ("T", "o", "h", "l", "c", "v", "t")),
        *((bar_with(key, '"1"'), f"$.results[1].{key}") for key in "ohlcvt"),
        *((bar_with(key, "null"), f"$.results[1].{key}") for key in "ohlcvt"),
        *((bar_with(key, "-1"), f"$.results[1].{key}") for key in "ohlcv"),
        (bar_with("vw", "-0.5"), "$.results[1].vw"),
        (bar_with("n", "1.5"), "$.results[1].n"),
        (bar_with("n", "true"), "$.results[1].n"),
        (bar_with("n", "9223372036854775808"), "$.results[1].n"),
        (bar_with("otc", "1"), "$.results[1].otc"),
        (bar_with("h", "25.90"), "$.results[1].h"),
        (bar_with("h", "1e12"), "$.results[1].h"),
        (bar_with("h", "999999999999.9999995"), "$.results[1].h"),
        (bar_with("v", "1e16"), "$.results[1].v"),
        (bar_with("v", "1e9999"), "$.results[1].v"),
        (bar_with("v", "1" * 200), "$.results[1].v"),
        (bar_with("o", "[1]"), "$.results[1].o"),
        (bar_with("T", '""'), "$.results[1].T"),
        (bar_with("T", "1"), "$.results[1].T"),
        (bar_with("T", r'"A\u0001"'), "$.results[1].T"),
        (bar_with("T", '"A\x01"'), "$.results[1].T"),
        (bar_with("T", '"A\x7f"'), "$.results[1].T"),
        (bar_with("T", r'"A\ud800"'), "$.results[1]"),
        ('"a text"', "$.results[1]"),
        ("null", "$.results[1]"),
    ],
)
def test_a_bad_bar_costs_a_bar(bar: str, path: str) -> None:
    answer = payload(results(BAR, bar, BAR, resultsCount=3))
    rows = rows_of(BARS, answer)
    assert rows["stock_days"] == [BAR_ROW, BAR_ROW | {"position": 2}]
    (bad,) = rows["rejected_stock_days"]
    assert (bad["position"], bad["path"]) == (1, path)
    assert bad["reason"]
    assert bad["content"]
    validation = BARS.validate(answer)
    assert (validation.counts, validation.rejected) == ({"bars": 2}, 1)


def test_bytes_that_are_no_text_cost_a_record() -> None:
    body = results(BAR, BAR).replace(b"KIMpL", b"KIM\xff", 1)
    rows = rows_of(BARS, payload(body))
    assert rows["stock_days"] == [BAR_ROW | {"position": 1}]
    assert len(rows["rejected_stock_days"]) == 1


def test_whole_characters_survive_beside_half_ones() -> None:
    names = [r"\ud83d\ude00", r"\\ud83d", r"\ud83d", "\N{GRINNING FACE}\x01"]
    tickers = [json.dumps(TICKER).replace("Example \\u0000Partners", name) for name in names]
    rows = rows_of(LISTS, payload(results(*tickers), "p0"))
    found = {row["position"]: row["name"] for row in rows["stock_tickers"]}
    assert found == {0: "\N{GRINNING FACE}", 1: r"\ud83d", 3: "\N{GRINNING FACE}\x01"}
    assert [row["position"] for row in rows["rejected_stock_tickers"]] == [2]


@pytest.mark.parametrize(
    ("record", "path"),
    [
        *((changed(TICKER, key), "") for key in ("ticker", "name", "market", "locale")),
        (changed(TICKER, "ticker", ""), ".ticker"),
        (changed(TICKER, "ticker", "A\n"), ".ticker"),
        (changed(TICKER, "name", None), ".name"),
        (changed(TICKER, "active", "true"), ".active"),
        (changed(TICKER, "cik", 9999999), ".cik"),
        (changed(TICKER, "last_updated_utc", "soon"), ".last_updated_utc"),
        (changed(TICKER, "last_updated_utc", 1602705600000), ".last_updated_utc"),
        (changed(TICKER, "delisted_utc", "0001-01-01T00:00:00+14:00"), ".delisted_utc"),
        ([], ""),
    ],
)
def test_a_bad_ticker_costs_a_ticker(record: Any, path: str) -> None:
    rows = rows_of(LISTS, payload(results(json.dumps(record), TICKER), "p2"))
    assert rows["stock_tickers"] == [TICKER_ROW | {"position": 1}]
    (bad,) = rows["rejected_stock_tickers"]
    assert bad["path"] == f"$.results[0]{path}"
    assert json.loads(bad["content"]) == record
    assert rows["stock_list_answers"][0]["row_count"] == 2


@pytest.mark.parametrize(
    ("record", "path"),
    [
        *((changed(SPLIT, key), "") for key in SPLIT),
        (changed(SPLIT, "id", "\0"), ".id"),
        (changed(SPLIT, "execution_date", "2024-02-09"), ".execution_date"),
        (changed(SPLIT, "execution_date", "20240208"), ".execution_date"),
        *((changed(SPLIT, key, 0), f".{key}") for key in ("split_from", "split_to")),
        (changed(SPLIT, "split_to", -4), ".split_to"),
        (changed(SPLIT, "split_to", 0.0000004), ".split_to"),
        (changed(SPLIT, "split_to", "4"), ".split_to"),
        (changed(SPLIT, "ticker", "A\t"), ".ticker"),
    ],
)
def test_a_bad_split_costs_a_split(record: Any, path: str) -> None:
    rows = rows_of(SPLITS, payload(results(record, SPLIT), "p2"))
    assert rows["stock_splits"] == [SPLIT_ROW | {"position": 1}]
    (bad,) = rows["rejected_stock_splits"]
    assert bad["path"] == f"$.results[0]{path}"
    assert rows["stock_split_answers"][0]["row_count"] == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.0000005", "0.000000"),
        ("0.0000015", "0.000002"),
        ("0.00000050000000000000000000000001", "0.000001"),
        ("-0.0", "0.000000"),
        ("1.5E+2", "150.000000"),
        # A float would make it 72057594037.927935.
        ("72057594037.9279365", "72057594037.927936"),
        ("999999999999.9999994", "999999999999.999999"),
    ],
)
def test_numbers_are_read_from_their_text_and_rounded_half_even(text: str, expected: str) -> None:
    (row,) = rows_of(BARS, payload(results(bar_with("vw", text))))["stock_days"]
    assert str(row["vwap"]) == expected


@given(st.decimals(0, 10**11, allow_nan=False, allow_infinity=False, places=9))
def test_a_number_is_at_most_half_a_step_away(value: Decimal) -> None:
    found = number(str(value).encode(), "$", (18, 6))  # type: ignore[arg-type]
    assert found is not None
    assert abs(found - value) <= Decimal("0.0000005")
    assert found.as_tuple().exponent == -6


@pytest.mark.parametrize(
    ("body", "kind", "count", "is_last"),
    [
        (results(SPLIT), "rows", 1, True),
        (results('"bad"', next_url="https://api.massive.com/x"), "rows", 1, False),
        (results(), "empty", 0, True),
        (results(next_url=""), "empty", 0, True),
        ({"status": "OK", "results": None}, "empty", 0, True),
        ({"status": "OK", "count": 0}, "empty", 0, True),
        (NOT_FOUND, "not_found", 0, True),
    ],
)
def test_every_page_leaves_a_row_that_says_what_it_was(
    body: Any, kind: str, count: int, is_last: bool
) -> None:
    expected = {
        **{name: SPLIT_ROW[name] for name in ("partition_date", "captured_at", "part", "page")},
        **{"answer_kind": kind, "row_count": count, "is_last": is_last},
    }
    for dataset, table in ((SPLITS, "stock_split_answers"), (LISTS, "stock_list_answers")):
        assert rows_of(dataset, payload(body, "p2"))[table] == [expected]


@pytest.mark.parametrize(
    "body",
    [
        {"status": "OK", "queryCount": 0, "resultsCount": 0, "adjusted": False},
        {"status": "OK", "resultsCount": 0, "adjusted": False, "results": None},
        {"status": "DELAYED", "resultsCount": 0, "adjusted": False, "results": []},
        NOT_FOUND,
    ],
)
def test_an_answer_without_bars_is_valid_and_holds_nothing(body: Any) -> None:
    assert rows_of(BARS, payload(body)) == {"stock_days": [], "rejected_stock_days": []}
    assert BARS.validate(payload(body)).counts == {"bars": 0}
    assert not ask.holds_rows(payload(body))


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ([], "$"),
        (b"404 page not found", "$"),
        ({"status": "OK", "resultsCount": 2}, "$.resultsCount"),
        ({"status": "OK", "resultsCount": 2, "results": None}, "$.resultsCount"),
        ({"status": "OK", "resultsCount": 2, "results": []}, "$.resultsCount"),
        ({"status": "OK", "resultsCount": "2", "results": []}, "$.resultsCount"),
        ({"status": "OK", "count": 2}, "$.count"),
        ({"status": "OK", "results": {}}, "$.results"),
        ({"status": "OK", "resultsCount": 0, "adjusted": True}, "$.adjusted"),
        (results(BAR, adjusted=True), "$.adjusted"),
        (results(BAR, adjusted="no"), "$.adjusted"),
        (results(SPLIT, next_url=1), "$.next_url"),
        ({"status": "ERROR", "error": "no such resource"}, "$"),
        ({"status": "NOT_FOUND", "error": "no such resource"}, "$"),
        ({"message": "no such resource"}, "$"),
    ],
)
def test_a_broken_container_is_quarantined(body: Any, path: str) -> None:
    for dataset, part in ((BARS, ""), (SPLITS, "p0"), (LISTS, "p0")):
        with pytest.raises(InvalidPayload) as fault:
            dataset.validate(payload(body, part))
        assert fault.value.path == path


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (changed(OPEN_CLOSE, "symbol", "KIMPL"), "$.symbol"),
        (changed(OPEN_CLOSE, "from", "2024-02-09"), "$.from"),
        (changed(OPEN_CLOSE, "close"), "$"),
        (changed(OPEN_CLOSE, "close", "41"), "$.close"),
        (changed(OPEN_CLOSE, "preMarket", "41"), "$.preMarket"),
        (changed(NOT_FOUND, "status", "ERROR"), "$"),
        (NOT_FOUND | {"error": "no such resource"}, "$"),
        ([], "$"),
    ],
)
def test_an_answer_about_something_else_is_quarantined(body: Any, path: str) -> None:
    with pytest.raises(InvalidPayload) as fault:
        read_open_close(payload(body, "KIM~pL"))
    assert fault.value.path == path


def test_a_payload_whose_part_is_another_is_invalid() -> None:
    for part in ("", "p", "p-1", "p01", "p0\n", "page"):
        for dataset in (SPLITS, LISTS):
            with pytest.raises(InvalidPayload):
                dataset.validate(payload(results(), part))
    with pytest.raises(InvalidPayload):
        BARS.validate(payload(results(BAR), "p0"))
    for part in ("", "KIMpL", "~", "KIM~PL"):
        with pytest.raises(InvalidPayload):
            read_open_close(payload(NOT_FOUND, part))


@given(st.text(min_size=1), st.text(min_size=1))
def test_two_tickers_are_two_parts_also_where_folders_fold_case(one: str, other: str) -> None:
    if one.isascii() and other.isascii() and one != other:
        assert part_of(one).casefold() != part_of(other).casefold()
    assert ticker_of(part_of(one)) == one or "\n" in one


def test_new_keys_are_named_by_their_path() -> None:
    bar = bar_with("halted", "1")
    assert BARS.validate(payload(results(bar, meta={}))).new_fields == [
        "$.meta",
        "$.results[].halted",
    ]
    split = SPLIT | {"adjustment_type": "forward"}
    assert SPLITS.validate(payload(results(split), "p0")).new_fields == [
        "$.results[].adjustment_type"
    ]


def test_answers_that_differ_in_the_id_of_the_request_are_the_same() -> None:
    first = results(BAR, request_id="1")
    for dataset in STOCKS.datasets:
        assert dataset.same_answer(first, results(BAR, request_id="2"))
        assert not dataset.same_answer(first, results(BAR, BAR, request_id="1"))
        assert not dataset.same_answer(first, results(BAR, request_id="1", status="DELAYED"))
        assert not dataset.same_answer(b"not json", first)
        assert dataset.same_answer(b"not json", b"not json")


@given(st.lists(st.lists(st.booleans(), max_size=4), min_size=1, max_size=4), st.randoms())
def test_a_page_has_the_same_rows_whatever_comes_before_it(
    pages: list[list[bool]], random: Any
) -> None:
    payloads = [
        payload(
            results(*(SPLIT if sound else "{}" for sound in page)),
            f"p{number}",
            AT + timedelta(seconds=number),
        )
        for number, page in enumerate(pages)
    ]
    shuffled = random.sample(payloads, len(payloads))
    expected, found = rows_of(SPLITS, *payloads), rows_of(SPLITS, *shuffled)
    for table, rows in expected.items():
        assert sorted(map(repr, rows)) == sorted(map(repr, found[table]))
    assert len(expected["stock_splits"]) == sum(map(sum, pages))
    assert len(expected["rejected_stock_splits"]) == sum(not one for page in pages for one in page)


# When


def test_sessions_are_what_the_rules_of_the_exchange_say() -> None:
    days = DayRange(date(2012, 1, 1), date(2027, 12, 31)).days
    told = sessions.closures()
    assert {day for day in days if told.get(day) == sessions.CLOSED} == {
        day for year in range(2012, 2028) for day in closed_in(year)
    }
    assert {day for day in days if told.get(day) == sessions.HALF} == {
        day for year in range(2012, 2028) for day in half_in(year)
    }
    assert set(told.values()) == {sessions.CLOSED, sessions.HALF}
    assert all(map(sessions.is_weekday, told))
    # Nobody knows yet.
    assert sessions.is_session(date(2028, 7, 4))
    assert not sessions.is_session(date(2028, 7, 8))


def nth(year: int, month: int, weekday: int, n: int) -> date:
    """The n-th such weekday of a month; of -1 the last."""
    days = [date(year, month, day) for day in range(1, 31 if month != 2 else 29)]
    days += [date(year, month, 31)] if month in {1, 5, 7, 8, 10, 12} else []
    found = [day for day in days if day.weekday() == weekday]
    return found[n - 1 if n > 0 else n]


def easter(year: int) -> date:
    """Sunday of Easter, by the algorithm of Meeus, Jones and Butcher."""
    a, b, c = year % 19, year // 100, year % 100
    d = (19 * a + b - b // 4 - (b - (b + 8) // 25 + 1) // 3 + 15) % 30
    e = (32 + 2 * (b % 4) + 2 * (c // 4) - d - c % 4) % 7
    f = d + e - 7 * ((a + 11 * d + 22 * e) // 451) + 114
    return date(year, f // 31, f % 31 + 1)


def observed(day: date) -> date:
    """A holiday on a Saturday is on Friday, one on a Sunday on Monday."""
    return day + timedelta(days={5: -1, 6: 1}.get(day.weekday(), 0))


def closed_in(year: int) -> Iterator[date]:
    if date(year, 1, 1).weekday() != 5:  # the year before ends with a session
        yield observed(date(year, 1, 1))
    yield nth(year, 1, 0, 3)
    yield nth(year, 2, 0, 3)
    yield easter(year) - timedelta(days=2)
    yield nth(year, 5, 0, -1)
    if year >= 2022:
        yield observed(date(year, 6, 19))
    yield observed(date(year, 7, 4))
    yield nth(year, 9, 0, 1)
    yield nth(year, 11, 3, 4)
    yield observed(date(year, 12, 25))
    unplanned = (date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5), date(2025, 1, 9))
    yield from (day for day in unplanned if day.year == year)


def half_in(year: int) -> Iterator[date]:
    yield nth(year, 11, 3, 4) + timedelta(days=1)
    for day in (date(year, 7, 3), date(year, 12, 24)):
        # Since 2013 also where the holiday is a Friday's; never the day before a long weekend.
        holiday = day + timedelta(days=1)
        if day.weekday() < 5 and holiday.weekday() < 5:
            yield day


def test_checkpoints_keep_to_the_clock_in_new_york() -> None:
    # Clocks go forward on Sunday, March 10th: 20:30 is 01:30 UTC before, 00:30 after.
    def utc(*texts: str) -> list[datetime]:
        return [datetime.fromisoformat(f"2024-{text}:00+00:00") for text in texts]

    friday, monday = date(2024, 3, 8), date(2024, 3, 11)
    assert ask.bars_checkpoints(friday, "") == utc("03-09T01:30", "03-09T14:00")
    assert ask.bars_checkpoints(monday, ANSWERED) == utc("03-12T00:30", "03-12T13:00")
    for outcome in (NOTHING, REFUSED):
        assert ask.bars_checkpoints(friday, outcome) == utc(
            "03-09T01:30", "03-09T14:00", "03-10T13:00", "03-11T13:00", "03-15T13:00"
        )
    assert ask.splits_checkpoints(friday, "") == utc(
        "03-09T01:30", "03-09T14:00", "03-15T13:00", "04-07T13:00", "06-06T13:00"
    )
    assert ask.lists_checkpoints(friday, ANSWERED) == utc("03-09T01:30")
    for outcome in ("", NOTHING, REFUSED):
        assert ask.lists_checkpoints(friday, outcome) == utc(
            "03-09T01:30", "03-09T14:00", "03-10T13:00"
        )


def test_closed_days_are_never_asked_and_half_ones_are() -> None:
    good_friday, saturday = date(2024, 3, 29), date(2024, 3, 30)
    for checkpoints in (ask.bars_checkpoints, ask.lists_checkpoints):
        assert checkpoints(good_friday, "") == checkpoints(saturday, "") == []
        assert checkpoints(traps.HALF_DAY, "")
    # Splits are executed on weekdays, whatever the exchange does.
    assert ask.splits_checkpoints(good_friday, "")
    assert ask.splits_checkpoints(saturday, "") == []


def test_lists_of_old_weeks_are_asked_once_a_week() -> None:
    (way,) = LISTS.arrivals
    assert isinstance(way, ByDay)
    week = DayRange(date(2024, 3, 25), date(2024, 3, 31)).days

    def due(now: datetime) -> list[date]:
        return [day for day in week if is_due(way, day, None, now)]

    sessions_of_week = week[:4]  # Friday is Good Friday
    assert due(datetime(2024, 4, 2, 3, 59, tzinfo=UTC)) == sessions_of_week
    # Eight days after Monday, at midnight in New York.
    assert due(datetime(2024, 4, 2, 4, tzinfo=UTC)) == sessions_of_week[1:]
    assert due(datetime(2025, 4, 2, tzinfo=UTC)) == [date(2024, 3, 28)]
    # A list that is there isn't asked again; one that failed is.
    last = date(2024, 3, 28)
    now = datetime(2024, 4, 5, tzinfo=UTC)
    evening = datetime(2024, 3, 29, 0, 35, tzinfo=UTC)
    outcomes = {ANSWERED: False, NOTHING: True, REFUSED: True, FAILED: True}
    for outcome, again in outcomes.items():
        assert is_due(way, last, Asked(evening, 12, outcome), now) is again


# Asking, over a socket


@pytest.fixture
def clock() -> SettableClock:
    """What time it is for the API."""
    return SettableClock(LATER)


@pytest.fixture
def api(clock: SettableClock) -> Iterator[SampleServer]:
    """The made-up API behind a real socket."""
    with SampleServer(FakeStocks(KEY), clock=clock) as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No backoff between two tries."""
    monkeypatch.setattr(fetch_client, "wait_exponential_jitter", lambda **_: lambda _state: 0.0)


def enabled(api: SampleServer) -> Enabled:
    return Enabled(STOCKS, StocksSettings(api_url=api.url, api_key=KEY, calls_a_minute=60_000))


@pytest.fixture
def on(api: SampleServer) -> Enabled:
    """The source, on."""
    return enabled(api)


@pytest.fixture
def bars(settings: Settings, on: Enabled) -> Intake:
    """How bars are asked for."""
    return factory.intake(settings, on, BARS)


@pytest.fixture
def splits(settings: Settings, on: Enabled) -> Intake:
    """How splits are asked for."""
    return factory.intake(settings, on, SPLITS)


@pytest.fixture
def lists(settings: Settings, on: Enabled) -> Intake:
    """How lists of tickers are asked for."""
    return factory.intake(settings, on, LISTS)


def staged(intake: Intake, day: date) -> dict[str, list[dict[str, Any]]]:
    return rows_of(intake.stream.dataset, *held(intake, day))


def outcome(intake: Intake, day: date) -> str:
    return intake.stream.asked.all()[day].outcome


def test_a_session_is_one_call_that_shows_the_key_in_a_header(
    bars: Intake, api: SampleServer
) -> None:
    assert bars.ask_due(silent, [traps.HALF_DAY]).calls == 1
    (request,) = api.requests
    assert request.header("Authorization") == f"Bearer {KEY}"
    assert request.path == (
        "/v2/aggs/grouped/locale/us/market/stocks/2023-11-24?adjusted=false&include_otc=true"
    )
    rows = staged(bars, traps.HALF_DAY)["stock_days"]
    assert [row["ticker"] for row in rows] == [one.ticker for one in COMPANIES]
    assert {row["ticker"] for row in rows if row["is_otc"]} == {"NSRGX", "TCEHX"}
    assert {"KIMPL", "KIMpL", "SPY", "EXPL"} <= {row["ticker"] for row in rows}
    assert outcome(bars, traps.HALF_DAY) == ANSWERED


def test_the_same_answer_adds_nothing_but_for_the_id_of_the_request(
    bars: Intake, splits: Intake, lists: Intake
) -> None:
    for intake in (bars, splits, lists):
        assert ask_again(intake, DAY)
        assert ask_again(intake, DAY) == []


def test_no_rows_are_never_the_answer_of_a_session(bars: Intake, clock: SettableClock) -> None:
    day = traps.EMPTY
    clock.set(datetime(2024, 2, 6, 1, 30, tzinfo=UTC))
    assert bars.ask_due(silent, [day]).landed == 1
    assert outcome(bars, day) == NOTHING
    clock.set(traps.NULL_FROM)
    assert ask_again(bars, day) == [""]
    assert staged(bars, day)["stock_days"] == []
    clock.set(traps.BARS_FROM)
    assert ask_again(bars, day) == [""]
    assert len(staged(bars, day)["stock_days"]) == len(COMPANIES)
    # Nothing of what came before is lost.
    assert len(held(bars, day)) == 3


def test_a_refused_day_says_what_to_set_and_is_asked_again_later(
    bars: Intake, clock: SettableClock
) -> None:
    day = traps.REFUSED
    clock.set(datetime(2024, 2, 7, 2, tzinfo=UTC))
    result = bars.ask_due(silent, [day])
    assert "NOT_AUTHORIZED" in result.refused[day]
    assert "set PREDICTIT_STOCKS_START" in result.refused[day]
    assert (held(bars, day), outcome(bars, day)) == ([], REFUSED)
    clock.set(traps.ALLOWED_FROM)
    assert ask_again(bars, day) == [""]
    assert len(staged(bars, day)["stock_days"]) == len(COMPANIES)


def test_days_beyond_the_plan_are_refused_and_the_others_answered(settings: Settings) -> None:
    old, new = date(2023, 11, 24), date(2024, 3, 27)
    fake = FakeStocks(KEY, plan=timedelta(days=30))
    with SampleServer(fake, clock=SettableClock(LATER)) as api:
        result = factory.intake(settings, enabled(api), BARS).ask_due(silent, [old, new])
    assert (list(result.refused), result.landed, result.asked) == ([old], 1, [old, new])


def test_a_revised_bar_is_another_answer(bars: Intake, clock: SettableClock) -> None:
    clock.set(traps.REVISED_AT - timedelta(seconds=1))
    ask_again(bars, traps.REVISED)
    clock.set(traps.REVISED_AT)
    assert ask_again(bars, traps.REVISED) == [""]
    rows = staged(bars, traps.REVISED)["stock_days"]
    first, second = [row for row in rows if row["ticker"] == "EXPL"]
    assert first["close"] > second["close"] == second["low"]
    assert first["captured_at"] < second["captured_at"]


def test_rows_decide_and_not_the_status(bars: Intake) -> None:
    bars.ask_due(silent, [traps.DELAYED])
    (answer,) = held(bars, traps.DELAYED)
    assert json.loads(answer.read())["status"] == "DELAYED"
    assert len(staged(bars, traps.DELAYED)["stock_days"]) == len(COMPANIES)
    assert outcome(bars, traps.DELAYED) == ANSWERED


def test_more_than_a_page_is_all_of_it_though_the_links_name_another_host(
    lists: Intake, api: SampleServer
) -> None:
    friday = date(2024, 2, 2)
    assert lists.ask_due(silent, [friday]).calls == 4
    rows = staged(lists, friday)
    answers = [
        (one["page"], one["row_count"], one["is_last"]) for one in rows["stock_list_answers"]
    ]
    assert answers == [(0, 10, False), (1, 10, False), (2, 10, False), (3, 8, True)]
    tickers = [row["ticker"] for row in rows["stock_tickers"]]
    assert tickers == sorted(one.ticker for one in COMPANIES if not one.is_otc)
    first, *rest = [request.query for request in api.requests]
    assert first == {
        **{"market": "stocks", "active": "true", "limit": "1000", "sort": "ticker"},
        **{"order": "asc", "date": "2024-02-02"},
    }
    assert [query.keys() for query in rest] == [{"cursor"}] * 3
    assert {request.header("Host") for request in api.requests} == {api.url.partition("//")[2]}
    assert b"https://api.massive.com/" in held(lists, friday)[0].read()


def test_a_doubled_port_is_followed(lists: Intake) -> None:
    lists.ask_due(silent, [traps.DOUBLED_PORT])
    assert b"api.polygon.io:443:443" in held(lists, traps.DOUBLED_PORT)[0].read()
    assert len(staged(lists, traps.DOUBLED_PORT)["stock_tickers"]) == LISTED - 1


def test_a_link_to_a_foreign_host_costs_its_day_only(
    lists: Intake, api: SampleServer, clock: SettableClock
) -> None:
    clock.set(datetime(2024, 2, 17, 2, tzinfo=UTC))
    days = [date(2024, 2, 2), traps.FOREIGN]
    result = lists.ask_due(silent, days)
    assert "another host" in result.failed[traps.FOREIGN]
    assert "tickers.example.org" in result.failed[traps.FOREIGN]
    assert result.asked == days[:1]
    assert [one.part for one in held(lists, traps.FOREIGN)] == ["p0"]
    assert lists.due(days) == [traps.FOREIGN]
    clock.set(traps.FOREIGN_UNTIL)
    assert lists.ask_due(silent, days).asked == [traps.FOREIGN]
    # The first page has another link now, so it is another answer.
    parts = [one.part for one in held(lists, traps.FOREIGN)]
    assert parts == ["p0", "p0", "p1", "p2", "p3"]


def test_a_cursor_that_fails_keeps_the_pages_before_it(lists: Intake, clock: SettableClock) -> None:
    clock.set(datetime(2024, 2, 24, 2, tzinfo=UTC))
    result = lists.ask_due(silent, [traps.BAD_CURSOR])
    assert "answered 400" in result.failed[traps.BAD_CURSOR]
    rows = staged(lists, traps.BAD_CURSOR)["stock_list_answers"]
    assert [(one["page"], one["is_last"]) for one in rows] == [(0, False), (1, False)]
    clock.set(traps.CURSOR_FROM)
    assert lists.ask_due(silent, [traps.BAD_CURSOR]).landed == 2
    assert len(staged(lists, traps.BAD_CURSOR)["stock_tickers"]) == LISTED - 1


def test_lists_that_are_cut_or_short_are_staged_as_they_came(lists: Intake) -> None:
    days = [traps.CUT, traps.SHORT]
    assert lists.ask_due(silent, days).asked == days
    cut = staged(lists, traps.CUT)["stock_list_answers"]
    assert [one["is_last"] for one in cut] == [False, False, True]
    assert len(staged(lists, traps.CUT)["stock_tickers"]) == PAGE_SIZE * traps.PAGES_OF_CUT
    assert len(staged(lists, traps.SHORT)["stock_tickers"]) == traps.OF_SHORT


def test_tickers_vanish_come_back_and_come_twice(lists: Intake) -> None:
    def tickers(day: date) -> list[str]:
        ask_again(lists, day)
        return [row["ticker"] for row in staged(lists, day)["stock_tickers"]]

    for day in sorted(traps.AWAY_ON):
        assert traps.AWAY not in tickers(day)
    found = tickers(traps.TWICE)
    assert traps.AWAY in found
    assert traps.GONE in found
    assert found.count("EXPL") == 2
    assert traps.GONE not in tickers(traps.GONE_FROM)


def test_splits_come_late_are_taken_back_and_have_two_ratios(
    splits: Intake, clock: SettableClock
) -> None:
    def ratios(day: date) -> list[tuple[str, Decimal, Decimal]]:
        newest = held(splits, day)[-1]
        rows = rows_of(SPLITS, newest)["stock_splits"]
        return [(row["ticker"], row["split_from"], row["split_to"]) for row in rows]

    clock.set(datetime(2024, 2, 16, 12, tzinfo=UTC))
    days = [traps.LATE, traps.TAKEN_BACK, traps.TWO_RATIOS, traps.SPLIT]
    assert splits.ask_due(silent, days).calls == 4
    assert [outcome(splits, day) for day in days] == [NOTHING, ANSWERED, ANSWERED, ANSWERED]
    assert ratios(traps.LATE) == []
    assert ratios(traps.TAKEN_BACK) == [("NWHR", Decimal(1), Decimal(2))]
    assert ratios(traps.TWO_RATIOS) == [
        ("FICT.B", Decimal(1), Decimal(2)),
        ("FICT.B", Decimal(2), Decimal(3)),
    ]
    assert ratios(traps.SPLIT) == [("EXPL", Decimal(1), Decimal(4))]
    clock.set(traps.LATE_FROM)
    assert [ask_again(splits, day) for day in days] == [["p0"], ["p0"], [], []]
    assert ratios(traps.LATE) == [("SMPL", Decimal(2), Decimal(3))]
    # An answer that holds nothing any more is a row: without it the split would stay.
    assert ratios(traps.TAKEN_BACK) == []
    kinds = [one["answer_kind"] for one in staged(splits, traps.TAKEN_BACK)["stock_split_answers"]]
    assert kinds == ["rows", "empty"]


def test_prices_fall_with_a_split_and_adjusted_ones_do_not(api: SampleServer) -> None:
    def close(day: str, adjusted: str) -> float:
        got = get(api, f"{ask.BARS_PATH}/{day}", adjusted=adjusted)
        assert got["adjusted"] is (adjusted == "true")
        return next(float(one["c"]) for one in got["results"] if one["T"] == "EXPL")

    before, after = (close(day, "false") for day in ("2024-02-16", "2024-02-20"))
    assert 3.5 < before / after < 4.5
    assert close("2024-02-16", "true") == round(before / 4, 4)


def get(api: SampleServer, path: str, status: int = 200, key: str = KEY, **query: str) -> Any:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    got = requests.get(f"{api.url}{path}", params=query, headers=headers, timeout=10)
    assert got.status_code == status, got.text
    return got.json()


def test_the_made_up_api_is_as_strict_as_the_real_one(api: SampleServer) -> None:
    day = f"{ask.BARS_PATH}/2024-02-08"
    for wrong in ("", "wrong"):
        assert get(api, day, 401, key=wrong)["error"] == "Unknown API Key"
    assert get(api, day, 401, key="", apiKey=KEY)
    assert "apiKey" in get(api, day, 400, apiKey=KEY)["error"]
    assert get(api, day, 400, adjusted="no")
    for path in ("2024-04-01", "20240208", "2024-02-30"):
        assert get(api, f"{ask.BARS_PATH}/{path}", 403)["status"] == "NOT_AUTHORIZED"
    assert get(api, ask.TICKERS_PATH, 400, limit="1001")
    assert get(api, ask.TICKERS_PATH, 400, cursor="!")
    assert get(api, ask.SPLITS_PATH, 400, execution_date="20240208")
    holiday = get(api, f"{ask.BARS_PATH}/{traps.HOLIDAY}")
    assert holiday["resultsCount"] == 0
    assert "results" not in holiday
    without_otc = get(api, day, adjusted="false")["results"]
    assert len(without_otc) == LISTED
    again = get(api, day, adjusted="false")
    # The same time gives the same answer, under another id.
    assert again["results"] == without_otc
    assert again["request_id"] != get(api, day, adjusted="false")["request_id"]


def test_prices_of_one_ticker_come_days_late(api: SampleServer, clock: SettableClock) -> None:
    path = f"/v1/open-close/KIMpL/{traps.NOT_YET}"
    clock.set(traps.PRICES_FROM - timedelta(seconds=1))
    late = payload(get(api, path, 404, adjusted="false"), "KIM~pL")
    assert read_open_close(late._replace(day=traps.NOT_YET))[0]["is_missing"]
    clock.set(traps.PRICES_FROM)
    there = payload(get(api, path, adjusted="false"), "KIM~pL")
    row, new = read_open_close(there._replace(day=traps.NOT_YET))
    assert (row["ticker"], row["is_missing"], new) == ("KIMpL", False, [])
    assert get(api, "/v1/open-close/NOBODY/2024-02-08", 404)["status"] == "NOT_FOUND"


def test_an_api_that_asks_to_wait_is_asked_again(settings: Settings, api: SampleServer) -> None:
    intake = factory.intake(settings, enabled(api), BARS)
    api.fail_with("429", "429-bare")
    result = intake.ask_due(silent, [DAY])
    assert (result.asked, result.calls) == ([DAY], 3)


def test_more_calls_than_the_plan_has_are_refused(settings: Settings) -> None:
    fake = FakeStocks(KEY, calls_a_minute=5)
    days = [date(2024, 3, day) for day in (4, 5, 6, 7, 8, 11)]
    with SampleServer(fake, clock=SettableClock(LATER)) as api:
        intake = factory.intake(settings, enabled(api), BARS)
        with pytest.raises(FetchError, match="answered 429"):
            intake.ask_due(silent, days)
        assert len(api.requests) == 5 + fetch_client.ATTEMPTS
    assert intake.due(days) == days[5:]


def test_a_key_that_is_refused_is_one_line(bars: Intake, api: SampleServer) -> None:
    for fault in ("401", "400-no-key"):
        api.fail_with(fault)
        with pytest.raises(KeyRefused) as refused:
            bars.ask_due(silent, [DAY])
        assert len(str(refused.value).splitlines()) == 1
    assert bars.due([DAY]) == [DAY]


@pytest.mark.parametrize("fault", ["adjusted", "no-results", "half"])
def test_an_answer_that_cannot_be_read_is_kept_and_its_day_stays_due(
    bars: Intake, api: SampleServer, fault: str
) -> None:
    api.fail_with(fault)
    result = bars.ask_due(silent, [DAY])
    assert "can't be read" in result.failed[DAY]
    (answer,) = held(bars, DAY)
    with pytest.raises(InvalidPayload):
        BARS.validate(answer)
    assert bars.due([DAY]) == [DAY]
    assert bars.ask_due(silent, [DAY]).asked == [DAY]


def test_an_asking_that_is_killed_at_any_operation_is_ended_by_the_next(
    on: Enabled, settings: Settings, tmp_path: Path
) -> None:
    friday = date(2024, 2, 2)
    days = {BARS: [DAY, traps.EMPTY], SPLITS: [traps.SPLIT], LISTS: [friday]}
    expected: list[tuple[str, date, str, bytes]] | None = None

    def intakes(objects: Any) -> list[Intake]:
        made = []
        for dataset in days:
            store = PayloadStore(
                objects,
                STOCKS.name,
                dataset.name,
                dataset.calendar,
                day_is_capture=False,
                same_answer=dataset.same_answer,
            )
            whole = factory.intake(settings, on, dataset)
            stream = Stream(STOCKS, dataset, store, date(2023, 7, 3))
            made.append(Intake(stream, on.settings, whole.client, whole.max_body))
        return made

    def without_id(body: bytes) -> bytes:
        value = json.loads(body)
        value.pop("request_id")
        return json.dumps(value).encode()

    for operations in count():
        objects = ObjectStore(tmp_path / str(operations))
        died = False
        try:
            for intake in intakes(dying(objects, operations)):
                intake.ask_due(silent, days[intake.stream.dataset])
        except Killed:
            died = True
        bodies = []
        for intake in intakes(objects):
            dataset = intake.stream.dataset
            intake.ask_due(silent, days[dataset])
            assert intake.due(days[dataset]) == []
            bodies += [
                (dataset.name, day, one.part, without_id(one.read()))
                for day in days[dataset]
                for one in held(intake, day)
            ]
        expected = expected or sorted(bodies)
        assert sorted(bodies) == expected
        if not died:
            break
    assert operations > 15
    assert [(name, part) for name, _, part, _ in expected or []] == [
        ("daily_bars", ""),
        ("daily_bars", ""),
        ("splits", "p0"),
        *(("ticker_lists", f"p{page}") for page in range(4)),
    ]


def test_a_backfill_says_its_cost_and_goes_on_where_its_calls_ended(
    settings: Settings, on: Enabled
) -> None:
    fridays = [date(2024, 2, 2), date(2024, 2, 9), traps.DOUBLED_PORT]
    few = Enabled(STOCKS, on.settings.model_copy(update={"max_calls": 6}))
    said: list[str] = []
    first = factory.intake(settings, few, LISTS).ask_due(said.append, fridays)
    assert "3 days are due: about 36 calls" in said[0]
    assert (first.asked, first.left) == (fridays[:1], fridays[1:])
    second = factory.intake(settings, few, LISTS).ask_due(silent, fridays)
    assert (second.asked, second.left) == (fridays[1:2], fridays[2:])
    assert factory.intake(settings, few, LISTS).ask_due(silent, fridays).left == []


# The road, and what is told on it


def build(settings: Settings, on: Enabled, *days: date) -> list[str]:
    """What the checks of a build of these days warn about."""
    return [
        warning
        for day in days
        for warning in run_build(
            build_definitions(settings, [on]),
            dg.DagsterInstance.ephemeral(),
            build_job_name("stocks"),
            DayRange(day, day),
            silent,  # type: ignore[arg-type]
        ).warnings
    ]


def test_odd_days_are_built_and_their_checks_warn(
    bars: Intake, splits: Intake, settings: Settings, on: Enabled
) -> None:
    bars.ask_due(silent, [traps.ODD_BARS])
    splits.ask_due(silent, [traps.ODD_SPLITS])
    sound = next(
        row for row in staged(bars, traps.ODD_BARS)["stock_days"] if row["ticker"] == "EXPL"
    )
    volume, vwap, transactions = (sound[name] for name in ("volume", "vwap", "transactions"))
    odd = sorted([traps.ODD_BARS, traps.ODD_SPLITS])
    streams = factory.streams(settings, on)
    assert status(on, streams, factory.warehouse(settings)).to_build == odd
    for day in (traps.ODD_BARS, traps.ODD_SPLITS):
        assert any("rejected rows" in text for text in build(settings, on, day))
    first = len(COMPANIES)
    with factory.warehouse(settings).read_connection() as query:
        assert query(
            "select ticker, volume, vwap, transactions from staging.stock_days"
            f" where position >= {first} order by position"
        ) == [
            ("LARGE", Decimal("112117471.0000"), vwap, transactions),
            ("FRACTION", Decimal("25933.6000"), None, transactions),
            ("EXPL", Decimal("1.0000"), vwap, transactions),
            ("NONUMBER", volume, vwap, None),
        ]
        assert query(
            "select position, path from staging.rejected_stock_days order by position"
        ) == [
            (first + n, f"$.results[{first + n}]{key}")
            for n, key in enumerate((".T", ".T", "", ".v", ".h", ".l"))
        ]
        assert query("select ticker, split_to from staging.stock_splits") == [
            ("EXPB", Decimal("1.016781"))
        ]
        assert query("select path from staging.rejected_stock_splits order by position") == [
            ("$.results[1].split_to",),
            ("$.results[2].execution_date",),
            ("$.results[3]",),
        ]
        assert query("select row_count, is_last from staging.stock_split_answers") == [(4, True)]
    # Of one of them there is no bar.
    told = status(on, streams, factory.warehouse(settings))
    assert (sorted(told.published), told.to_build) == (odd, [])


def test_tickers_that_differ_by_case_are_two_in_the_warehouse(
    bars: Intake, lists: Intake, settings: Settings, on: Enabled
) -> None:
    friday = date(2024, 2, 2)
    bars.ask_due(silent, [friday])
    lists.ask_due(silent, [friday])
    assert build(settings, on, friday) == []
    with factory.warehouse(settings).read_connection() as query:
        for table in ("stock_days", "stock_tickers"):
            assert query(
                f"select ticker from staging.{table} where upper(ticker) = 'KIMPL' order by 1"
            ) == [("KIMPL",), ("KIMpL",)]


def test_the_key_reaches_nothing(
    bars: Intake,
    lists: Intake,
    settings: Settings,
    on: Enabled,
    api: SampleServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    bars.ask_due(said.append, [DAY])
    lists.ask_due(said.append, [date(2024, 2, 2)])
    assert api.requests[-1].header("Authorization") == f"Bearer {KEY}"
    assert not [request for request in api.requests if "apiKey" in request.query]
    api.fail_with("503", "html", Answer(f"<{KEY}>".encode(), 410), "truncated", "403")
    for _ in range(3):
        result = bars.ask_due(said.append, [traps.DELAYED])
        said += [*result.failed.values(), *result.refused.values()]
    faults: list[Exception] = []
    for fault in ("redirect", "401", "400-no-key"):
        api.fail_with(fault)
        with pytest.raises(FetchError) as caught:
            bars.ask_due(said.append, [traps.REVISED, traps.ODD_BARS])
        faults.append(caught.value)
    build(settings, on, DAY)
    out = capfd.readouterr()
    texts = [*said, *map(str, faults), *map(repr, faults), caplog.text, out.out, out.err, repr(on)]
    assert not [text for text in texts if KEY in text]
    files = [file for file in settings.home.rglob("*") if file.is_file()]
    assert files
    assert not [one for one in files if KEY in str(one) or KEY.encode() in one.read_bytes()]


def test_a_source_without_its_key_says_which_variable_is_missing(settings: Settings) -> None:
    keyless = Enabled(STOCKS, StocksSettings())
    with pytest.raises(SettingsError, match="PREDICTIT_STOCKS_API_KEY") as fault:
        factory.intake(settings, keyless, BARS).ask_due(silent)
    assert "needs" in str(fault.value)


def test_runs_ask_in_the_evening_and_in_the_morning(settings: Settings, on: Enabled) -> None:
    schedules = build_definitions(settings, [on]).schedules or []
    asking = {one.name: one.cron_schedule for one in schedules if one.name.startswith("fetch_due")}
    assert asking == {
        f"fetch_due_stocks_{name}": ["35 20 * * *", "5 9 * * *"]
        for name in ("daily_bars", "splits", "ticker_lists")
    }


# Prices of one ticker and session, where another source tells what is traded


OPEN_CLOSE_SET = STOCKS.dataset("open_close")


@pytest.fixture
def prices(settings: Settings, on: Enabled) -> Intake:
    """How prices of one ticker and session are asked for."""
    return factory.intake(settings, on, OPEN_CLOSE_SET)


def there(*names: str) -> set[str]:
    """The datasets of stocks while these sources are on."""
    (on,) = enabled_sources(["stocks"], names)
    return {dataset.name for dataset in on.source.datasets}


def test_single_prices_are_there_only_where_wanted_and_beside_congress(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    always = {"daily_bars", "splits", "ticker_lists"}
    assert there("congress") == always
    monkeypatch.setenv("PREDICTIT_STOCKS_OPEN_CLOSE", "true")
    assert there() == there("predictit") == always
    assert there("congress") == always | {"open_close"}
    both = enabled_sources(["stocks", "congress"])
    assert "open_close" in {dataset.name for dataset in both[0].source.datasets}


def test_what_was_traded_is_due_the_next_morning_and_after_a_404_twice_more() -> None:
    saturday, monday = date(2024, 2, 3), "2024-02-05"
    traded = [("EXPL", saturday), ("EXPL", date(2024, 2, 5)), ("KIMpL", date(2024, 2, 2))]

    def due(now: datetime, *answers: tuple[datetime, bool]) -> list[tuple[str, str]]:
        told = [("EXPL", date(2024, 2, 5), *answer) for answer in answers]
        found = due_pairs(traded, told, now.replace(tzinfo=UTC))
        return [pair for pair in found if pair[0] == "EXPL"]

    def at(day: int, hour: int = 14, minute: int = 0) -> datetime:
        return datetime(2024, 2, day, hour, minute)

    assert due(at(6, 13, 59)) == []
    assert due(at(6)) == [("EXPL", monday)]
    assert due(at(7), (at(6), False)) == []
    assert due(at(7), (at(6), True)) == []
    assert due(at(8), (at(6), True)) == [("EXPL", monday)]
    assert due(at(8, 15), (at(6), True), (at(8), True)) == []
    assert due(at(12), (at(6), True), (at(8), True)) == [("EXPL", monday)]
    assert due(at(12), (at(8), False), (at(6), True)) == []
    assert due(at(28), (at(6), True), (at(12), True)) == []
    # What was never asked is asked, however late; what says nothing is left at last.
    assert due(at(28)) == [("EXPL", monday)]
    assert due(at(19), (at(6), True)) == []
    # The newest sessions first.
    now = datetime(2024, 2, 28, tzinfo=UTC)
    assert due_pairs(traded, [], now) == [("EXPL", monday), ("KIMpL", "2024-02-02")]


def test_a_404_is_kept_and_dated_and_prices_come_at_last(
    prices: Intake, clock: SettableClock, api: SampleServer
) -> None:
    pairs = [("KIMpL", str(traps.NOT_YET)), ("KIMPL", str(traps.NOT_YET))]
    clock.set(traps.PRICES_FROM - timedelta(days=2))
    for _ in range(2):
        assert all(one.stored for one in prices.ask_pending(pairs, silent))
    clock.set(traps.PRICES_FROM)
    list(prices.ask_pending(pairs, silent))
    assert [reply.stored for reply in prices.ask_pending(pairs, silent)] == [None, None]
    rows = rows_of(OPEN_CLOSE_SET, *held(prices, traps.NOT_YET))["stock_open_close"]
    for ticker in ("KIMpL", "KIMPL"):
        missing = [row["is_missing"] for row in rows if row["ticker"] == ticker]
        assert missing == [True, True, False]
    assert {request.path for request in api.requests} == {
        f"/v1/open-close/{ticker}/2024-02-07?adjusted=false" for ticker in ("KIMpL", "KIMPL")
    }


def test_an_answer_about_another_ticker_is_said_and_quarantined(
    prices: Intake, api: SampleServer
) -> None:
    api.fail_with(Answer(json.dumps(OPEN_CLOSE | {"symbol": "KIMPL"}).encode()))
    (reply,) = prices.ask_pending([("KIMpL", str(DAY))], silent)
    assert "another ticker" in reply.fault


def test_prices_are_pending_where_trades_have_none(
    prices: Intake, settings: Settings, on: Enabled
) -> None:
    warehouse = factory.warehouse(settings)
    assert prices.pending(warehouse) == []
    with duckdb.connect(str(settings.duckdb_file)) as connection:
        connection.execute("create schema core")
        connection.execute("create schema staging")
        connection.execute(
            "create table core.fact_trades as select * from (values"
            " ('EXPL', date '2024-02-03', 'stock'), ('EXPL', date '2024-02-05', 'stock'),"
            " ('NWHR', date '2024-02-05', 'fund'), (null, date '2024-02-05', 'stock'),"
            " ('SMPL', date '2023-06-30', 'stock'), ('SMPL', date '2202-02-05', 'stock'))"
            " as trades (ticker, transaction_date, security_kind)"
        )
    # The table of answers isn't there yet.
    assert prices.pending(warehouse) == []
    asked = Payload(date(2024, 2, 5), LATER, json.dumps(NOT_FOUND).encode(), "KIMPL")
    (batch,) = OPEN_CLOSE_SET.rows([asked]).values()
    with duckdb.connect(str(settings.duckdb_file)) as connection:
        connection.register("answers", pyarrow.Table.from_batches([batch]))
        connection.execute("create table staging.stock_open_close as from answers")
    # Nothing is asked from before the first day, nor from days to come.
    assert prices.pending(warehouse) == [("EXPL", "2024-02-05")]
    list(prices.ask_pending([("EXPL", "2024-02-05")], silent))
    batch = OPEN_CLOSE_SET.rows(held(prices, date(2024, 2, 5)))["stock_open_close"]
    with duckdb.connect(str(settings.duckdb_file)) as connection:
        connection.register("answers", pyarrow.Table.from_batches([batch]))
        connection.execute("insert into staging.stock_open_close from answers")
    assert prices.pending(warehouse) == []


def test_single_prices_are_staged(prices: Intake, settings: Settings, on: Enabled) -> None:
    list(prices.ask_pending([("KIMpL", str(DAY)), ("NOBODY", str(DAY))], silent))
    assert build(settings, on, DAY) == []
    with factory.warehouse(settings).read_connection() as query:
        found = query(
            "select ticker, is_missing, close is null from staging.stock_open_close order by 1"
        )
    assert found == [("KIMpL", False, False), ("NOBODY", True, True)]
