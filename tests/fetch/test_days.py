"""Asking about days: what is due, within a budget, and nothing is lost whichever call is killed."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from conftest import FEED, NOON, PREDICTIT, predictit
from deaths import Killed, dying
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets.contract.arrival import Asking, ByDay
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import FetchError
from predictit_assets.fetch.client import CallsSpent, KeyRefused, RequestRefused, RetryableError
from predictit_assets.fetch.days import (
    ANSWERED,
    MAX_FAILURES,
    NOTHING,
    REFUSED,
    ask_days,
    due_days,
    forecast,
    is_due,
    is_final,
)
from predictit_assets.layers.intake import Intake
from predictit_assets.storage.asked import Asked, AskedDays
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.stream import Stream

FIRST = date(2026, 3, 1)
DAYS = [FIRST + timedelta(days=n) for n in range(6)]
MOMENTS = st.datetimes(datetime(2026, 3, 1), datetime(2026, 3, 9), timezones=st.just(UTC))


def by_day(checkpoints: Callable[[date, str], list[datetime]], ask: Any = None) -> ByDay:
    return ByDay(ask or (lambda _asking, _day: ()), checkpoints, lambda _settings: 1.0)


# What is due, and what is final


@given(st.lists(MOMENTS, max_size=5).map(sorted), st.none() | MOMENTS, MOMENTS)
def test_a_day_is_due_when_a_checkpoint_has_passed_since_it_was_asked(
    checkpoints: list[datetime], asked_at: datetime | None, now: datetime
) -> None:
    way = by_day(lambda _day, _outcome: checkpoints)
    last = Asked(asked_at, 1, ANSWERED) if asked_at else None

    due = is_due(way, FIRST, last, now)
    final = is_final(way, FIRST, last)

    assert due == any(at <= now and (asked_at is None or asked_at < at) for at in checkpoints)
    assert final == all(asked_at is not None and at <= asked_at for at in checkpoints)
    assert not (due and final)
    # Asked now, it isn't due before the next checkpoint.
    assert not is_due(way, FIRST, Asked(now, 1, ANSWERED), now)


def test_what_came_of_the_last_asking_may_say_when_to_ask_again() -> None:
    def checkpoints(_day: date, outcome: str) -> list[datetime]:
        return [NOON] if outcome == ANSWERED else [NOON, NOON + timedelta(days=1)]

    way, later = by_day(checkpoints), NOON + timedelta(days=2)
    assert is_due(way, FIRST, None, later)
    assert not is_due(way, FIRST, Asked(NOON, 1, ANSWERED), later)
    assert is_final(way, FIRST, Asked(NOON, 1, ANSWERED))
    for outcome in (NOTHING, REFUSED):
        assert is_due(way, FIRST, Asked(NOON, 1, outcome), later)
        assert is_final(way, FIRST, Asked(later, 1, outcome))


@given(st.lists(MOMENTS, max_size=5).map(sorted), MOMENTS, MOMENTS)
def test_from_a_moment_on_a_day_is_not_asked_any_more(
    checkpoints: list[datetime], until: datetime, now: datetime
) -> None:
    way = by_day(lambda _day, _outcome: checkpoints)
    ends = way._replace(until=lambda _day: until)
    assert is_due(ends, FIRST, None, now) == (is_due(way, FIRST, None, now) and now < until)


@given(st.permutations(DAYS), st.sets(st.sampled_from(DAYS)), st.sets(st.sampled_from(DAYS)))
def test_due_days_come_oldest_first_without_holidays(
    days: list[date], holidays: set[date], asked: set[date]
) -> None:
    way = by_day(lambda day, _outcome: [] if day in holidays else [NOON])
    found = due_days(way, days, {day: Asked(NOON, 1, ANSWERED) for day in asked}, NOON)
    assert found == [day for day in DAYS if day not in holidays | asked]


def test_a_forecast_says_how_many_calls_and_hours() -> None:
    said = forecast(DAYS, calls_a_day=2.5, seconds_a_call=720)
    assert "6 days" in said
    assert "15 calls" in said
    assert "3.0 h" in said


# Asking


@dataclass
class Api:
    """An API that has pages of a day, and notices if a page isn't landed before the next call."""

    pages: dict[date, int]
    budget: int | None = None
    killed_at: int | None = None
    """The process is killed at this call."""
    refused: set[date] = field(default_factory=set)
    failing: dict[date, Exception] = field(default_factory=dict)
    calls: int = 0
    answered: list[tuple[date, int]] = field(default_factory=list)
    landed: Callable[[], int] = lambda: 0
    rate_limit: None = None

    def page(self, day: date, number: int) -> Payload:
        if self.budget is not None and self.calls >= self.budget:
            raise CallsSpent("the calls are spent")
        assert self.landed() == len(self.answered)
        if self.calls == self.killed_at:
            raise Killed
        self.calls += 1
        if day in self.refused:
            raise RequestRefused(f"{day} is beyond the plan")
        if day in self.failing:
            raise self.failing[day]
        self.answered.append((day, number))
        body = f"page {number} of {day}".encode()
        return Payload(day, NOON + timedelta(seconds=number), body, f"page={number}")


