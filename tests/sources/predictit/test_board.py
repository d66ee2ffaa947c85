"""The board in a terminal of any width and in pipes, whatever the feed's names hold."""

import csv
import io
import json
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from predictit_assets.sources.predictit.products.board import (
    Odds,
    render,
    render_movers,
    write_csv,
    write_json,
)
from predictit_assets.text import cell, printable

NOON = datetime(2026, 3, 4, 17, tzinfo=UTC)
STEERING = "\x1b]0;owned\x07\x1b[2J\u202eevil\u2069\x9b31m\r\nsecond\tline\x00"


def odds(
    contract: str = "Democratic", market: str = "Which party wins Ohio?", **more: object
) -> Odds:
    row: Odds = {
        "polled_at": NOON.replace(tzinfo=None),
        "market_id": 1,
        "market_name": market,
        "market_short_name": market,
        "market_url": "https://www.example.org/markets/1",
        "contract_name": contract,
        "contract_short_name": contract,
        "last_trade_price": Decimal("0.62"),
        "bid": Decimal("0.61"),
        "ask": None,
        "implied_probability": Decimal("0.6"),
        "since_close": Decimal("-0.05"),
        "change_24h": Decimal("0.11"),
        "change_7d": None,
        "last_day": [Decimal("0.5")] * 24,
    }
    return row | more


def shown(width: int, *rows: Odds, movers: bool = False) -> str:
    console = Console(width=width, file=io.StringIO(), record=True)
    now = NOON + timedelta(minutes=3)
    console.print(
        render_movers(rows, 100, width, now) if movers else render(rows, 100, 100, width, now)
    )
    return console.export_text()


@pytest.mark.parametrize(
    ("width", "missing"),
    [
        (120, set()),
        (80, {"last day"}),
        (72, {"last day", "7 d"}),
        (66, {"last day", "7 d", "24 h"}),
        (62, {"last day", "7 d", "24 h", "ask"}),
        (40, {"last day", "7 d", "24 h", "ask", "bid"}),
    ],
)
@pytest.mark.parametrize("movers", [False, True])
def test_a_narrow_terminal_drops_columns_and_no_names(
    width: int, missing: set[str], movers: bool
) -> None:
    text = shown(width, odds(), odds("Republican or independent"), movers=movers)
    headings = {"last", "since", "close", "24 h", "7 d", "bid", "ask", "implied", "last day"}
    assert {name for name in headings if not re.search(rf"(?<!\S){name}(?!\S)", text)} == missing
    words = set(text.split())
    assert words >= {"Democratic", "Republican", "or", "independent", "party", "-5", "62", "60%"}
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width


def test_the_board_tells_how_old_the_odds_are() -> None:
    assert "12:00 Eastern, 3 minutes old; in cents" in " ".join(shown(100, odds()).split())


def test_a_market_of_one_contract_of_its_name_is_one_line() -> None:
    text = shown(100, odds("Will it rain?", "Will it rain?"))
    (line,) = [line for line in text.splitlines() if "rain" in line]
    assert "62" in line


def test_names_steer_no_terminal() -> None:
    for movers in (False, True):
        text = shown(100, odds(STEERING, STEERING + "!"), movers=movers)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert printable(STEERING) == "]0;owned[2Jevil31m second line"


def test_csv_holds_no_formulas_and_json_all_characters() -> None:
    names = ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "plain", STEERING, '=HYPERLINK("x")']
    rows = [odds(name) for name in names]
    as_csv, as_json = io.StringIO(), io.StringIO()
    write_csv(rows, as_csv)
    write_json(rows, as_json)
    from_csv = [row["contract_name"] for row in csv.DictReader(io.StringIO(as_csv.getvalue()))]
    assert from_csv == [
        "'=1+1",
        "'+1",
        "'-1",
        "'@a",
        "'=1",
        "'=1",
        "plain",
        printable(STEERING),
        '\'=HYPERLINK("x")',
    ]
    first = next(csv.DictReader(io.StringIO(as_csv.getvalue())))
    assert (first["since_close"], first["ask"]) == ("-0.05", "")
    assert [row["contract_name"] for row in json.loads(as_json.getvalue())] == names
    for text in (as_csv.getvalue(), as_json.getvalue()):
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert cell("Île ≥ 5") == "Île ≥ 5"
