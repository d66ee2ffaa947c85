"""What is suspicious about trades and prices warns, and what is ordinary doesn't."""

import random
from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from staged import Row, home_of, run_dbt, stage
from test_marts_of_trades import SCHEMAS, answered, noon, record, split

from predictit_assets.contract.calendar import DayRange

FIRST = date(2024, 3, 4)
WEEKDAYS = [FIRST + timedelta(days=n) for n in range(14) if n % 7 < 5]
ASKED = [FIRST + timedelta(days=n) for n in range(21)]
"""Up to a Sunday: five weekdays after the last trade."""
WINDOW = DayRange(FIRST, date(2027, 12, 31))
TICKERS = [f"T{letter}" for letter in "ABCDEFGHIJ"]
WARNINGS = {
    "fact_trades_rows_keep_coming",
    "fact_trades_chambers_keep_coming",
    "fact_trades_amounts_are_read",
    "fact_trades_words_are_known",
    "trade_prices_stocks_have_bars",
    "dim_exchange_days_reach_a_year",
    "fact_stock_days_sessions_are_whole",
    "fact_stock_days_jumps_have_splits",
    "fact_stock_days_have_no_twins",
    "fact_stock_splits_are_unambiguous",
    "ticker_listings_lists_are_usable",
}


def bar(day: date, ticker: str, close: str = "10", **changed: Any) -> Row:
    price = Decimal(close)
    return {
        "partition_date": day, "captured_at": noon(day) + timedelta(hours=9), "part": "",
        "position": len(ticker), "ticker": ticker, "open": price, "high": price, "low": price,
        "close": price, "volume": Decimal(100), "vwap": None, "transactions": None,
        "is_otc": False,
    } | changed  # fmt: skip


def listed(day: date, tickers: int, last: bool = True) -> tuple[Row, list[Row]]:
    """An answer of a list, and its rows."""
    answer = {"partition_date": day, "captured_at": noon(day), "part": "p0", "page": 0}
    names = SCHEMAS["stock_tickers"].to_schema().columns
    rows = [
        dict.fromkeys(names)
        | answer
        | {
            "position": n, "ticker": f"L{n}", "name": f"Listed {n}", "market": "stocks",
            "locale": "us", "is_active": True,
        }
        for n in range(tickers)
    ]  # fmt: skip
    return answer | {"answer_kind": "rows", "row_count": tickers, "is_last": last}, rows


def trade(number: int, day: date, **changed: Any) -> Row:
    return (
        record(random.Random(number), day, f"n{number}")  # noqa: S311
        | {
            "report_date": day, "transaction_date": FIRST, "notification_date": None,
            "amount": "$1,001 - $15,000", "amendment_number": 0, "transaction_type": "P",
            "ownership": "SP", "security_type": "STOCK", "security_ticker": "TA",
            "report_id": f"r{number}", "position": number,
            "chamber": ("House", "Senate")[number % 2],
        }
        | changed
    )  # fmt: skip


def told(trades: Sequence[Row]) -> list[Row]:
    """Two answers of each day that was asked: its rows, and the page without any."""
    counts = {day: sum(one["partition_date"] == day for one in trades) for day in ASKED}
    return [
        {
            "partition_date": day,
            "captured_at": noon(day),
            "part": f"p{page}",
            "page": page,
            "answer_kind": "rows" if rows else "empty",
            "row_count": rows,
            "is_last": not rows,
        }
        for day, held in counts.items()
        for page, rows in enumerate([held, 0] if held else [0])
    ]


