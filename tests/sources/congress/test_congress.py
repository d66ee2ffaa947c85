"""Congress: from Benzinga's answers over a real socket to staged rows, worked out by hand."""

import json
import logging
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
from asking import ask_again, held, silent
from deaths import Killed, dying
from hypothesis import given
from hypothesis import strategies as st

from predictit_assets import factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.errors import FetchError, SettingsError
from predictit_assets.fetch import client as fetch_client
from predictit_assets.fetch.client import KeyRefused
from predictit_assets.instance.runs import run_build
from predictit_assets.layers.intake import Intake
from predictit_assets.sample.clock import SettableClock
from predictit_assets.sample.http import Answer
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.congress.ask import PATH, checkpoints
from predictit_assets.sources.congress.fake import FakeCongress, traps
from predictit_assets.sources.congress.settings import CongressSettings
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore
from predictit_assets.storage.stream import Stream

CONGRESS = load("congress")
TRADES = CONGRESS.dataset("trades")
TOKEN = "s3cret/with+odd=chars"  # noqa: S105
LATER = datetime(2024, 3, 31, 12, tzinfo=UTC)
DAY = date(2024, 3, 5)
AT = datetime(2024, 3, 6, 17, 0, 0, 5, tzinfo=UTC)

RECORD: dict[str, Any] = {
    "id": "65e7a1c2d3b4a5968778695a",
    "transaction_id": "9f2c1e",
    "report_id": "20099999",
    "report_date": "2024-03-05",
    "notification_date": "2024-03-04",
    "transaction_date": "2024-02-08",
    "transaction_type": "S (Partial)",
    "amount": "$1,001 - $15,000",
    "amendment_number": 1,
    "chamber": "House",
    "ownership": "",
    "description": "a \0 NUL",
    "disclosure_url": "https://reports.example.org/20099999.pdf",
    "updated": 1709733730,
    "security": {"name": "Example &amp; Sons <i>L.P.</i>", "ticker": "EXP-B", "type": "STOCK"},
    "filer_info": {
        "id": "5ab1c2d3e4f5061728394a5b",
        "member_id": "E000999",
        "member_name": "Jane Q. Example",
        "display_name": "Jane Example",
        "chamber": "Senate",
        "status": "Member",
        "party": "D",
        "state": "PR",
        "district": "0",
        "headshot": "",
        "website": "https://members.example.org/",
        "committees": {"House B": ["Sub 2", "Sub 1"], "House A": []},
        "leadership_positions": ["Whip", "Chair"],
        "updated": 1709200000,
    },
}
ROW = {
    "partition_date": date(2024, 3, 5),
    "captured_at": datetime(2024, 3, 6, 17, 0, 0, 5),
    "part": "p2",
    "page": 2,
    "position": 0,
    "amendment_number": 1,
    "amount": "$1,001 - $15,000",
    "chamber": "House",
    "disclosure_url": "https://reports.example.org/20099999.pdf",
    "committees": '{"House A":[],"House B":["Sub 1","Sub 2"]}',
    "display_name": "Jane Example",
    "district": "0",
    "headshot": "",
    "member_record_id": "5ab1c2d3e4f5061728394a5b",
    "leadership_positions": '["Chair","Whip"]',
    "member_id": "E000999",
    "member_name": "Jane Q. Example",
    "party": "D",
    "state": "PR",
    "member_updated_at": datetime(2024, 2, 29, 9, 46, 40),
    "website": "https://members.example.org/",
    "trade_record_id": "65e7a1c2d3b4a5968778695a",
    "notification_date": date(2024, 3, 4),
    "ownership": "",
    "report_date": date(2024, 3, 5),
    "report_id": "20099999",
    "security_name": "Example &amp; Sons <i>L.P.</i>",
    "security_ticker": "EXP-B",
    "security_type": "STOCK",
    "transaction_date": date(2024, 2, 8),
    "transaction_id": "9f2c1e",
    "transaction_type": "S (Partial)",
    "record_updated_at": datetime(2024, 3, 6, 14, 2, 10),
    "description": "a  NUL",
    "filer_status": "Member",
    "filer_chamber": "Senate",
}


