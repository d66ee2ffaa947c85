"""Payloads on their road from landing to raw or quarantine: none is lost, none is changed."""

import gzip
import hashlib
import re
import tracemalloc
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import count, groupby
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import FEED, NOON, PREDICTIT
from deaths import Killed
from hypothesis import example, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.errors import ExpectedError, PartTooLong
from predictit_assets.layers import raw as raw_module
from predictit_assets.layers.raw import read_manifest, validate_day
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage import payloads as payloads_module
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import (
    MAX_IN_MEMORY,
    MAX_PART,
    REASON_SUFFIX,
    PayloadName,
    PayloadStore,
    StoredPayload,
    Zone,
)
from predictit_assets.storage.stream import Stream

DAY = EASTERN.day_of(NOON)
BODY = FakePredictIt(markets=2, contracts=4).body(NOON)


def received(at: datetime, body: bytes, part: str = "") -> Payload:
    """What was received at a moment."""
    return Payload(EASTERN.day_of(at), at, body, part)


def valid(n: int = 0, minute: int = 0) -> Payload:
    """A valid payload; each n gives another one."""
    return received(NOON + timedelta(minutes=minute), BODY + b" " * n)


def invalid(n: int = 0, minute: int = 0) -> Payload:
    """A payload without a market; each n gives another one."""
    return received(NOON + timedelta(minutes=minute), b'{"markets": []}' + b" " * n)


def sha(payload: Payload) -> str:
    return hashlib.sha256(payload.read()).hexdigest()


def store_of(objects: ObjectStore, **values: Any) -> PayloadStore:
    return PayloadStore(objects, PREDICTIT.name, FEED.name, FEED.calendar, **values)


def payloads_in(place: Path | Bucket) -> PayloadStore:
    return store_of(ObjectStore(place))


def name_of(payload: Payload) -> PayloadName:
    """The name of a payload's object."""
    return PayloadName(payload.captured_at, sha(payload), payload.part)


def loaded(payloads: PayloadStore, stored: StoredPayload) -> Payload | None:
    """A payload as it lies in the store, without the name of its object."""
    found = payloads.load(stored)
    return found.payload._replace(object_name="") if found else None


def accept(payloads: PayloadStore, stored: StoredPayload) -> StoredPayload:
    """Move a landed payload to raw."""
    found = payloads.load(stored)
    assert found
    assert stored.name
    return payloads.accept(stored, stored.name, found.stored_body, quarantined=False)


@pytest.fixture
def payloads(place: Path | Bucket) -> PayloadStore:
    """An empty store."""
    return payloads_in(place)


def validate(payloads: PayloadStore) -> list[dict[str, Any]]:
    return validate_day(Stream(PREDICTIT, FEED, payloads, DAY), DAY)


def contents(payloads: PayloadStore) -> dict[str, bytes | None]:
    """Every object that the store holds in the three zones."""
    keys = [entry.key for zone in Zone for entry in payloads.objects.below(zone)]
    return {key: payloads.objects.get(key) for key in keys}


def zones_of(payloads: PayloadStore, payload: Payload) -> list[Zone]:
    """The zones that hold a payload, whole."""
    return [
        zone
        for zone in Zone
        for stored in payloads.held(zone, DAY)
        if stored.name == name_of(payload) and loaded(payloads, stored) == payload
    ]


def reason(payloads: PayloadStore, payload: Payload) -> str | None:
    """Why a payload is in quarantine; None when it isn't there."""
    held = {stored.name: stored for stored in payloads.held(Zone.QUARANTINE, DAY)}
    stored = held.get(name_of(payload))
    return payloads.reason(stored) if stored else None


def set_aside(payloads: PayloadStore, payload: Payload, why: str) -> None:
    """Quarantine a payload, as an earlier version of the rules may have done."""
    stored = payloads.land(payload)
    assert stored
    payloads.quarantine(stored, name_of(payload), InvalidPayload(why))


def copy_back(payloads: PayloadStore, payload: Payload) -> None:
    """Copy a payload from quarantine to landing, to be validated again."""
    name = name_of(payload)
    payloads.objects.copy_if_absent(
        payloads.key(Zone.QUARANTINE, DAY, name), payloads.key(Zone.LANDING, DAY, name)
    )