def ask(asking: Asking, day: date) -> Iterator[Payload]:
    """Each page that isn't held yet."""
    api: Any = asking.client
    held = asking.parts_held(day)
    for number in range(api.pages[day]):
        if f"page={number}" not in held:
            yield api.page(day, number)


class Home:
    """What a home keeps: payloads, and notes."""

    def __init__(self) -> None:
        self.landed: dict[tuple[date, str], bytes] = {}
        self.notes: dict[date, Asked] = {}

    def land(self, payload: Payload) -> object:
        key = payload.day, payload.part
        assert key not in self.landed, "asked for twice"
        self.landed[key] = payload.read()
        return payload

    def run(self, api: Api, days: list[date] | None = None) -> Any:
        before = len(self.landed)
        api.landed = lambda: len(self.landed) - before
        way = by_day(lambda _day, _outcome: [NOON], ask)
        due = due_days(way, DAYS if days is None else days, self.notes, datetime.now(UTC))

        def note(day: date, at: datetime, calls: int, outcome: str) -> None:
            assert day not in self.notes
            self.notes[day] = Asked(at, calls, outcome)

        def held(day: date) -> set[str]:
            return {part for of, part in self.landed if of == day}

        asking = Asking(api, None, held)  # type: ignore[arg-type]
        said: list[str] = []
        return ask_days(way, due, asking, lambda: api.calls, self.land, note, said.append)


PAGES = st.fixed_dictionaries({day: st.integers(0, 4) for day in DAYS})
RUNS = st.lists(st.tuples(st.none() | st.integers(0, 8), st.none() | st.integers(0, 8)), max_size=6)


@hypothesis_settings(deadline=None)
@given(PAGES, RUNS)
def test_whatever_is_killed_and_however_small_the_budget_every_answer_lands_once(
    pages: dict[date, int], runs: list[tuple[int | None, int | None]]
) -> None:
    home = Home()
    for budget, killed_at in [*runs, (None, None)]:
        api = Api(pages, budget, killed_at)
        noted = set(home.notes)
        due = [day for day in DAYS if day not in noted]
        try:
            result = home.run(api)
        except Killed:
            assert killed_at is not None
        else:
            assert result.asked + result.left == due
            assert result.calls == api.calls == result.landed
        assert budget is None or api.calls <= budget
        # Oldest first: what is noted is a beginning of what was due, and all of it is landed.
        new = [day for day in DAYS if day in home.notes and day not in noted]
        assert new == due[: len(new)]
        for day, note in home.notes.items():
            held = [part for of, part in home.landed if of == day]
            assert len(held) == pages[day]
            assert note.outcome in {ANSWERED, NOTHING}
    assert set(home.notes) == set(DAYS)
    assert home.landed == {
        (day, f"page={number}"): f"page {number} of {day}".encode()
        for day in DAYS
        for number in range(pages[day])
    }