def payload(body: Any, part: str = "p2", at: datetime = AT) -> Payload:
    return Payload(DAY, at, body if isinstance(body, bytes) else json.dumps(body).encode(), part)


def rows_of(*payloads: Payload) -> dict[str, list[dict[str, Any]]]:
    return {table: batch.to_pylist() for table, batch in TRADES.rows(payloads).items()}


def spoilt(path: str, *value: Any) -> dict[str, Any]:
    """The record without a key, or with another value of it."""
    record = json.loads(json.dumps(RECORD))
    *above, key = path.split(".")
    place = record[above[0]] if above else record
    if value:
        place[key] = value[0]
    else:
        del place[key]
    return record  # type: ignore[no-any-return]


# Rows


def test_every_column_of_a_record_is_as_worked_out_by_hand() -> None:
    rows = rows_of(payload({"data": [RECORD]}))
    assert rows["congress_trades"] == [ROW]
    assert list(rows["congress_trades"][0]) == list(ROW)
    assert rows["rejected_congress_trades"] == []


def test_what_may_be_missing_is_null() -> None:
    needed = {
        *("id", "transaction_id", "report_date", "transaction_date", "transaction_type"),
        *("amount", "updated"),
    }
    least = {key: RECORD[key] for key in needed}
    least["filer_info"] = {"member_id": "E000999", "updated": 1709200000}
    nulls = {**least, "security": None, "notification_date": None, "ownership": None}
    for record in (least, nulls):
        (row,) = rows_of(payload({"data": [record]}))["congress_trades"]
        told = {name: value for name, value in row.items() if value is not None}
        assert told == {
            name: ROW[name]
            for name in ("partition_date", "captured_at", "part", "page", "position", "amount")
        } | {
            name: ROW[name]
            for name in ("member_id", "member_updated_at", "trade_record_id", "report_date")
        } | {
            name: ROW[name] for name in ("transaction_date", "transaction_id", "transaction_type")
        } | {"record_updated_at": ROW["record_updated_at"]}


@pytest.mark.parametrize(
    ("record", "path"),
    [
        (spoilt("id"), "$.data[1]"),
        (spoilt("id", ""), "$.data[1].id"),
        (spoilt("transaction_id"), "$.data[1]"),
        (spoilt("transaction_id", "\0"), "$.data[1].transaction_id"),
        (spoilt("report_date"), "$.data[1]"),
        (spoilt("report_date", "03/05/2024"), "$.data[1].report_date"),
        (spoilt("transaction_date"), "$.data[1]"),
        (spoilt("transaction_date", "2024-02-30"), "$.data[1].transaction_date"),
        (spoilt("transaction_date", "20240208"), "$.data[1].transaction_date"),
        (spoilt("transaction_type"), "$.data[1]"),
        (spoilt("amount"), "$.data[1]"),
        (spoilt("amount", 1001), "$.data[1].amount"),
        (spoilt("amount", None), "$.data[1].amount"),
        (spoilt("updated"), "$.data[1]"),
        (spoilt("updated", "1709733730"), "$.data[1].updated"),
        (spoilt("updated", 10**15), "$.data[1].updated"),
        (spoilt("updated", True), "$.data[1].updated"),
        (spoilt("notification_date", "soon"), "$.data[1].notification_date"),
        (spoilt("filer_info"), "$.data[1]"),
        (spoilt("filer_info.member_id"), "$.data[1].filer_info"),
        (spoilt("filer_info.member_id", ""), "$.data[1].filer_info.member_id"),
        (spoilt("filer_info.updated"), "$.data[1].filer_info"),
        (spoilt("filer_info.committees", ["a"]), "$.data[1].filer_info.committees"),
        (spoilt("security.ticker", 1), "$.data[1].security.ticker"),
        (spoilt("amendment_number", 2**63), "$.data[1].amendment_number"),
        ("a text", "$.data[1]"),
        (None, "$.data[1]"),
    ],
)
def test_a_bad_record_costs_a_record(record: Any, path: str) -> None:
    page = payload({"data": [RECORD, record, RECORD]})
    rows = rows_of(page)
    assert [row["position"] for row in rows["congress_trades"]] == [0, 2]
    (bad,) = rows["rejected_congress_trades"]
    assert (bad["position"], bad["path"]) == (1, path)
    assert bad["reason"]
    assert json.loads(bad["content"]) == record
    assert rows["congress_answers"][0]["row_count"] == 3
    validation = TRADES.validate(page)
    assert (validation.counts, validation.rejected) == ({"trades": 2}, 1)