def move_back(payloads: PayloadStore, payload: Payload) -> None:
    """Move a payload from quarantine to landing; its reason stays behind."""
    copy_back(payloads, payload)
    payloads.objects.delete(payloads.key(Zone.QUARANTINE, DAY, name_of(payload)))


# Names


@hypothesis_settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 1), timezones=st.sampled_from([UTC, ZoneInfo("Asia/Tokyo")])),
    st.binary(max_size=5),
)
def test_a_name_reads_back_as_what_it_was_made_of(at: datetime, body: bytes) -> None:
    name = name_of(received(at, body))

    assert PayloadName.parse(str(name)) == name
    assert str(name_of(received(at.astimezone(UTC), body))) == str(name)


ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=30)
"""Lone surrogates too: a part may be the name of a file, which needn't be Unicode."""


@hypothesis_settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),
    ANY_TEXT,
    st.sampled_from([".json.gz", ".csv.gz"]),
)
@example(NOON, "../../etc/passwd", ".json.gz")
@example(NOON, ".5", ".json.gz")
@example(NOON, f"-{'0' * 64}.json.gz", ".json.gz")
@example(NOON, "100%2F", ".json.gz")
def test_a_name_with_any_part_reads_back_and_is_no_path(
    at: datetime, part: str, suffix: str
) -> None:
    name = PayloadName(at, "0" * 64, part, suffix)

    assert PayloadName.parse(str(name), suffix) == name
    assert re.fullmatch(r"[A-Za-z0-9_.~%-]+", str(name))
    assert str(name).isascii()
    other = ".csv.gz" if suffix == ".json.gz" else ".json.gz"
    assert PayloadName.parse(str(name), other) is None


@hypothesis_settings(deadline=None)
@given(ANY_TEXT, ANY_TEXT)
def test_different_parts_have_different_names(one: str, other: str) -> None:
    names = {str(PayloadName(NOON, "0" * 64, part)) for part in (one, other)}
    assert len(names) == len({one, other})


@hypothesis_settings(deadline=None)
@given(st.text("%AaFf0123456789.-_~/ é", max_size=12))
def test_a_name_is_read_only_if_it_is_written_so(written: str) -> None:
    """Or two objects could be the same payload."""
    file = f"20260304T170000Z.{written}-{'0' * 64}.json.gz"
    name = PayloadName.parse(file)
    assert name is None or str(name) == file


def test_names_of_the_release_before_are_read_as_they_were() -> None:
    for stamp, microsecond in (("20260304T170000", 0), ("20260304T170000.000042", 42)):
        file = f"{stamp}Z-{'ab' * 32}.json.gz"
        name = PayloadName.parse(file)
        assert name == PayloadName(NOON.replace(microsecond=microsecond), "ab" * 32)
        assert str(name) == file


def test_a_part_that_no_file_system_could_name_is_one_clear_line(payloads: PayloadStore) -> None:
    longest = received(NOON, b"{}", "x" * MAX_PART)
    stored = payloads.land(longest)
    assert stored
    assert loaded(payloads, stored) == longest
    payloads.quarantine(stored, name_of(longest), InvalidPayload("its reason has a longer name"))

    for part in ("x" * (MAX_PART + 1), "ж" * 24, "\udcff" * 50):
        with pytest.raises(PartTooLong, match="give it a shorter name") as caught:
            payloads.land(received(NOON, b"{}", part))
        assert len(str(caught.value).splitlines()) == 1
        str(caught.value).encode()


@pytest.mark.parametrize(
    "file",
    [
        "_manifest.parquet",
        f"20260304T170000Z-{'0' * 63}.json.gz",
        f"20260304T170000Z-{'0' * 64}.json",
        f"20261304T170000Z-{'0' * 64}.json.gz",
        f"20260304T170000.123Z-{'0' * 64}.json.gz",
        f"20260304T170000Z-{'0' * 64}.json.gz.reason.json",
        f"20260304T170000Z.a%2fb-{'0' * 64}.json.gz",
        f"20260304T170000Z.a.b-{'0' * 64}.json.gz",
        f"20260304T170000Z.%FF-{'0' * 64}.json.gz",
        f"20260304T170000Z.-{'0' * 64}.json.gz",
    ],
)
def test_what_is_no_name_is_none(file: str) -> None:
    assert PayloadName.parse(file) is None