def test_what_came_of_each_day_is_noted() -> None:
    home = Home()
    api = Api(dict.fromkeys(DAYS, 1) | {DAYS[1]: 0}, refused={DAYS[2]})
    before = datetime.now(UTC)

    result = home.run(api)

    outcomes = [home.notes[day].outcome for day in DAYS]
    assert outcomes == [ANSWERED, NOTHING, REFUSED, ANSWERED, ANSWERED, ANSWERED]
    assert [home.notes[day].calls for day in DAYS] == [1, 0, 1, 1, 1, 1]
    assert all(before <= note.at <= datetime.now(UTC) for note in home.notes.values())
    assert result.asked == DAYS
    assert list(result.refused) == [DAYS[2]]
    assert "beyond the plan" in result.refused[DAYS[2]]
    assert (result.landed, result.calls, result.left) == (4, 5, [])


def test_answers_that_hold_nothing_are_landed_and_noted_as_nothing() -> None:
    notes: dict[date, str] = {}
    landed = []
    pages = {DAYS[0]: [b"[]"], DAYS[1]: [b"[]", b"[1]", b"[]"], DAYS[2]: [b"[]", b"[]"]}

    def pages_of(_asking: Asking, day: date) -> Iterator[Payload]:
        for number, body in enumerate(pages[day]):
            yield Payload(day, NOON, body, f"p{number}")

    way = by_day(lambda _day, _outcome: [NOON], pages_of)._replace(
        holds=lambda payload: payload.read() != b"[]"
    )

    def note(day: date, _at: datetime, _calls: int, outcome: str) -> None:
        notes[day] = outcome

    asking = Asking(Api({}), None)  # type: ignore[arg-type]
    ask_days(way, DAYS[:3], asking, lambda: 0, landed.append, note, lambda _text: None)
    assert list(notes.values()) == [NOTHING, ANSWERED, NOTHING]
    assert len(landed) == 6


def test_what_may_be_done_about_a_refused_day_is_told_with_it() -> None:
    def refuse(_asking: Asking, day: date) -> Iterator[Payload]:
        raise RequestRefused(f"{day} is beyond the plan")

    way = by_day(lambda _day, _outcome: [NOON], refuse)._replace(advice="begin later")
    asking = Asking(Api({}), None)  # type: ignore[arg-type]
    result = ask_days(way, DAYS[:1], asking, lambda: 0, id, lambda *_note: None, lambda _text: None)
    assert result.refused == {DAYS[0]: f"{DAYS[0]} is beyond the plan; begin later"}


@pytest.mark.parametrize("fault", [FetchError("is down"), KeyRefused("answered 401")])
def test_a_fault_of_the_api_ends_the_asking_and_the_day_stays_due(fault: FetchError) -> None:
    home = Home()
    api = Api(dict.fromkeys(DAYS, 1), failing={DAYS[2]: fault})
    with pytest.raises(type(fault)):
        home.run(api)
    assert list(home.notes) == DAYS[:2]
    assert home.run(Api(dict.fromkeys(DAYS, 1))).asked == DAYS[2:]


def test_a_question_that_never_succeeds_keeps_no_other_from_being_asked() -> None:
    home = Home()
    fault = FetchError("answered 404", of_question=True)
    failing = {DAYS[0]: fault, DAYS[2]: RetryableError("answered 500", of_question=True)}

    result = home.run(Api(dict.fromkeys(DAYS, 1), failing=failing))

    assert list(result.failed) == [DAYS[0], DAYS[2]]
    assert result.landed == len(DAYS) - 2
    # They stay due, after those that are due and didn't fail.
    way = by_day(lambda _day, _outcome: [NOON])
    later = DAYS[-1] + timedelta(days=1)
    due = due_days(way, [*DAYS, later], home.notes, datetime.now(UTC))
    assert due == [later, DAYS[0], DAYS[2]]
    assert not is_final(way, DAYS[0], home.notes[DAYS[0]])