@pytest.mark.parametrize("text", [b'"\xff"', b'"\\ud800"', b"[" * 300 + b"]" * 300])
def test_a_record_that_cannot_be_read_costs_a_record(text: bytes) -> None:
    sound = json.dumps(RECORD).encode()
    bad = sound.replace(b'["Whip", "Chair"]', b"[" + text + b"]")
    rows = rows_of(payload(b'{"data":[' + bad + b"," + sound + b"]}"))
    # What is nested is odd, and can be read.
    assert len(rows["congress_trades"]) == 2 - len(rows["rejected_congress_trades"])
    assert rows["congress_trades"][-1] == ROW | {"position": 1}
    assert (text[:1] == b"[") == (rows["rejected_congress_trades"] == [])


def test_a_replacement_character_is_a_character() -> None:
    """Whoever sends U+FFFD, escaped or not, has sent no half of one."""
    sent = payload({"data": [RECORD | {"description": "a \ufffd"}]})
    assert b"\\ufffd" in sent.read()
    (row,) = TRADES.rows([sent])["congress_trades"].to_pylist()
    assert row["description"] == "a \ufffd"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"data": [RECORD]}, "rows"),
        ({"data": ["bad"]}, "rows"),
        ({"data": []}, "empty"),
        ([], "empty"),
        ({"ok": False, "errors": [{"code": "no_data_found", "value": "…"}]}, "not_found"),
    ],
)
def test_every_answer_leaves_a_row_that_says_what_it_was(body: Any, kind: str) -> None:
    (answer,) = rows_of(payload(body))["congress_answers"]
    rows = 1 if kind == "rows" else 0
    assert answer == {
        **{name: ROW[name] for name in ("partition_date", "captured_at", "part", "page")},
        **{"answer_kind": kind, "row_count": rows, "is_last": not rows},
    }


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "$"),
        ([RECORD], "$"),
        ({"data": None}, "$.data"),
        ({"data": {}}, "$.data"),
        ({"ok": False, "errors": [{"code": "auth_failed", "value": ""}]}, "$"),
        ({"ok": True, "errors": [{"code": "no_data_found", "value": ""}]}, "$"),
        ({"ok": False, "errors": []}, "$"),
        ({"message": "no such resource"}, "$"),
        (b"404 page not found", "$"),
    ],
)
def test_a_broken_container_is_quarantined(body: Any, path: str) -> None:
    with pytest.raises(InvalidPayload) as fault:
        TRADES.validate(payload(body))
    assert fault.value.path == path


def test_a_payload_that_names_no_page_is_invalid() -> None:
    for part in ("", "p", "p-1", "p01", "p0\n", "page"):
        with pytest.raises(InvalidPayload):
            TRADES.validate(payload([], part))


def test_new_keys_are_named_by_their_path() -> None:
    record = spoilt("security.cusip", 1) | {"cap_gains": False}
    record["filer_info"]["gender"] = "F"
    assert TRADES.validate(payload({"data": [record], "meta": {}})).new_fields == [
        "$.data[].cap_gains",
        "$.data[].filer_info.gender",
        "$.data[].security.cusip",
        "$.meta",
    ]


BAD = spoilt("id")