def test_the_key_tells_zone_day_time_and_content(payloads: PayloadStore) -> None:
    late = received(datetime(2026, 3, 5, 3, 30, 0, 42, UTC), b"{}")

    stored = payloads.land(late)

    assert stored
    assert stored.key == (
        "landing/predictit/market_data/date=2026-03-04/20260305T033000.000042Z-"
        "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a.json.gz"
    )
    assert stored.day == DAY
    assert payloads.days() == [DAY]


# Landing


def test_what_lands_is_kept_byte_for_byte(payloads: PayloadStore) -> None:
    odd = received(NOON, b'\xff\x00 not JSON at all\r\n{"markets"')

    stored = payloads.land(odd)

    assert stored
    assert loaded(payloads, stored) == odd
    assert gzip.decompress(payloads.objects.get(stored.key) or b"") == odd.body


def test_the_same_payload_gives_the_same_object_whenever_it_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, later = payloads_in(tmp_path / "first"), payloads_in(tmp_path / "later")

    first.land(valid())
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    later.land(valid())

    assert contents(later) == contents(first)


@pytest.mark.parametrize("zone", Zone)
def test_a_payload_that_is_held_anywhere_does_not_land_again(
    payloads: PayloadStore, zone: Zone
) -> None:
    stored = payloads.land(valid())
    assert stored
    if zone is Zone.RAW:
        accept(payloads, stored)
    if zone is Zone.QUARANTINE:
        payloads.quarantine(stored, name_of(valid()), InvalidPayload("some reason"))
    before = contents(payloads)

    assert payloads.land(valid()) is None
    assert contents(payloads) == before
    assert zones_of(payloads, valid()) == [zone]


def test_the_same_content_at_another_time_is_another_payload(payloads: PayloadStore) -> None:
    assert payloads.land(valid(minute=0))
    assert payloads.land(valid(minute=1))


def test_payloads_are_listed_by_time_not_by_name(payloads: PayloadStore) -> None:
    times = [NOON + timedelta(microseconds=n) for n in (500_000, 0, 999_999, 1_000_000)]
    for at in times:
        payloads.land(received(at, b"{}"))

    held = payloads.held(Zone.LANDING, DAY)

    assert [stored.captured_at for stored in held] == sorted(times)


# Objects that aren't what they should be


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda whole: whole[:-9], "isn't whole gzip"),
        (lambda whole: whole[:200] + bytes([whole[200] ^ 1]) + whole[201:], "the object isn't"),
        (lambda _: b"", "isn't what the hash in the object's name says"),
        (lambda _: BODY, "isn't whole gzip"),
        (lambda _: gzip.compress(BODY[:-1]), "isn't what the hash in the object's name says"),
    ],
    ids=["cut", "bit flipped", "empty", "not gzip", "other content"],
)
def test_a_spoilt_object_costs_nobody_but_itself(
    payloads: PayloadStore, spoil: Callable[[bytes], bytes], told: str
) -> None:
    payloads.land(valid(minute=1))
    stored = payloads.land(valid(minute=0))
    assert stored
    spoilt = spoil(payloads.objects.get(stored.key) or b"")
    payloads.objects.replace(stored.key, spoilt)

    with pytest.raises(InvalidPayload):
        payloads.load(stored)
    rows = validate(payloads)

    (aside,) = payloads.held(Zone.QUARANTINE, DAY)
    assert aside.name == stored.name
    assert payloads.objects.get(aside.key) == spoilt
    assert told in payloads.reason(aside)
    assert zones_of(payloads, valid(minute=1)) == [Zone.RAW]
    assert [bool(row["quarantined_because"]) for row in rows] == [True, False]


def test_a_payload_whose_object_was_damaged_can_be_landed_again(payloads: PayloadStore) -> None:
    landed = payloads.land(valid())
    assert landed
    payloads.objects.replace(landed.key, b"damaged on its way")
    (row,) = validate(payloads)
    assert row["quarantined_because"]

    assert payloads.land(valid())
    (row,) = validate(payloads)
    assert row["quarantined_because"] is None
    assert not payloads.held(Zone.QUARANTINE, DAY)


