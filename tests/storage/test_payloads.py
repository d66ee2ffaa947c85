"""Payloads on their road from landing to raw or quarantine: none is lost, none is changed."""

import gzip
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from conftest import FEED, NOON, PREDICTIT
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.layers.raw import read_manifest, validate_day
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import (
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


@pytest.mark.parametrize(
    "file",
    [
        "_manifest.parquet",
        f"20260304T170000Z-{'0' * 63}.json.gz",
        f"20260304T170000Z-{'0' * 64}.json",
        f"20261304T170000Z-{'0' * 64}.json.gz",
        f"20260304T170000.123Z-{'0' * 64}.json.gz",
        f"20260304T170000Z-{'0' * 64}.json.gz.reason.json",
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


class Killed(BaseException):
    """The process is no more."""


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
