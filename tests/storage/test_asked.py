"""Notes of the days that an API was asked about: the newest counts, whatever was killed when."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import pytest
from conftest import FEED, NOON, PREDICTIT
from deaths import Killed, dying
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets.storage.asked import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    Asked,
    AskedDays,
    AskedRows,
)
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import PayloadStore

DAY = date(2026, 3, 4)
FOLDER = "landing/predictit/market_data/_asked"


def notes_in(objects: ObjectStore) -> AskedDays:
    return AskedDays(objects, PREDICTIT.name, FEED.name)


@pytest.fixture
def objects(place: Path | Bucket) -> ObjectStore:
    return ObjectStore(place)


def test_nothing_was_asked_at_first(objects: ObjectStore) -> None:
    assert notes_in(objects).all() == {}


def test_a_note_reads_back_and_takes_the_place_of_the_one_before(objects: ObjectStore) -> None:
    notes = notes_in(objects)
    before = None
    for minute, outcome in enumerate(("answered", "nothing", "refused")):
        notes.note(DAY, Asked(NOON + timedelta(minutes=minute), minute, outcome), before)
        before = notes.all()[DAY]
        assert (before.at, before.calls, before.outcome) == (
            NOON + timedelta(minutes=minute), minute, outcome,
        )  # fmt: skip
    assert len(objects.below(FOLDER)) == 1


@hypothesis_settings(max_examples=50, deadline=None)
@given(
    st.dictionaries(
        st.dates(date(2014, 1, 1), date(2040, 1, 1)),
        st.tuples(
            st.datetimes(
                datetime(2014, 1, 1),
                datetime(2040, 1, 1),
                timezones=st.sampled_from([UTC, ZoneInfo("America/New_York")]),
            ),
            st.integers(0, 10_000),
            st.sampled_from(["answered", "nothing", "refused"]),
        ),
        max_size=6,
    )
)
def test_every_day_has_the_note_that_was_made_of_it(
    made: dict[date, tuple[datetime, int, str]],
) -> None:
    with TemporaryDirectory() as folder:
        notes = notes_in(ObjectStore(Path(folder)))
        for day, (at, calls, outcome) in made.items():
            notes.note(day, Asked(at, calls, outcome), None)
        found = {day: (one.at, one.calls, one.outcome) for day, one in notes.all().items()}
    assert found == {day: (at.astimezone(UTC), *rest) for day, (at, *rest) in made.items()}


def test_of_two_notes_of_a_day_the_newest_counts(objects: ObjectStore) -> None:
    notes = notes_in(objects)
    notes.note(DAY, Asked(NOON + timedelta(seconds=1), 2, "answered"), None)
    notes.note(DAY, Asked(NOON, 1, "nothing"), None)  # of a process that was slower
    assert notes.all()[DAY].at == NOON + timedelta(seconds=1)


def test_the_same_note_again_stays(objects: ObjectStore) -> None:
    notes = notes_in(objects)
    asked = Asked(NOON, 1, "answered")
    notes.note(DAY, asked, None)
    notes.note(DAY, asked, notes.all()[DAY])
    assert notes.all()[DAY].at == NOON


@pytest.mark.parametrize("operations", range(3))
def test_a_note_that_is_killed_leaves_the_old_or_the_new(tmp_path: Path, operations: int) -> None:
    objects = ObjectStore(tmp_path)
    notes_in(objects).note(DAY, Asked(NOON, 1, "answered"), None)
    old = notes_in(objects).all()[DAY]
    later = NOON + timedelta(days=1)
    try:
        notes_in(dying(objects, operations)).note(DAY, Asked(later, 2, "answered"), old)
    except Killed:
        assert operations < 2
    assert notes_in(objects).all()[DAY].at == (NOON if operations == 0 else later)


def test_what_is_no_note_is_left_and_in_nobodys_way(objects: ObjectStore) -> None:
    foreign = [
        "notes.txt",
        "2026-03-04/20260304T170000Z-1-answered",
        "2026-03-04/20260304T170000.000000Z-1-answered.json",
        "2026-13-45/20260304T170000.000000Z-1-answered",
        "2026-03-04/20261304T170000.000000Z-1-answered",
    ]
    for name in foreign:
        objects.replace(f"{FOLDER}/{name}", b"{}")
    assert notes_in(objects).all() == {}
    assert len(objects.below(FOLDER)) == len(foreign)


def test_notes_are_no_payloads(objects: ObjectStore) -> None:
    notes_in(objects).note(DAY, Asked(NOON, 1, "answered"), None)
    payloads = PayloadStore(objects, PREDICTIT.name, FEED.name, FEED.calendar)
    assert payloads.days() == []
    AskedDays(objects, PREDICTIT.name, "another").note(DAY, Asked(NOON, 1, "nothing"), None)
    assert notes_in(objects).all()[DAY].outcome == "answered"


# Rows


def test_what_was_asked_in_vain_waits_longer_and_longer_behind_the_others(
    objects: ObjectStore,
) -> None:
    notes = AskedRows(objects, PREDICTIT.name, FEED.name)
    rows: list[object] = [7, ("a/b", None), "Île"]
    assert notes.due(rows, NOON) == rows
    now = NOON
    for times in range(12):
        notes.note(7, now)
        pause = min(FIRST_PAUSE * 2**times, LONGEST_PAUSE)
        assert notes.due(rows, now + pause - timedelta(seconds=1)) == rows[1:]
        now += pause
        assert notes.due(rows, now) == [*rows[1:], 7]
    notes.note("Île", now - LONGEST_PAUSE - timedelta(seconds=1))
    assert notes.due(rows, now) == [rows[1], "Île", 7]  # what waits longest comes first
    assert len(objects.below(FOLDER)) == 2


def test_a_row_that_was_answered_is_forgotten(objects: ObjectStore) -> None:
    notes = AskedRows(objects, PREDICTIT.name, FEED.name)
    notes.note(1, NOON)
    notes.note(2, NOON)
    assert notes.due([2], NOON) == []
    assert notes.due([1, 2], NOON) == [1]
    assert notes_in(objects).all() == {}  # nor are they days