def test_objects_with_foreign_names_are_left_and_in_nobodys_way(payloads: PayloadStore) -> None:
    folder = payloads.folder(Zone.LANDING, DAY)
    other_day = name_of(valid(minute=-24 * 60))
    foreign = {f"{folder}/notes.txt", f"{folder}/{other_day}"}
    for key in foreign:
        payloads.objects.replace(key, gzip.compress(BODY))
    payloads.land(valid())

    validate(payloads)

    assert {stored.key for stored in payloads.held(Zone.LANDING, DAY)} == foreign
    assert zones_of(payloads, valid()) == [Zone.RAW]


# Parts, and days that the source says


def test_answers_of_one_moment_to_several_requests_lie_side_by_side(
    payloads: PayloadStore,
) -> None:
    for part in ("page=0", "page=1", ""):
        assert payloads.land(received(NOON, BODY, part))

    assert payloads.parts(DAY) == {"page=0", "page=1", ""}
    rows = validate(payloads)
    assert [row["part"] for row in rows] == ["", "page=0", "page=1"]
    assert {row["quarantined_because"] for row in rows} == {None}
    assert payloads.parts(DAY) == {"page=0", "page=1", ""}


MARCH = date(2024, 3, 4)
"""A day long before the answers about it were received."""


def about_march(answer: bytes | Path, minute: int, part: str = "trades") -> Payload:
    """An answer of today about a day in March."""
    return Payload(MARCH, NOON + timedelta(minutes=minute), answer, part)


def move_on(payloads: PayloadStore, zone: Zone, day: date) -> None:
    """Move what is landed to where it would end."""
    for stored in payloads.held(Zone.LANDING, day) if zone is not Zone.LANDING else ():
        assert stored.name
        if zone is Zone.RAW:
            accept(payloads, stored)
        else:
            payloads.quarantine(stored, stored.name, InvalidPayload("some reason"))


@pytest.mark.parametrize("zone", Zone)
def test_the_same_answer_about_a_day_adds_nothing_and_another_does(
    place: Path | Bucket, zone: Zone
) -> None:
    payloads = store_of(ObjectStore(place), day_is_capture=False)
    for minute, answer, is_new in (
        (0, b"A", True),
        (1, b"A", False),
        (2, b"B", True),
        (3, b"B", False),
        (4, b"A", True),  # back to what it was: that is news
        (5, b"A", False),
    ):
        assert (payloads.land(about_march(answer, minute)) is not None) is is_new, minute
        move_on(payloads, zone, MARCH)
    assert payloads.land(about_march(b"A", 6, part="other trades"))

    held = payloads.held(zone, MARCH) + payloads.held(Zone.LANDING, MARCH)
    by_key = {stored.key: stored for stored in held}.values()
    answers = [payload.read() for one in by_key if (payload := loaded(payloads, one))]
    assert answers == [b"A", b"B", b"A", b"A"]
    assert payloads.days() == [MARCH]
    assert all(payloads.in_own_day(stored) for stored in by_key)


def test_the_day_of_an_answer_is_said_by_its_folder(place: Path | Bucket) -> None:
    by_source = store_of(ObjectStore(place), day_is_capture=False)
    stored = by_source.land(about_march(b"A", 0))
    assert stored
    assert "/date=2024-03-04/20260304T170000Z.trades-" in stored.key
    assert by_source.own_day(stored) == MARCH

    by_capture = payloads_in(place)
    (misplaced,) = by_capture.held(Zone.LANDING, MARCH)
    assert by_capture.own_day(misplaced) == DAY
    assert not by_capture.in_own_day(misplaced)


def test_a_dataset_may_say_that_two_answers_say_the_same(place: Path | Bucket) -> None:
    def without_stamp(before: bytes, after: bytes) -> bool:
        return before.partition(b"@")[0] == after.partition(b"@")[0]

    payloads = store_of(ObjectStore(place), day_is_capture=False, same_answer=without_stamp)
    assert payloads.land(about_march(b"A@1", 0))
    assert payloads.land(about_march(b"A@2", 1)) is None
    assert payloads.land(about_march(b"B@3", 2))
    assert payloads.land(about_march(b"A@4", 3))


