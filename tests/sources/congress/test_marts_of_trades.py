"""Marts of trades, by made-up staged rows and an oracle that knows no SQL: all rows and columns."""

import csv
import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import returns_oracle as oracle
from staged import Row, assert_same, build_layers, home_of, run_dbt, stage, table

from predictit_assets.build import build_definitions
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.source import all_tables
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.settings import Settings
from predictit_assets.sources import load

WINDOW = DayRange(date(2024, 1, 2), date(2025, 6, 30))
HELD = DayRange(date(2024, 2, 15), date(2025, 6, 13))
"""The sessions that have bars."""
LAST_DAYS = DayRange(date(2025, 6, 1), WINDOW.last)
"""Marts are made whole, whichever days a build is about."""
OF_BOTH = {"trade_prices", "trade_coverage", "trade_returns", "return_summary"}
ALONE = {"buyer_clusters", "late_filings", "disclosure_lag_1mo", "trade_breakdown_1d"}
SCHEMAS: dict[str, Schema] = {
    name: schema
    for source in ("stocks", "congress")
    for dataset in load(source).datasets
    for name, schema in all_tables(dataset).items()
}
MEMBERS = {
    "A000001": ("D", "OH", "House"),
    "B000002": ("R", "TX", "House"),
    "C000003": ("R", "PR", "House"),
    "D000004": ("I", "VT", "Senate"),
    "E000005": ("D", "XX", "Senate"),
    "F000006": ("", "", ""),
}
TICKERS = ["AAA", "AAA", "AAA", "BBB", "CCC", "brk-b", "KIMpL", "GONE", "", "^SPX", "F.WI", "PENNY"]
LISTED = ["AAA", "BBB", "CCC", "BRK.B", "KIMpL", "PENNY", "SPY", "OTH"]
AMOUNTS = [
    "$1,001 - $15,000",
    "$15,001 - $50,000",
    "$1,001 -",
    "Over $50,000,000",
    "$123.45",
    "unknown",
]


def noon(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time()) + timedelta(hours=17)


def trades(dice: random.Random) -> tuple[list[Row], list[Row]]:
    """Disclosures of a year and a half, and the answers that held them."""
    records: list[Row] = []
    answers: list[Row] = []
    for day in WINDOW.days:
        # A day is asked twice; what the first answer held alone was withdrawn.
        held = dice.choice([0, 0, 2, 3, 8])
        for asking in range(2 if held else 1):
            at = noon(day) + timedelta(days=1 + asking)
            for page in range(2 if held else 1):
                rows = held - asking if page == 0 and held else 0
                answers.append(
                    {
                        "partition_date": day,
                        "captured_at": at + timedelta(seconds=2 * page),
                        "part": f"p{page}",
                        "page": page,
                        "answer_kind": "rows" if rows else "empty",
                        "row_count": rows,
                        "is_last": rows == 0,
                    }
                )
        made = [record(dice, day, f"{day:%y%m%d}{number}") for number in range(held)]
        for asking in range(2):
            records += [
                one | {"captured_at": noon(day) + timedelta(days=1 + asking), "position": place}
                for place, one in enumerate(made[: held - asking])
            ]
    return records, answers


def record(dice: random.Random, day: date, name: str) -> Row:
    member, (party, state, chamber) = dice.choice(list(MEMBERS.items()))
    traded = day - timedelta(days=dice.choice([*range(50), 60, 90, 200]))
    if dice.random() < 0.03:
        traded = dice.choice([date(2202, 1, 3), date(1935, 5, 5), day + timedelta(days=9)])
    reported = day if dice.random() < 0.99 else date(2031, 1, 1)
    return {
        "partition_date": day,
        "captured_at": noon(day),
        "part": "p0",
        "page": 0,
        "position": 0,
        "amendment_number": dice.choice([0, 0, 0, 1]),
        "amount": dice.choice(AMOUNTS),
        "chamber": chamber,
        "disclosure_url": f"https://reports.example.org/{name}",
        "committees": '{"Examples":[]}',
        "display_name": member,
        "district": None,
        "headshot": "",
        "member_record_id": member.lower(),
        "leadership_positions": "[]",
        "member_id": member,
        "member_name": f"Member <b>{member}</b>",
        "party": party,
        "state": state,
        # One changes the party.
        "member_updated_at": datetime(2024, 1, 1),
        "website": "",
        "trade_record_id": f"r{name}",
        "notification_date": dice.choice([None, reported, traded + timedelta(days=3)]),
        "ownership": dice.choice(["", "SP", "Joint"]),
        "report_date": reported,
        "report_id": dice.choice([f"{day:%y%m%d}{member}"] * 9 + ["", None]),
        "security_name": "Something",
        "security_ticker": dice.choice(TICKERS),
        "security_type": dice.choice(["STOCK", "STOCK", "STOCK", "ETF", "OPTION", "BOND"]),
        "transaction_date": traded,
        "transaction_id": f"t{name}",
        "transaction_type": dice.choice(["P", "P", "P", "S", "S (Partial)", "E"]),
        "record_updated_at": noon(day),
        "description": "",
        "filer_status": "Member",
        "filer_chamber": chamber,
    }