def test_many_in_a_row_are_the_fault_of_the_api_and_are_last_the_next_time() -> None:
    home = Home()
    fault = RetryableError("answered 503", of_question=True)
    with pytest.raises(RetryableError):
        home.run(Api(dict.fromkeys(DAYS, 1), failing=dict.fromkeys(DAYS, fault)))
    way = by_day(lambda _day, _outcome: [NOON])
    due = due_days(way, DAYS, home.notes, datetime.now(UTC))
    assert due == [*DAYS[MAX_FAILURES:], *DAYS[:MAX_FAILURES]]


def test_the_days_that_the_calls_do_not_reach_stay_due_and_are_said() -> None:
    home = Home()
    result = home.run(Api(dict.fromkeys(DAYS, 2), budget=5))
    assert (result.asked, result.left) == (DAYS[:2], DAYS[2:])
    assert (result.calls, result.landed) == (5, 5)
    result = home.run(Api(dict.fromkeys(DAYS, 2), budget=7))
    assert (result.asked, result.left) == (DAYS[2:], [])


# Asking, noting and landing in a store whose process is killed


class ByDayFeed(type(FEED)):  # type: ignore[misc]
    """A feed with a past."""

    day_is_capture = False
    arrivals = (by_day(lambda day, _outcome: [NOON] if day in DAYS else [], ask),)


def intake_of(objects: ObjectStore, api: Api) -> Intake:
    dataset = ByDayFeed()
    payloads = PayloadStore(
        objects, PREDICTIT.name, dataset.name, dataset.calendar, day_is_capture=False
    )
    stream = Stream(PREDICTIT, dataset, payloads, FIRST)
    return Intake(stream, predictit().settings, lambda _log, _calls: api, 1_000_000)  # type: ignore[arg-type,return-value]


def bodies(intake: Intake) -> list[bytes]:
    payloads = intake.stream.payloads
    held = [one for day in payloads.days() for one in payloads.held(Zone.LANDING, day)]
    return [found.payload.read() for one in held if (found := payloads.load(one))]


def test_an_asking_that_is_killed_at_any_operation_is_ended_by_the_next(tmp_path: Path) -> None:
    pages = dict.fromkeys(DAYS, 0) | {DAYS[0]: 2, DAYS[3]: 1}
    everything = sorted(f"page {n} of {day}".encode() for day in DAYS for n in range(pages[day]))

    for operations in count():
        objects = ObjectStore(tmp_path / str(operations))
        try:
            intake_of(dying(objects, operations), Unwatched(pages)).ask_due(lambda _: None)
        except Killed:
            pass
        else:
            break
        again = intake_of(objects, Unwatched(pages))
        noted = set(AskedDays(objects, PREDICTIT.name, FEED.name).all())
        assert again.due() == [day for day in DAYS if day not in noted]

        result = again.ask_due(lambda _: None)

        assert result.asked == [day for day in DAYS if day not in noted]
        assert sorted(bodies(again)) == everything
        assert again.due() == []
        assert again.ask_due(lambda _: None).asked == []
    assert operations > 20


class Unwatched(Api):
    """It doesn't know what is landed."""

    def page(self, day: date, number: int) -> Payload:
        self.landed = lambda: len(self.answered)
        return super().page(day, number)


def test_a_backfill_says_beforehand_what_it_needs_and_asks_its_days_only(tmp_path: Path) -> None:
    said: list[str] = []
    api = Unwatched(dict.fromkeys(DAYS, 1))
    intake = intake_of(ObjectStore(tmp_path), api)

    result = intake.ask_due(said.append, DAYS[2:4])

    assert said[0].startswith("2 days are due: about 2 calls")
    assert result.asked == DAYS[2:4]
    assert intake.due() == [*DAYS[:2], *DAYS[4:]]
    assert intake.due(DAYS[1:3]) == [DAYS[1]]