def test_an_answer_is_new_when_the_one_before_is_damaged(place: Path | Bucket) -> None:
    payloads = store_of(
        ObjectStore(place), day_is_capture=False, same_answer=lambda _before, _after: True
    )
    stored = payloads.land(about_march(b"A", 0))
    assert stored
    payloads.objects.replace(stored.key, b"damaged")
    assert payloads.land(about_march(b"B", 1))


@hypothesis_settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("pq"), st.sampled_from("AB")), max_size=12))
def test_what_is_held_of_each_request_is_every_change_of_its_answer(
    asked: list[tuple[str, str]],
) -> None:
    with TemporaryDirectory() as folder:
        payloads = store_of(ObjectStore(Path(folder)), day_is_capture=False)
        for minute, (part, answer) in enumerate(asked):
            payloads.land(about_march(answer.encode(), minute, part))
        for part in "pq":
            held = [one for one in payloads.held(Zone.LANDING, MARCH) if one.part == part]
            bodies = [payload.read() for one in held if (payload := loaded(payloads, one))]
            answers = [answer.encode() for of, answer in asked if of == part]
            assert bodies == [answer for answer, _ in groupby(answers)]


# Bodies that are files


def write_dump(file: Path, megabytes: int) -> str:
    """A file of which a quarter can't be compressed; its hash."""
    digest = hashlib.sha256()
    random = Random(7)  # noqa: S311 - not to be secret, but the same in each test
    with file.open("wb") as dump:
        for _ in range(megabytes):
            piece = random.randbytes(250_000) + b"order 12345, " * 57_692
            dump.write(piece)
            digest.update(piece)
    return digest.hexdigest()


def test_a_body_in_a_file_lands_as_the_same_object(tmp_path: Path) -> None:
    write_dump(tmp_path / "dump", 3)
    in_file = received(NOON, tmp_path / "dump")
    in_memory = received(NOON, in_file.read())
    of_file, of_bytes = payloads_in(tmp_path / "file"), payloads_in(tmp_path / "bytes")

    assert of_file.land(in_file)
    assert of_bytes.land(in_memory)

    assert contents(of_file) == contents(of_bytes)
    for zone in (Zone.LANDING, Zone.QUARANTINE):
        move_on(of_file, zone, DAY)
        assert of_file.land(in_memory) is None
        assert of_file.land(in_file) is None


def test_a_large_file_travels_without_being_held_in_memory(tmp_path: Path) -> None:
    megabytes = 60
    digest = write_dump(tmp_path / "dump", megabytes)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    payloads = payloads_in(tmp_path / "store")

    tracemalloc.start()
    try:
        stored = payloads.land(received(NOON, tmp_path / "dump", "orders"))
        assert stored
        assert stored.name
        assert stored.name.sha256 == digest
        found = payloads.load(stored, scratch)
        assert found
        raw = payloads.accept(stored, stored.name, found.stored_body, quarantined=False)
        valid_payload = payloads.load_valid(raw, scratch)
        assert valid_payload
        with valid_payload.open() as body:
            assert hashlib.file_digest(body, "sha256").hexdigest() == digest
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert isinstance(found.payload.body, Path)
    assert isinstance(valid_payload.body, Path)
    assert MAX_IN_MEMORY < stored.size < megabytes * 500_000
    # The object as stored is held, twice for a moment; what it unzips to never is.
    assert peak < 2 * stored.size + 10_000_000


def test_what_became_of_a_large_file_is_as_with_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = payloads_in(tmp_path / "small"), payloads_in(tmp_path / "large")
    for payloads, bound in ((small, MAX_IN_MEMORY), (large, 10)):
        monkeypatch.setattr(payloads_module, "MAX_IN_MEMORY", bound)
        monkeypatch.setattr(raw_module, "MAX_IN_MEMORY", bound)
        for one in (valid(0), valid(1), valid(0, minute=1), invalid(minute=2)):
            payloads.land(one)
        damaged = payloads.land(valid(minute=3))
        assert damaged
        payloads.objects.replace(damaged.key, b"damaged on its way")
        other = payloads.land(valid(minute=4))
        assert other
        payloads.objects.replace(other.key, gzip.compress(BODY[:-1]))
        validate(payloads)

    assert [key for key in contents(small) if not key.endswith(REASON_SUFFIX)] == [
        key for key in contents(large) if not key.endswith(REASON_SUFFIX)
    ]
    assert [stored.part for stored in large.held(Zone.QUARANTINE, DAY)] == [""] * 4