def ordinary() -> dict[str, list[Row]]:
    """Two weeks in which all is as usual, as near to the bounds as may be."""
    bars = [bar(day, ticker) for day in WEEKDAYS for ticker in TICKERS]
    last = WEEKDAYS[-1]
    half_missing = [one for one in bars if one["partition_date"] != last]
    bars = half_missing + [bar(last, ticker) for ticker in TICKERS[:6]]
    # One is split, one costs cents, one isn't listed, and one moves by no more than 40 %.
    bars += [bar(WEEKDAYS[0], "SPLIT"), bar(WEEKDAYS[3], "SPLIT", "2")]
    bars += [bar(WEEKDAYS[0], "CENTS", "0.9"), bar(WEEKDAYS[1], "CENTS", "9")]
    bars += [bar(day, "OVER", price, is_otc=True)
             for day, price in zip(WEEKDAYS, ("10", "20"), strict=False)]  # fmt: skip
    bars += [bar(WEEKDAYS[0], "STEP"), bar(WEEKDAYS[1], "STEP", "14")]
    splits = [split(WEEKDAYS[2], 0, "SPLIT", "1", "5"), split(WEEKDAYS[2], 1, "SPLIT", "2", "10")]
    lists = [listed(day, tickers) for day, tickers in zip(WEEKDAYS, (100, 95), strict=False)]
    # Two of 25 aren't listed.
    trades = [trade(n, WEEKDAYS[n % 10]) for n in range(23)]
    trades += [trade(n, WEEKDAYS[n % 10], security_ticker="GONE") for n in (23, 24)]
    # The Senate was last heard of 14 days before the last day that was asked about.
    heard = ASKED[-15]
    trades.append(trade(25, heard, chamber="Senate", security_type="BOND"))
    for one in trades:
        if one["partition_date"] > heard:
            one["chamber"] = "House"
    return {
        "stock_days": bars,
        "stock_splits": splits,
        "stock_split_answers": answered(splits),
        "stock_tickers": [row for _, rows in lists for row in rows],
        "stock_list_answers": [answer for answer, _ in lists],
        "congress_trades": trades,
        "congress_answers": told(trades),
    }


def suspicious() -> dict[str, list[Row]]:
    """The same with something of each kind."""
    rows = ordinary()
    last = WEEKDAYS[-1]
    bars = [one for one in rows["stock_days"] if (one["partition_date"], one["ticker"])
            != (last, TICKERS[5])]  # fmt: skip
    bars += [bar(WEEKDAYS[1], "JUMP"), bar(WEEKDAYS[2], "JUMP", "14.01")]
    bars += [bar(WEEKDAYS[4], TICKERS[0], position=99, volume=Decimal(1))]
    bars += [bar(date(2027, 3, 15), TICKERS[0])]
    splits = [*rows["stock_splits"], split(WEEKDAYS[5], 2, "TWO", "1", "2")]
    splits += [split(WEEKDAYS[5], 3, "TWO", "1", "3")]
    shrunk, few = listed(WEEKDAYS[2], 94)
    # All were told on the first days, and one of them can't be read.
    trades = [
        one | {"partition_date": (day := WEEKDAYS[n % 3]), "report_date": day,
               "captured_at": noon(day)}
        for n, one in enumerate(rows["congress_trades"])
    ]  # fmt: skip
    trades[0] |= {"amount": "a lot"}
    trades[1] |= {"transaction_type": "gift"}
    trades[2] |= {"security_ticker": "GONE"}
    return rows | {
        "stock_days": bars,
        "stock_splits": splits,
        "stock_split_answers": answered(splits),
        "stock_tickers": rows["stock_tickers"] + few,
        "stock_list_answers": [*rows["stock_list_answers"], shrunk],
        "congress_trades": trades,
        "congress_answers": told(trades),
    }


def warned(home: Path, rows: dict[str, list[Row]]) -> set[str]:
    """The tests that warn once these rows are built."""
    settings = home_of(home, "stocks", "congress")
    stage(settings, SCHEMAS, rows)
    results = run_dbt(settings, WINDOW, "stocks.core", "congress.core", "congress.marts")
    assert results.keys() >= WARNINGS
    return {name for name, one in results.items() if one.status == "warn"}


@pytest.fixture(autouse=True)
def history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_STOCKS_START", str(FIRST))


def test_an_ordinary_fortnight_warns_of_nothing(tmp_path: Path) -> None:
    assert warned(tmp_path / "home", ordinary()) == set()


def test_each_suspicion_warns(tmp_path: Path) -> None:
    assert warned(tmp_path / "home", suspicious()) == WARNINGS


def test_a_list_that_was_cut_warns(tmp_path: Path) -> None:
    rows = ordinary()
    answer, few = listed(WEEKDAYS[2], 96, last=False)
    rows["stock_list_answers"].append(answer)
    rows["stock_tickers"] += few
    assert warned(tmp_path / "home", rows) == {"ticker_listings_lists_are_usable"}
