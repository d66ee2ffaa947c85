"""Core of congress: all rows and columns, compared with what an oracle makes of the staged rows."""

import json
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sources.congress import congress_oracle as oracle
from staged import run_dbt

from predictit_assets import factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.arrival import ByDay
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.instance.runs import run_build
from predictit_assets.sample.clock import SettableClock
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.congress.fake import FakeCongress, traps
from predictit_assets.sources.congress.fake.benzinga import TOKEN
from predictit_assets.sources.congress.settings import CongressSettings

CONGRESS = load("congress")
TRADES = CONGRESS.dataset("trades")
ORDINARY = traps.END
"""From here on, four weeks hold everything that ordinary days have."""
LAST = ORDINARY + timedelta(days=27)
SILENT = [date(2024, 3, 16), date(2024, 3, 17)]
ASKED = [*traps.TRAPS, traps.MOVES_TO, *SILENT, *(ORDINARY + timedelta(days=n) for n in range(28))]
AGAIN = (1, 7, 30)
"""Days after a report day on which it is asked about."""

Rows = list[dict[str, Any]]


def build(settings: Settings, first: date, last: date) -> list[str]:
    """Build days as `predictit build congress` does; the warnings."""
    on = Enabled(CONGRESS, CongressSettings(api_key=TOKEN))
    return run_build(
        build_definitions(settings, [on]),
        dg.DagsterInstance.ephemeral(),
        build_job_name("congress"),
        DayRange(first, last),
        lambda _progress: None,
    ).warnings