# Bounds


def bombs(bound: int) -> dict[str, bytes]:
    """Objects that unzip to more than a bound."""
    return {
        "one member": gzip.compress(b" " * (bound + 1)),
        "two members": gzip.compress(b"{}") + gzip.compress(b" " * bound),
        "huge": gzip.compress(b" " * 50 * bound),
        "many members": gzip.compress(b" " * bound) * 50,
    }


@pytest.mark.parametrize("how", bombs(1))
@pytest.mark.parametrize("in_file", [False, True])
def test_an_object_that_unzips_to_more_than_a_payload_may_have_is_quarantined(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, in_file: bool
) -> None:
    bound = 2_000_000
    if in_file:
        monkeypatch.setattr(payloads_module, "MAX_IN_MEMORY", 10)
    payloads = store_of(ObjectStore(tmp_path), max_body=bound)
    body = bombs(bound)[how]
    name = PayloadName(NOON, hashlib.sha256(gzip.decompress(body)).hexdigest())
    payloads.objects.replace(payloads.key(Zone.LANDING, DAY, name), body)
    payloads.land(valid(minute=1))

    tracemalloc.start()
    try:
        rows = validate(payloads)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert [bool(row["quarantined_because"]) for row in rows] == [True, False]
    assert "unzips to more than 2 MB" in rows[0]["quarantined_because"]
    assert peak < 8 * bound
    (aside,) = payloads.held(Zone.QUARANTINE, DAY)
    assert payloads.objects.get(aside.key) == body
    with pytest.raises(InvalidPayload):  # nor is it there: answers are compared with it
        payloads.load(aside)


@pytest.mark.parametrize("in_file", [False, True])
def test_an_object_of_raw_is_bounded_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_file: bool
) -> None:
    monkeypatch.setattr(payloads_module, "MAX_RAW", 2_000_000)
    if in_file:
        monkeypatch.setattr(payloads_module, "MAX_IN_MEMORY", 10)
    for max_body in (1_000_000, None):
        payloads = store_of(ObjectStore(tmp_path), max_body=max_body)
        plain = b" " * 2_000_001
        name = PayloadName(NOON, hashlib.sha256(plain).hexdigest())
        payloads.objects.replace(payloads.key(Zone.RAW, DAY, name), gzip.compress(plain))
        (stored,) = payloads.held(Zone.RAW, DAY)
        with pytest.raises(ExpectedError, match="unzips to more than 2 MB"):
            payloads.load_valid(stored, tmp_path)


def test_a_payload_of_just_the_bound_is_valid_and_raw_stays_readable_when_it_is_lowered(
    tmp_path: Path,
) -> None:
    payloads = store_of(ObjectStore(tmp_path), max_body=len(BODY))
    payloads.land(valid())
    members = gzip.compress(BODY[:100]) + gzip.compress(BODY[100:])
    in_members = payloads.key(Zone.LANDING, DAY, name_of(valid(minute=1)))
    payloads.objects.replace(in_members, members)
    assert [row["quarantined_because"] for row in validate(payloads)] == [None, None]

    lower = store_of(ObjectStore(tmp_path), max_body=10)
    for stored in lower.held(Zone.RAW, DAY):
        payload = lower.load_valid(stored)
        assert payload
        assert payload.body == BODY


# Validating