@given(st.lists(st.lists(st.booleans(), max_size=4), min_size=1, max_size=4), st.randoms())
def test_a_page_has_the_same_rows_whatever_comes_before_it(
    pages: list[list[bool]], random: Any
) -> None:
    payloads = [
        payload(
            {"data": [RECORD if sound else BAD for sound in page]},
            f"p{number}",
            AT + timedelta(seconds=number),
        )
        for number, page in enumerate(pages)
    ]
    shuffled = random.sample(payloads, len(payloads))
    expected, found = rows_of(*payloads), rows_of(*shuffled)
    for table, rows in expected.items():
        assert sorted(map(repr, rows)) == sorted(map(repr, found[table]))
    assert len(expected["congress_trades"]) == sum(map(sum, pages))
    assert len(expected["rejected_congress_trades"]) == sum(
        not sound for page in pages for sound in page
    )
    assert [one["row_count"] for one in expected["congress_answers"]] == list(map(len, pages))


# When


@pytest.mark.parametrize(
    ("day", "utc"),
    [
        # Clocks go forward on Sunday the 10th: 18:30 is 23:30 UTC before, 22:30 after.
        ("2024-03-09", ["03-09T23:30", "03-10T13:30", "03-10T16:30", "03-10T22:30", "03-11T13:30"]),
        ("2024-11-02", ["11-02T22:30", "11-03T14:30", "11-03T17:30", "11-03T23:30", "11-04T14:30"]),
    ],
)
def test_checkpoints_keep_to_the_clock_in_new_york(day: str, utc: list[str]) -> None:
    moments = checkpoints(date.fromisoformat(day), "")
    assert moments[:5] == [datetime.fromisoformat(f"2024-{one}:00+00:00") for one in utc]
    assert moments == sorted(moments)
    after = [(one.date() - date.fromisoformat(day)).days for one in moments]
    assert after == [0, 1, 1, 1, 2, 3, 4, 5, 6, 7, 14, 30, 60, 120, 400]


# Asking, over a socket


@pytest.fixture
def clock() -> SettableClock:
    """What time it is for the API."""
    return SettableClock(LATER)