def table(settings: Settings, name: str, order: Sequence[str]) -> Rows:
    with factory.warehouse(settings).connect() as sql:
        found = sql.execute(f"select * from {name} order by {', '.join(order)}")
        columns = [column[0] for column in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def built(settings: Settings) -> dict[str, Rows]:
    return {name: table(settings, f"core.{name}", grain) for name, grain in oracle.GRAIN.items()}


def expected(settings: Settings) -> dict[str, Rows]:
    answer = ("partition_date", "captured_at", "part")
    return oracle.core(
        table(settings, "staging.congress_trades", (*answer, "position")),
        table(settings, "staging.congress_answers", answer),
    )


def assert_same(found: dict[str, Rows], wanted: dict[str, Rows]) -> None:
    """All rows and columns: what differs is told by table, row and column."""
    for name, rows in wanted.items():
        grain = oracle.GRAIN[name]
        keys = [tuple(row[column] for column in grain) for row in rows]
        assert [tuple(row[column] for column in grain) for row in found[name]] == keys, name
        differing = [
            (name, key, column, had.get(column, "no such column"), row.get(column, "not expected"))
            for key, had, row in zip(keys, found[name], rows, strict=True)
            for column in {**had, **row}
            if had.get(column, ...) != row.get(column, ...)
        ]
        assert differing == []


def staged_copy(settings: Settings, to: Path) -> Settings:
    """A home that has the staging tables of another, and nothing that is made of them."""
    copy = Settings(home=to, lock_timeout=20)
    to.mkdir()
    shutil.copyfile(settings.duckdb_file, copy.duckdb_file)
    with factory.warehouse(copy).connect() as sql:
        for layer in ("core", "marts", "live"):
            sql.execute(f"drop schema if exists {layer} cascade")
    return copy


# What the made-up API tells in two months


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Each day asked about three times over a socket, and built. Not to be changed."""
    settings = Settings(home=tmp_path_factory.mktemp("asked") / "home", lock_timeout=20)
    clock = SettableClock(datetime(2024, 3, 1, tzinfo=UTC))
    with SampleServer(FakeCongress(), clock=clock) as server:
        on = Enabled(
            CONGRESS, CongressSettings(api_url=server.url, api_key=TOKEN, calls_a_minute=60_000)
        )
        intake = factory.intake(settings, on, TRADES)
        way = intake.way(ByDay)
        assert way
        asking = intake._asking(intake.client(lambda _text: None, None))
        moments = sorted((day + timedelta(days=after), day) for day in ASKED for after in AGAIN)
        for moment, day in moments:
            clock.set(datetime.combine(moment, datetime.min.time(), UTC) + timedelta(hours=17))
            for page in way.ask(asking, day):
                intake.stream.payloads.land(page)
    build(settings, traps.AMOUNTS, LAST)
    return settings


def test_every_row_of_core_is_the_oracles(asked: Settings) -> None:
    assert_same(built(asked), expected(asked))


def test_what_the_api_tells_has_every_case(asked: Settings) -> None:
    """The comparison would be worth little if the rows held none of what is difficult."""
    core = built(asked)
    facts = core["fact_trades"]

    def seen(column: str) -> set[Any]:
        return {fact[column] for fact in facts}

    assert seen("amount_kind") == {"range", "completed", "open", "exact", "unread"}
    assert len(seen("amount_bucket")) == 12
    assert seen("side") == {"purchase", "sale", "exchange", "other"}
    assert seen("owner") == {"self", "joint", "spouse", "child", "unstated", "other"}
    assert seen("security_kind") >= {"stock", "fund", "option", "bond", "private", "unstated"}
    assert seen("ticker_reason") == {
        *("none", "index", "option", "when_issued", "foreign", "unread"),
        None,
    }
    withdrawn = [fact for fact in facts if fact["is_withdrawn"]]
    assert {fact["partition_date"] for fact in withdrawn} >= {traps.WITHDRAWN}
    assert {fact["counts"] for fact in withdrawn} == {False}
    repeated = [fact for fact in facts if fact["partition_date"] == traps.AMENDED]
    assert Counter(fact["counts"] for fact in repeated) == {
        False: traps.REPEATED,
        True: traps.ROWS_OF_ORIGINAL - traps.REPEATED,
    }
    original = [fact for fact in facts if fact["partition_date"] == traps.ORIGINAL]
    assert Counter(fact["occurrence"] for fact in original) == {1: 24, 2: 1}
    assert all(fact["counts"] for fact in original)
    moved = [fact for fact in facts if fact["versions"] > 1]
    assert traps.MOVES_TO in {fact["partition_date"] for fact in moved}
    assert {row["is_complete"] for row in core["trade_listing_days"]} == {True, False}
    incomplete = [row for row in core["trade_listing_days"] if not row["is_complete"]]
    assert [row["partition_date"] for row in incomplete] == [traps.BAD_ROWS]
    assert set(SILENT) <= {row["partition_date"] for row in core["trade_listing_days"]}
    assert "J900006" in {
        row["member_id"] for row in core["dim_members_history"] if not row["is_current"]
    }


def test_days_in_another_order_and_twice_give_the_same(asked: Settings, tmp_path: Path) -> None:
    again = staged_copy(asked, tmp_path / "again")
    run_dbt(again, DayRange(ORDINARY + timedelta(days=10), LAST), "congress.core")
    run_dbt(again, DayRange(traps.AMOUNTS, ORDINARY + timedelta(days=12)), "congress.core")
    assert_same(built(again), built(asked))


# Made-up answers in which everything collides

SMALL = {
    "report_id": ["R1", "R2", "R3", "", None],
    "amendment_number": [0, 0, 0, 1, 2, None],
    "chamber": ["House", "Senate", "", None],
    "transaction_type": ["P", "S", " s (partial)", "E", "", "?"],
    "ownership": ["SP", "spouse ", "Joint", "Dependent", "", None, "HAMSTER"],
    "description": ["", "a <b>b</b>", "&amp;lt;", None],
    "transaction_date": [
        *("2024-02-08", "2024-02-08", "2024-02-09", "2024-03-05", "2019-03-01", "2202-02-13"),
        *("0001-01-01", "9999-12-31", "2024-03-10"),
    ],
    "notification_date": ["2024-02-09", "2024-03-01", "", None, "2024-02-01", "9999-12-31"],
    "report_date": ["2024-03-05", "2024-03-05", "2024-03-06", "2024-04-08", "2024-03-25"],
    "amount": ["$1,001 - $15,000", "$1,001 -", "Over $1,000,000", "?", "$7.005", "$3 - $1"],
}
NAMES = ["Example &amp; Sons", "Example  &amp;  Sons", "", None, "Other"]
TICKERS = ["EXPL", "expl", "", None, "EXP-B", "EXP.B", "^X", "EXPL -- SMPL"]
TYPES = ["STOCK", " st ", "", None, "GOLDFISH"]
ALIKE = {
    "transaction_type": "P",
    "ownership": "SP",
    "transaction_date": "2024-02-08",
    "amount": "$1,001 - $15,000",
}
"""What most trades have in common, in several reports."""
FIRST = date(2024, 3, 4)
COLLIDING = 8


def _filer(chance: random.Random) -> dict[str, Any]:
    """A member as told at one of few moments, each time perhaps otherwise."""
    return {
        "member_id": chance.choice("ABC"),
        "updated": chance.choice([1707400000, 1707454800, 1707454799, 1709500000, -(10**9)]),
        "party": chance.choice(["R", "D", "X", "", None]),
        "state": chance.choice(["OH", "PR", "ZZ", None]),
        "district": chance.choice(["1", ""]),
        "id": chance.choice(["m1", "m2"]),
        "member_name": chance.choice(["Jane", " Jane ", "<i>Jane</i>"]),
        "committees": chance.choice([{"A": ["1", "2"]}, {"A": ["2", "1"]}, {}, None]),
    }


def _record(chance: random.Random) -> dict[str, Any]:
    record: dict[str, Any] = {name: chance.choice(values) for name, values in SMALL.items()}
    record |= {
        "id": chance.choice("xyz"),
        "transaction_id": f"t{chance.randrange(150):03}",
        "updated": 1709700000 + chance.randrange(4),
        "security": {
            "name": chance.choice(NAMES),
            "ticker": chance.choice(TICKERS),
            "type": chance.choice(TYPES),
        },
        "filer_info": _filer(chance),
    }
    if chance.random() < 0.6:
        record |= ALIKE
        record["security"]["ticker"] = chance.choice(["EXP-B", "EXP/B", "EXP.A"])
        record["filer_info"]["member_id"] = "A"
    if chance.random() < 0.004:
        record["amount"] = None
    return record


def _colliding(chance: random.Random) -> Iterator[Payload]:
    """Askings of a few days: pages are lost, end early, and hold each other's records."""
    at = datetime(2024, 3, 20, tzinfo=UTC)
    for _ in range(3):
        for n in range(COLLIDING):
            day = FIRST + timedelta(days=n)
            pages = chance.randrange(4)
            for page in range(pages + 1):
                at += timedelta(microseconds=chance.randrange(1, 3))
                records = [_record(chance) for _ in range(20 if page < pages else 0)]
                if chance.random() > 0.3:
                    yield Payload(day, at, json.dumps({"data": records}).encode(), f"p{page}")


PIECES = {
    "ticker": [
        *("A", "B", "P", "p", "C", "WS", "WI", "EXPL", "expl", "EXPLAN", "^", "-", ".", "/", "--"),
        *(" ", "\t", "<b>", "</b>", "&nbsp;", "&amp;", "N/A", "1", "240119C00150000", "é"),
    ],
    "amount": [
        *("$", "$ ", "1,001", "15,001", "15,000", "0.5", ".125", ".375", "999,999,999,999", "0"),
        *(" - ", "over ", "Over", "+", " +", " or less", " OR LESS", "less than ", "Less  than"),
        *("$1,001", "$15,001", "$1,000,000", "$2.345", "\n", "-", "1", "?"),
    ],
}


def _spelled(chance: random.Random, records: int) -> Payload:
    """A page whose tickers and amounts are put together of what the rules look at."""

    def text(kind: str, most: int) -> str:
        return "".join(chance.choices(PIECES[kind], k=chance.randrange(1, most)))

    page = []
    for n in range(records):
        record = _record(chance) | {"transaction_id": f"s{n:04}", "amount": text("amount", 7)}
        record["security"]["ticker"] = text("ticker", 5)
        page.append(record)
    body = json.dumps({"data": page}).encode()
    return Payload(FIRST, datetime(2024, 3, 19, tzinfo=UTC), body, "p0")


def test_colliding_rows_are_the_oracles(settings: Settings, tmp_path: Path) -> None:
    on = Enabled(CONGRESS, CongressSettings(api_key=TOKEN))
    payloads = factory.stream(settings, on, TRADES).payloads
    chance = random.Random(1)  # noqa: S311
    for payload in (_spelled(chance, 2000), *_colliding(chance)):
        payloads.land(payload)
    build(settings, FIRST, FIRST + timedelta(days=COLLIDING - 1))
    found = built(settings)
    assert_same(found, expected(settings))
    facts = found["fact_trades"]
    assert {fact["member_as_of"] for fact in facts} == {"dated", "first known"}
    for column in ("is_withdrawn", "counts", "is_late", "dates_plausible"):
        assert {fact[column] for fact in facts} == {True, False}, column
    for column, cases in (("ticker_reason", 7), ("amount_kind", 5), ("amount_bucket", 6)):
        assert len({fact[column] for fact in facts}) >= cases, column
    assert max(fact["occurrence"] or 0 for fact in facts) > 1
    assert any(fact["repeats_transaction_id"] and fact["counts"] for fact in facts)
    assert {row["is_complete"] for row in found["trade_listing_days"]} == {True, False}

    again = staged_copy(settings, tmp_path / "again")
    last = FIRST + timedelta(days=COLLIDING - 1)
    run_dbt(again, DayRange(FIRST + timedelta(days=3), last), "congress.core")
    run_dbt(again, DayRange(FIRST, FIRST + timedelta(days=4)), "congress.core")
    assert_same(built(again), found)