def test_the_manifest_tells_what_became_of_each_payload(payloads: PayloadStore) -> None:
    payloads.land(valid(minute=2))
    payloads.land(invalid(minute=1))

    rows = validate(payloads)

    bad, good = rows
    assert good["key"] == payloads.key(Zone.RAW, DAY, name_of(valid(minute=2)))
    assert bad["key"] == payloads.key(Zone.QUARANTINE, DAY, name_of(invalid(minute=1)))
    assert (good["sha256"], bad["sha256"]) == (sha(valid()), sha(invalid()))
    assert (good["markets"], good["contracts"]) == (2, BODY.count(b'"lastTradePrice"'))
    assert (bad["markets"], bad["contracts"]) == (None, None)
    assert good["quarantined_because"] is None
    assert bad["quarantined_because"] == reason(payloads, invalid(minute=1))
    assert "(at $.markets)" in bad["quarantined_because"]
    assert read_manifest(payloads.objects.get(payloads.manifest(DAY)) or b"") == rows


def test_validating_again_changes_nothing(payloads: PayloadStore) -> None:
    payloads.land(valid(minute=2))
    payloads.land(invalid(minute=1))
    rows = validate(payloads)
    before = contents(payloads)

    assert validate(payloads) == rows
    assert contents(payloads) == before


def test_a_manifest_that_was_lost_is_made_anew(payloads: PayloadStore) -> None:
    payloads.land(valid(minute=2))
    payloads.land(invalid(minute=1))
    validate(payloads)
    before = contents(payloads)

    payloads.objects.delete(payloads.manifest(DAY))
    validate(payloads)

    assert contents(payloads) == before


def test_a_raw_object_never_changes(payloads: PayloadStore) -> None:
    payloads.land(valid())
    validate(payloads)
    before = contents(payloads)
    landing = payloads.key(Zone.LANDING, DAY, name_of(valid()))
    payloads.objects.replace(landing, gzip.compress(BODY, compresslevel=1))

    validate(payloads)

    assert contents(payloads) == before


@pytest.mark.parametrize("bring_back", [copy_back, move_back])
def test_what_is_put_back_from_quarantine_is_validated_again(
    payloads: PayloadStore, bring_back: Callable[[PayloadStore, Payload], None]
) -> None:
    set_aside(payloads, valid(), "an old rule")
    (row,) = validate(payloads)
    assert row["quarantined_because"] == "an old rule (at $)"

    bring_back(payloads, valid())
    (row,) = validate(payloads)

    assert row["quarantined_because"] is None
    assert zones_of(payloads, valid()) == [Zone.RAW]
    assert payloads.objects.below(Zone.QUARANTINE) == []


@pytest.mark.parametrize("bring_back", [copy_back, move_back])
def test_what_is_put_back_and_still_invalid_has_its_newest_reason(
    payloads: PayloadStore, bring_back: Callable[[PayloadStore, Payload], None]
) -> None:
    set_aside(payloads, invalid(), "an old rule")
    validate(payloads)

    bring_back(payloads, invalid())
    (row,) = validate(payloads)

    assert zones_of(payloads, invalid()) == [Zone.QUARANTINE]
    assert reason(payloads, invalid()) == "Expected `array` of length >= 1 (at $.markets)"
    assert row["quarantined_because"] == reason(payloads, invalid())


# Two payloads of one capture time


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.permutations([valid(n) for n in range(4)]), st.lists(st.booleans(), min_size=4))
def test_of_one_moment_the_smallest_hash_is_kept_in_whatever_order_they_come(
    arrivals: list[Payload], validate_now: list[bool]
) -> None:
    smallest = min(arrivals, key=sha)
    with TemporaryDirectory() as folder:
        payloads = payloads_in(Path(folder))
        for payload, now in zip([*arrivals, invalid()], [*validate_now[:4], True], strict=True):
            payloads.land(payload)
            if now:
                validate(payloads)

        assert zones_of(payloads, smallest) == [Zone.RAW]
        assert zones_of(payloads, invalid()) == [Zone.QUARANTINE]
        for loser in set(arrivals) - {smallest}:
            assert zones_of(payloads, loser) == [Zone.QUARANTINE]
            assert "another payload of the same capture time" in (reason(payloads, loser) or "")


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.permutations([valid(0), valid(1), valid(2), invalid(0), valid(minute=1)]))
def test_a_day_ends_the_same_in_whatever_order_its_payloads_come(
    arrivals: list[Payload],
) -> None:
    with TemporaryDirectory() as folder:
        at_once, one_by_one = (payloads_in(Path(folder) / name) for name in ("once", "one"))
        for payload in arrivals:
            at_once.land(payload)
            one_by_one.land(payload)
            validate(one_by_one)
        validate(at_once)

        assert contents(one_by_one) == contents(at_once)