def turned(records: list[Row]) -> list[Row]:
    """With a member who joins another party in between."""
    turn = datetime(2024, 9, 1)
    return [
        one | {"party": "I", "chamber": "Senate", "member_updated_at": turn}
        if one["member_id"] == "B000002" and one["captured_at"] > turn
        else one
        for one in records
    ]


def bars(dice: random.Random, sessions: list[date]) -> list[Row]:
    """Bars of most sessions, in which most tickers have one."""
    made = []
    price = dict.fromkeys(LISTED, 50.0)
    for day in sessions:
        # Some sessions were never answered, some tickers had no trade.
        if dice.random() < 0.05:
            continue
        for position, ticker in enumerate(LISTED):
            price[ticker] *= 1 + dice.gauss(0, 0.02)
            if dice.random() < 0.04:
                continue
            # Quotients that end after nine digits are rounded half even.
            close = Decimal(f"{price[ticker]:.2f}") if dice.random() < 0.9 else Decimal("25.6")
            if ticker == "PENNY":
                close = dice.choice([Decimal(0), Decimal("0.000001"), Decimal("0.05")])
            low = close * Decimal("0.9")
            made.append(
                {
                    "partition_date": day,
                    "captured_at": noon(day) + timedelta(hours=9),
                    "part": "",
                    "position": position,
                    "ticker": ticker,
                    "open": close,
                    "high": close + Decimal("0.01"),
                    "low": low.quantize(Decimal("0.000001")),
                    "close": close,
                    "volume": Decimal(dice.randint(1, 10**6)),
                    "vwap": None,
                    "transactions": None,
                    "is_otc": ticker == "PENNY",
                }
            )
    return made


def split(day: date, number: int, ticker: str, before: str, after: str, again: int = 0) -> Row:
    return {
        "partition_date": day,
        "captured_at": noon(day) + timedelta(days=again),
        "part": "p0",
        "page": 0,
        "position": number,
        "split_id": f"E{number}",
        "ticker": ticker,
        "execution_date": day,
        "split_from": Decimal(before),
        "split_to": Decimal(after),
    }


def answered(splits: list[Row]) -> list[Row]:
    """The answers that held these splits."""
    names = ("partition_date", "captured_at", "part", "page")
    counted: dict[tuple[Any, ...], int] = {}
    for one in splits:
        key = tuple(one[name] for name in names)
        counted[key] = counted.get(key, 0) + 1
    return [
        {
            **dict(zip(names, key, strict=True)),
            "answer_kind": "rows",
            "row_count": rows,
            "is_last": True,
        }
        for key, rows in counted.items()
    ]


SPLITS = [
    split(date(2024, 6, 10), 0, "AAA", "1", "10"),
    # Two in one span, with fractions, and one on the last day of spans.
    split(date(2024, 4, 15), 0, "BBB", "0.999", "1.0013"),
    split(date(2024, 5, 20), 0, "BBB", "3", "1"),
    split(date(2024, 10, 1), 0, "BBB", "7", "2"),
    split(date(2024, 8, 5), 0, "CCC", "1", "2"),
    split(date(2024, 8, 5), 1, "CCC", "1", "3"),
    split(date(2025, 1, 6), 0, "SPY", "1", "3"),
    split(date(2025, 3, 3), 0, "kimpl", "1", "2"),
]
LATE = [split(date(2024, 12, 2), 0, "AAA", "20", "1", again=40)]
"""Told two months later."""


@pytest.fixture(scope="module")
def staged() -> dict[str, list[Row]]:
    """A made-up year and a half."""
    dice = random.Random(1789)  # noqa: S311
    records, answers = trades(dice)
    closed = {line["exchange_date"] for line in csv_rows("stocks", "exchange_closures")
              if line["status"] == "closed"}  # fmt: skip
    sessions = [day for day in HELD.days if day.weekday() < 5 and str(day) not in closed]
    return {
        "stock_days": bars(dice, sessions),
        "stock_splits": SPLITS,
        "stock_split_answers": answered(SPLITS),
        "congress_trades": turned(records),
        "congress_answers": answers,
    }