@pytest.fixture
def api(clock: SettableClock) -> Iterator[SampleServer]:
    """The made-up API behind a real socket."""
    with SampleServer(FakeCongress(TOKEN), clock=clock) as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No backoff between two tries."""
    monkeypatch.setattr(fetch_client, "wait_exponential_jitter", lambda **_: lambda _state: 0.0)


@pytest.fixture
def on(api: SampleServer) -> Enabled:
    """The source, on."""
    return Enabled(
        CONGRESS, CongressSettings(api_url=api.url, api_key=TOKEN, calls_a_minute=60_000)
    )


@pytest.fixture
def intake(settings: Settings, on: Enabled) -> Intake:
    """How trades are asked for."""
    return factory.intake(settings, on, TRADES)


def staged(intake: Intake, day: date) -> dict[str, list[dict[str, Any]]]:
    return rows_of(*held(intake, day))


def test_more_than_a_page_is_all_of_it(intake: Intake, api: SampleServer) -> None:
    assert intake.ask_due(silent, [traps.TWO_PAGES]).calls == 3
    rows = staged(intake, traps.TWO_PAGES)
    assert [(one["page"], one["row_count"]) for one in rows["congress_answers"]] == [
        (0, 1000),
        (1, 100),
        (2, 0),
    ]
    assert len({row["transaction_id"] for row in rows["congress_trades"]}) == 1100
    assert [request.query["page"] for request in api.requests] == ["0", "1", "2"]
    assert {request.query["date"] for request in api.requests} == {"2024-03-06"}


def test_a_day_without_rows_is_one_answer_of_either_kind(intake: Intake) -> None:
    days = [date(2024, 3, 16), date(2024, 3, 17)]
    assert intake.ask_due(silent, days).calls == 2
    kinds = {one["answer_kind"] for day in days for one in staged(intake, day)["congress_answers"]}
    assert kinds == {"empty", "not_found"}


def test_a_record_appears_changes_moves_and_is_withdrawn(
    intake: Intake, clock: SettableClock
) -> None:
    def amounts(day: date) -> list[str]:
        newest = held(intake, day)
        page = [one for one in newest if one.part == "p0"][-1]
        return [row["amount"] for row in rows_of(page)["congress_trades"]]

    low, high = "$1,001 - $15,000", "$15,001 - $50,000"
    day = traps.CHANGES
    clock.set(datetime(2024, 3, 8, 13, 59, tzinfo=UTC))
    assert ask_again(intake, day) == ["p0"]
    assert amounts(day) == []
    clock.set(datetime(2024, 3, 8, 14, tzinfo=UTC))
    assert ask_again(intake, day) == ["p0", "p1"]
    assert amounts(day) == [low, low, low]
    assert ask_again(intake, day) == []
    clock.set(traps.CHANGED_AT)
    assert ask_again(intake, day) == ["p0"]
    assert amounts(day) == [high, low, low]
    clock.set(traps.MOVED_AT)
    assert ask_again(intake, day) == ["p0"]
    assert amounts(day) == [high, low]
    ask_again(intake, traps.MOVES_TO)
    assert amounts(traps.MOVES_TO) == [low]
    # The last of its day: an answer without rows is new.
    assert ask_again(intake, traps.WITHDRAWN) == ["p0", "p1"]
    clock.set(traps.WITHDRAWN_AT)
    assert ask_again(intake, traps.WITHDRAWN) == ["p0"]
    assert amounts(traps.WITHDRAWN) == []


def test_a_member_who_changes_party_is_sent_as_of_today(
    intake: Intake, clock: SettableClock
) -> None:
    ask_again(intake, traps.TURNS)
    clock.set(LATER + timedelta(days=2))
    ask_again(intake, traps.TURNS)
    rows = staged(intake, traps.TURNS)["congress_trades"]
    assert [row["party"] for row in rows] == ["R", "I"]
    assert rows[0]["member_updated_at"] < rows[1]["member_updated_at"]
    assert rows[0]["record_updated_at"] == rows[1]["record_updated_at"]


def test_an_amendment_repeats_rows_and_twins_are_kept(intake: Intake) -> None:
    intake.ask_due(silent, [traps.ORIGINAL, traps.AMENDED])
    original = staged(intake, traps.ORIGINAL)["congress_trades"]
    amended = staged(intake, traps.AMENDED)["congress_trades"]

    def key(row: dict[str, Any]) -> tuple[Any, ...]:
        names = ("member_id", "security_name", "transaction_date", "transaction_type", "amount")
        return tuple(row[name] for name in names)

    assert len(original) == len(amended) == 25
    assert len({key(row) for row in original}) == 24
    assert len({row["transaction_id"] for row in [*original, *amended]}) == 50
    assert sum(key(row) in {key(one) for one in original} for row in amended) == 22
    assert {row["amendment_number"] for row in amended} == {1}


def test_texts_are_staged_as_sent_without_nul(intake: Intake) -> None:
    intake.ask_due(silent, [traps.AMOUNTS, traps.NAMES])
    amounts = [row["amount"] for row in staged(intake, traps.AMOUNTS)["congress_trades"]]
    assert tuple(amounts) == traps.SENT_AMOUNTS
    rows = staged(intake, traps.NAMES)["congress_trades"]
    assert tuple(row["security_ticker"] for row in rows[: len(traps.SENT_TICKERS)]) == (
        traps.SENT_TICKERS
    )
    names = {row["security_name"] for row in rows}
    assert {"Example &amp; Sons <i>Class A</i>", "  Nul and   Void  "} <= names


def test_an_asking_that_is_killed_at_any_operation_is_ended_by_the_next(
    on: Enabled, settings: Settings, tmp_path: Path
) -> None:
    days = [traps.CHANGES, traps.TURNS, date(2024, 3, 16)]
    expected: list[tuple[date, str, bytes]] | None = None

    def intake_of(objects: Any) -> Intake:
        payloads = PayloadStore(
            objects, CONGRESS.name, TRADES.name, TRADES.calendar, day_is_capture=False
        )
        stream = Stream(CONGRESS, TRADES, payloads, days[0])
        whole = factory.intake(settings, on, TRADES)
        return Intake(stream, on.settings, whole.client, whole.max_body)

    for operations in count():
        objects = ObjectStore(tmp_path / str(operations))
        died = False
        try:
            intake_of(dying(objects, operations)).ask_due(silent, days)
        except Killed:
            died = True
        again = intake_of(objects)
        again.ask_due(silent, days)
        assert again.due(days) == []
        bodies = [(day, one.part, one.read()) for day in days for one in held(again, day)]
        expected = expected or sorted(bodies)
        assert sorted(bodies) == expected
        if not died:
            break
    assert operations > 15
    assert [(day, part) for day, part, _ in expected or []] == [
        (traps.CHANGES, "p0"),
        (traps.CHANGES, "p1"),
        (traps.TURNS, "p0"),
        (traps.TURNS, "p1"),
        (date(2024, 3, 16), "p0"),
    ]


def test_an_ignored_page_costs_its_day_only(intake: Intake, api: SampleServer) -> None:
    api.fail_with("ok", "ignored-page")
    result = intake.ask_due(silent, [traps.CHANGES, traps.TURNS])
    assert list(result.failed) == [traps.CHANGES]
    assert "page 1 repeats" in result.failed[traps.CHANGES]
    assert result.asked == [traps.TURNS]
    assert intake.due([traps.CHANGES, traps.TURNS]) == [traps.CHANGES]


def test_a_page_that_cannot_be_read_is_kept_and_its_day_stays_due(
    intake: Intake, api: SampleServer
) -> None:
    api.fail_with(Answer(b'{"message": "no such resource"}', 404))
    result = intake.ask_due(silent, [traps.CHANGES])
    assert "can't be read" in result.failed[traps.CHANGES]
    (page,) = held(intake, traps.CHANGES)
    with pytest.raises(InvalidPayload):
        TRADES.validate(page)
    assert intake.due([traps.CHANGES]) == [traps.CHANGES]
    assert intake.ask_due(silent, [traps.CHANGES]).asked == [traps.CHANGES]


def test_a_passing_500_is_tried_again(intake: Intake, api: SampleServer) -> None:
    api.fail_with("500-envelope")
    result = intake.ask_due(silent, [traps.TURNS])
    assert (result.asked, result.calls) == ([traps.TURNS], 3)


def test_a_backfill_says_its_cost_and_goes_on_where_its_calls_ended(
    settings: Settings, on: Enabled
) -> None:
    days = [traps.AMOUNTS, traps.NAMES, traps.TWO_PAGES]
    few = Enabled(CONGRESS, on.settings.model_copy(update={"max_calls": 5}))
    said: list[str] = []
    first = factory.intake(settings, few, TRADES).ask_due(said.append, days)
    assert "3 days are due: about 6 calls" in said[0]
    assert (first.asked, first.left) == (days[:2], days[2:])
    second = factory.intake(settings, few, TRADES).ask_due(silent, days)
    assert (second.asked, second.left) == (days[2:], [])


def test_the_made_up_api_is_as_strict_as_the_real_one(api: SampleServer) -> None:
    def status(**query: str) -> tuple[int, Any]:
        headers = {"Accept": "application/json"}
        got = requests.get(f"{api.url}{PATH}", params=query, headers=headers, timeout=10)
        return got.status_code, got.json()

    for wrong in ({}, {"token": "wrong"}):
        code, said = status(date="2024-03-05", **wrong)
        assert (code, said["ok"], said["errors"][0]["code"]) == (401, False, "auth_failed")
    sound = {"token": TOKEN, "date": "2024-03-06"}
    assert status(**sound, pagesize="1001")[0] == 400
    assert status(**sound, page="-1")[0] == 400
    assert status(**sound, tickers="EXPL")[0] == 400
    assert status(token=TOKEN, date="20240306")[0] == 400
    assert len(status(**sound)[1]["data"]) == 50
    assert status(**sound, pagesize="1000", page="2") == (200, [])
    only = status(**sound, chamber="Senate", pagesize="1000")[1]["data"]
    assert {one["chamber"] for one in only} == {"Senate"}
    # The same time gives the same answer.
    assert status(**sound) == status(**sound)


# The road, and what is told on it


def test_the_token_reaches_nothing(
    intake: Intake,
    settings: Settings,
    on: Enabled,
    api: SampleServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    intake.ask_due(said.append, [traps.AMOUNTS])
    assert api.requests[-1].query["token"] == TOKEN
    api.fail_with("503", "html", Answer(f"<{TOKEN}>".encode(), 404), "truncated")
    for _ in range(3):
        said += intake.ask_due(said.append, [traps.NAMES]).failed.values()
    api.fail_with("redirect")
    with pytest.raises(FetchError) as led_away:
        intake.ask_due(said.append, [traps.TWO_PAGES])
    api.fail_with("401")
    with pytest.raises(KeyRefused) as refused:
        intake.ask_due(said.append, [traps.TWO_PAGES])
    build = run_build(
        build_definitions(settings, [on]),
        dg.DagsterInstance.ephemeral(),
        build_job_name("congress"),
        DayRange(traps.AMOUNTS, traps.AMOUNTS),
        silent,  # type: ignore[arg-type]
    )
    out = capfd.readouterr()
    texts = [
        *said,
        str(led_away.value),
        repr(led_away.value),
        str(refused.value),
        repr(refused.value),
        caplog.text,
        out.out,
        out.err,
    ]
    texts += [repr(on), str(build)]
    encoded = requests.models.PreparedRequest()
    encoded.prepare_url("http://a.example", {"token": TOKEN})
    forms = {TOKEN, (encoded.url or "").rpartition("=")[2]}
    assert not [text for text in texts for form in forms if form in text]
    files = [file for file in settings.home.rglob("*") if file.is_file()]
    assert files
    wrong_files = [
        file
        for file in files
        for form in forms
        if form in str(file) or form.encode() in file.read_bytes()
    ]
    assert wrong_files == []


def test_odd_days_are_built_and_their_checks_warn(
    intake: Intake, settings: Settings, on: Enabled
) -> None:
    intake.ask_due(silent, [traps.BAD_ROWS])
    warnings = run_build(
        build_definitions(settings, [on]),
        dg.DagsterInstance.ephemeral(),
        build_job_name("congress"),
        DayRange(traps.BAD_ROWS, traps.BAD_ROWS),
        silent,  # type: ignore[arg-type]
    ).warnings
    for words in ("rejected rows", "unknown fields", "before its trade"):
        assert any(words in text for text in warnings), warnings
    with factory.warehouse(settings).read_connection() as query:
        rows = query(
            "select state, transaction_date, notification_date from staging.congress_trades"
            " order by position"
        )
        rejected = query(
            "select position, path from staging.rejected_congress_trades order by position"
        )
    assert len(rows) == 4
    assert rows[0][0] == "GU"
    assert rows[1][1] == date(2202, 2, 13)
    assert rows[3][2] is None
    assert rejected == [
        (1, "$.data[1]"),
        (4, "$.data[4].transaction_date"),
        (5, "$.data[5].amendment_number"),
    ]


def test_a_source_without_its_token_says_which_variable_is_missing(settings: Settings) -> None:
    keyless = Enabled(CONGRESS, CongressSettings())
    with pytest.raises(SettingsError, match="PREDICTIT_CONGRESS_API_KEY") as fault:
        factory.intake(settings, keyless, TRADES).ask_due(silent)
    assert "needs" in str(fault.value)