@pytest.mark.parametrize("invalid_first", [True, False])
def test_an_invalid_payload_never_displaces_a_valid_one(
    payloads: PayloadStore, invalid_first: bool
) -> None:
    smaller = next(invalid(n) for n in count() if sha(invalid(n)) < sha(valid()))
    for payload in (smaller, valid()) if invalid_first else (valid(), smaller):
        payloads.land(payload)
        validate(payloads)

    assert zones_of(payloads, valid()) == [Zone.RAW]
    assert zones_of(payloads, smaller) == [Zone.QUARANTINE]
    assert "markets" in (reason(payloads, smaller) or "")


# Death at any moment


class DyingStore:
    """An object store whose process is killed after a number of operations."""

    def __init__(self, objects: ObjectStore, operations: int) -> None:
        self._objects = objects
        self._left = operations

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def operate(*args: Any) -> Any:
            if self._left == 0:
                raise Killed
            self._left -= 1
            return getattr(self._objects, name)(*args)

        return operate


def restore(day: dict[str, bytes | None], payloads: PayloadStore) -> None:
    for key, body in day.items():
        payloads.objects.replace(key, body or b"")


def eventful_day(payloads: PayloadStore) -> list[Payload]:
    """A day that holds each thing that can happen to a payload; returns those that are whole."""
    small, large = sorted([valid(0), valid(1)], key=sha)
    rivals = [
        received(NOON + timedelta(minutes=minute), one.read())
        for minute, one in ((1, large), (2, small), (1, small), (2, large))
    ]
    for payload in (*rivals[:2], valid(minute=3)):  # first the one, then the other is in raw
        payloads.land(payload)
    validate(payloads)
    set_aside(payloads, valid(minute=4), "an old rule")
    set_aside(payloads, valid(minute=5), "an old rule")
    set_aside(payloads, invalid(minute=6), "an old rule")
    validate(payloads)
    copy_back(payloads, valid(minute=4))
    move_back(payloads, valid(minute=5))
    move_back(payloads, invalid(minute=6))
    fresh = [*rivals[2:], valid(minute=7), invalid(minute=8)]
    for payload in fresh:
        payloads.land(payload)
    # A move that was cut short has left it in two zones.
    twice = name_of(valid(minute=3))
    payloads.objects.copy_if_absent(
        payloads.key(Zone.RAW, DAY, twice), payloads.key(Zone.LANDING, DAY, twice)
    )
    spoilt = payloads.land(valid(minute=9))
    assert spoilt
    payloads.objects.replace(spoilt.key, b"spoilt")
    return [*rivals[:2], *(valid(minute=n) for n in (3, 4, 5)), invalid(minute=6), *fresh]


def test_no_moment_of_death_loses_or_doubles_a_payload(
    new_place: Callable[[], Path | Bucket],
) -> None:
    before, undisturbed = payloads_in(new_place()), payloads_in(new_place())
    whole = eventful_day(before)
    day = contents(before)
    restore(day, undisturbed)
    validate(undisturbed)
    # A moment on S3 takes half a second.
    every = 1 if isinstance(new_place(), Path) else 6

    for operations in count(step=every):
        payloads = payloads_in(new_place())
        restore(day, payloads)
        store: Any = DyingStore(payloads.objects, operations)
        try:
            validate(store_of(store))
        except Killed:
            lost = [one for one in whole if not zones_of(payloads, one)]
            assert not lost, f"after {operations} operations"
        else:
            break
        validate(payloads)

        assert contents(payloads) == contents(undisturbed), f"after {operations} operations"

    assert operations > 30
    assert [
        zones_of(undisturbed, one) for one in whole if len(zones_of(undisturbed, one)) != 1
    ] == []
    aside = undisturbed.held(Zone.QUARANTINE, DAY)
    assert len(aside) == 5
    assert undisturbed.held(Zone.LANDING, DAY) == []
    assert {key for key in contents(undisturbed) if key.endswith(REASON_SUFFIX)} == {
        stored.key + REASON_SUFFIX for stored in aside
    }