def csv_rows(source: str, name: str) -> list[dict[str, str]]:
    with (DBT_DIR / f"seeds/{source}/core/{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def filled(home: Path, rows: dict[str, list[Row]]) -> Settings:
    settings = home_of(home, "stocks", "congress")
    stage(settings, SCHEMAS, rows)
    return settings


@pytest.fixture(scope="module")
def built(staged: dict[str, list[Row]], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Both sources, in one build each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREDICTIT_STOCKS_START", "2024-01-02")
        settings = filled(tmp_path_factory.mktemp("trades") / "home", staged)
        run_dbt(settings, WINDOW, "stocks.core", "congress.core")
        build_layers(settings, "congress", ["marts"], LAST_DAYS)
    return settings


def core_of(settings: Settings, benchmark: str = "SPY") -> oracle.Core:
    """The tables of core as they are."""
    return oracle.Core(
        table(settings, "core.fact_trades"),
        table(settings, "core.dim_members"),
        {row["state"]: row for row in csv_rows("congress", "us_states")},
        table(settings, "core.dim_exchange_days"),
        table(settings, "core.fact_stock_days"),
        table(settings, "core.fact_stock_splits"),
        benchmark,
    )


def test_marts_are_what_their_definitions_say(built: Settings) -> None:
    expected = oracle.marts(core_of(built))
    assert set(expected) == OF_BOTH | ALONE
    for name, rows in expected.items():
        assert_same(table(built, f"marts.{name}"), rows)


def test_the_made_up_trades_hold_what_the_rules_are_for(built: Settings) -> None:
    """An oracle that never sees a case proves nothing of it."""
    prices = table(built, "marts.trade_prices")
    seen = {row["transaction_status"] for row in prices} | {row["public_status"] for row in prices}
    assert seen == {
        "not_a_stock", "none", "index", "when_issued", "no_session", "before_history", "not_yet",
        "session_missing", "not_listed", "priced",
    }  # fmt: skip
    assert {row["counts"] for row in prices} == {True, False}
    assert any(row["party"] != row["party_now"] for row in prices)
    returns = table(built, "marts.trade_returns")
    assert {row["horizon_sessions"] for row in returns} == set(oracle.HORIZONS)
    assert {row["ticker"] for row in returns} == {"AAA", "BBB", "CCC", "BRK.B", "KIMpL", "PENNY"}
    # One split, two of them, those of fractions, none.
    assert len({row["split_factor"] for row in returns}) > 5
    assert {row["dates_plausible"] for row in returns} == {True, False}
    clusters = table(built, "marts.buyer_clusters")
    assert {row["is_new"] for row in clusters} == {True, False}
    assert {row["is_bipartisan"] for row in clusters} == {True, False}
    assert "unknown" in {row["party"] for row in table(built, "marts.disclosure_lag_1mo")}


@pytest.fixture
def own(staged: dict[str, list[Row]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home of one's own with all that is staged."""
    monkeypatch.setenv("PREDICTIT_STOCKS_START", "2024-01-02")
    return filled(tmp_path / "home", staged)


def test_days_in_any_order_late_splits_and_another_benchmark(
    built: Settings, own: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    half = date(2024, 9, 15)
    later, earlier = DayRange(half, WINDOW.last), DayRange(WINDOW.first, half)
    run_dbt(own, later, "congress.core", "stocks.core", "congress.marts")
    run_dbt(own, earlier, "stocks.core")
    run_dbt(own, earlier, "congress.core")
    build_layers(own, "congress", ["marts"], LAST_DAYS)
    for name in OF_BOTH | ALONE:
        assert table(own, f"marts.{name}") == table(built, f"marts.{name}"), name

    before = table(own, "marts.trade_returns")
    stage(own, SCHEMAS, {"stock_splits": LATE, "stock_split_answers": answered(LATE)})
    day = LATE[0]["partition_date"]
    monkeypatch.setenv("PREDICTIT_STOCKS_BENCHMARK", "OTH")
    build_layers(own, "stocks", ["core"], DayRange(day, day))
    build_layers(own, "congress", ["marts"], DayRange(day, day))
    now = table(own, "marts.trade_returns")
    factors = [{row["split_factor"] for row in rows} for rows in (before, now)]
    assert factors[0] != factors[1]
    for name, rows in oracle.marts(core_of(own, "OTH")).items():
        assert_same(table(own, f"marts.{name}"), rows)


def marts_of(settings: Settings) -> dict[str, dg.AssetSpec]:
    return {
        spec.key.path[-1]: spec
        for spec in build_definitions(settings).resolve_all_asset_specs()
        if spec.key.path[:2] == ["marts", "congress"]
    }


def test_what_needs_both_sources_exists_while_both_are_on(tmp_path: Path) -> None:
    alone = Settings(home=tmp_path / "alone", sources=("congress",))
    assert set(marts_of(alone)) == ALONE
    both = marts_of(Settings(home=tmp_path / "both", sources=("stocks", "congress")))
    assert set(both) == ALONE | OF_BOTH
    above = {dep.asset_key.to_user_string() for dep in both["trade_returns"].deps}
    assert above == {
        "core/stocks/dim_exchange_days",
        "core/stocks/fact_stock_days",
        "core/stocks/fact_stock_splits",
        "marts/congress/trade_prices",
    }


def test_marts_of_congress_alone_are_built_without_prices(
    staged: dict[str, list[Row]], built: Settings, tmp_path: Path
) -> None:
    settings = home_of(tmp_path / "home", "congress")
    own = {name: rows for name, rows in staged.items() if name.startswith("congress")}
    stage(settings, SCHEMAS, own)
    run_dbt(settings, WINDOW, "congress.core")
    build_layers(settings, "congress", ["marts"], LAST_DAYS)
    for name in ALONE:
        assert table(settings, f"marts.{name}") == table(built, f"marts.{name}")
