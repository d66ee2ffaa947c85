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
from conftest import NOON
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets import factory as home
from predictit_assets.contract.calendar import day_of
from predictit_assets.contract.source import InvalidPayload, Payload
from predictit_assets.layers.raw import manifest_object, read_manifest, validate_day
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import REASON_SUFFIX, Name, PayloadStore, Zone

SOURCE = home.predictit(Settings(), say=print)
DAY = day_of(NOON)
BODY = FakePredictIt(markets=2, contracts=4).body(NOON)


def sound(n: int = 0, minute: int = 0) -> Payload:
    """A sound payload; each n gives another one."""
    return Payload(NOON + timedelta(minutes=minute), BODY + b" " * n)


def unsound(n: int = 0, minute: int = 0) -> Payload:
    """A payload without a market; each n gives another one."""
    return Payload(NOON + timedelta(minutes=minute), b'{"markets": []}' + b" " * n)


def sha(observation: Payload) -> str:
    return hashlib.sha256(observation.body).hexdigest()


def payloads_in(place: Path | Bucket) -> PayloadStore:
    return PayloadStore(ObjectStore(place), SOURCE.name, SOURCE.dataset)


@pytest.fixture
def payloads(place: Path | Bucket) -> PayloadStore:
    """An empty store."""
    return payloads_in(place)


def prove(payloads: PayloadStore) -> list[dict[str, Any]]:
    return validate_day(SOURCE, payloads, DAY)


def contents(payloads: PayloadStore) -> dict[str, bytes | None]:
    """Every object that the store holds in the three zones."""
    keys = [entry.key for zone in Zone for entry in payloads.objects.below(zone)]
    return {key: payloads.objects.get(key) for key in keys}


def zones_of(payloads: PayloadStore, observation: Payload) -> list[Zone]:
    """The zones that hold a payload, whole."""
    return [
        zone
        for zone in Zone
        for stored in payloads.held(zone, DAY)
        if stored.name == Name.of(observation) and payloads.read(stored) == observation
    ]


def reason(payloads: PayloadStore, observation: Payload) -> str | None:
    """Why a payload is in quarantine; None when it isn't there."""
    held = {stored.name: stored for stored in payloads.held(Zone.QUARANTINE, DAY)}
    stored = held.get(Name.of(observation))
    return payloads.reason(stored) if stored else None


def set_aside(payloads: PayloadStore, observation: Payload, why: str) -> None:
    """Quarantine a payload, as an earlier version of the rules may have done."""
    stored = payloads.land(observation)
    assert stored
    payloads.quarantine(stored, Name.of(observation), InvalidPayload(why))


def copy_back(payloads: PayloadStore, observation: Payload) -> None:
    """Copy a payload from quarantine to landing, to be proven again."""
    name = Name.of(observation)
    payloads.objects.copy_if_absent(
        payloads.key(Zone.QUARANTINE, name), payloads.key(Zone.LANDING, name)
    )


def move_back(payloads: PayloadStore, observation: Payload) -> None:
    """Move a payload from quarantine to landing; its reason stays behind."""
    copy_back(payloads, observation)
    payloads.objects.delete(payloads.key(Zone.QUARANTINE, Name.of(observation)))


# Names


@hypothesis_settings(deadline=None)
@given(
    st.datetimes(datetime(1970, 1, 1), timezones=st.sampled_from([UTC, ZoneInfo("Asia/Tokyo")])),
    st.binary(max_size=5),
)
def test_a_name_reads_back_as_what_it_was_made_of(at: datetime, body: bytes) -> None:
    name = Name.of(Payload(at, body))

    assert Name.parse(str(name)) == name
    assert str(Name.of(Payload(at.astimezone(UTC), body))) == str(name)


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
    assert Name.parse(file) is None


def test_the_key_tells_zone_day_time_and_content(payloads: PayloadStore) -> None:
    late = Payload(datetime(2026, 3, 5, 3, 30, 0, 42, UTC), b"{}")

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
    odd = Payload(NOON, b'\xff\x00 not JSON at all\r\n{"markets"')

    stored = payloads.land(odd)

    assert stored
    assert payloads.read(stored) == odd
    assert gzip.decompress(payloads.objects.get(stored.key) or b"") == odd.body


def test_the_same_payload_gives_the_same_object_whenever_it_lands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, later = payloads_in(tmp_path / "first"), payloads_in(tmp_path / "later")

    first.land(sound())
    monkeypatch.setattr("time.time", lambda: 2_000_000_000.0)
    later.land(sound())

    assert contents(later) == contents(first)


@pytest.mark.parametrize("zone", Zone)
def test_a_payload_that_is_held_anywhere_does_not_land_again(
    payloads: PayloadStore, zone: Zone
) -> None:
    stored = payloads.land(sound())
    assert stored
    if zone is Zone.RAW:
        payloads.accept(stored, Name.of(sound()))
    if zone is Zone.QUARANTINE:
        payloads.quarantine(stored, Name.of(sound()), InvalidPayload("some reason"))
    before = contents(payloads)

    assert payloads.land(sound()) is None
    assert contents(payloads) == before
    assert zones_of(payloads, sound()) == [zone]


def test_the_same_content_at_another_time_is_another_payload(payloads: PayloadStore) -> None:
    assert payloads.land(sound(minute=0))
    assert payloads.land(sound(minute=1))


def test_payloads_are_listed_by_time_not_by_name(payloads: PayloadStore) -> None:
    times = [NOON + timedelta(microseconds=n) for n in (500_000, 0, 999_999, 1_000_000)]
    for at in times:
        payloads.land(Payload(at, b"{}"))

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
    payloads.land(sound(minute=1))
    stored = payloads.land(sound(minute=0))
    assert stored
    spoilt = spoil(payloads.objects.get(stored.key) or b"")
    payloads.objects.replace(stored.key, spoilt)

    with pytest.raises(InvalidPayload):
        payloads.read(stored)
    rows = prove(payloads)

    (aside,) = payloads.held(Zone.QUARANTINE, DAY)
    assert aside.name == stored.name
    assert payloads.objects.get(aside.key) == spoilt
    assert told in payloads.reason(aside)
    assert zones_of(payloads, sound(minute=1)) == [Zone.RAW]
    assert [bool(row["quarantined_because"]) for row in rows] == [True, False]


def test_a_payload_whose_object_was_damaged_can_be_landed_again(payloads: PayloadStore) -> None:
    landed = payloads.land(sound())
    assert landed
    payloads.objects.replace(landed.key, b"damaged on its way")
    (row,) = prove(payloads)
    assert row["quarantined_because"]

    assert payloads.land(sound())
    (row,) = prove(payloads)
    assert row["quarantined_because"] is None
    assert not payloads.held(Zone.QUARANTINE, DAY)


def test_objects_with_foreign_names_are_left_and_in_nobodys_way(payloads: PayloadStore) -> None:
    folder = payloads.folder(Zone.LANDING, DAY)
    other_day = Name.of(sound(minute=-24 * 60))
    foreign = {f"{folder}/notes.txt", f"{folder}/{other_day}"}
    for key in foreign:
        payloads.objects.replace(key, gzip.compress(BODY))
    payloads.land(sound())

    prove(payloads)

    assert {stored.key for stored in payloads.held(Zone.LANDING, DAY)} == foreign
    assert zones_of(payloads, sound()) == [Zone.RAW]


# Proving


def test_the_manifest_tells_what_became_of_each_payload(payloads: PayloadStore) -> None:
    payloads.land(sound(minute=2))
    payloads.land(unsound(minute=1))

    rows = prove(payloads)

    bad, good = rows
    assert good["key"] == payloads.key(Zone.RAW, Name.of(sound(minute=2)))
    assert bad["key"] == payloads.key(Zone.QUARANTINE, Name.of(unsound(minute=1)))
    assert (good["sha256"], bad["sha256"]) == (sha(sound()), sha(unsound()))
    assert (good["markets"], good["contracts"]) == (2, BODY.count(b'"lastTradePrice"'))
    assert (bad["markets"], bad["contracts"]) == (None, None)
    assert good["quarantined_because"] is None
    assert bad["quarantined_because"] == reason(payloads, unsound(minute=1))
    assert "(at $.markets)" in bad["quarantined_because"]
    assert read_manifest(payloads.objects.get(manifest_object(payloads, DAY)) or b"") == rows


def test_proving_again_changes_nothing(payloads: PayloadStore) -> None:
    payloads.land(sound(minute=2))
    payloads.land(unsound(minute=1))
    rows = prove(payloads)
    before = contents(payloads)

    assert prove(payloads) == rows
    assert contents(payloads) == before


def test_a_manifest_that_was_lost_is_made_anew(payloads: PayloadStore) -> None:
    payloads.land(sound(minute=2))
    payloads.land(unsound(minute=1))
    prove(payloads)
    before = contents(payloads)

    payloads.objects.delete(manifest_object(payloads, DAY))
    prove(payloads)

    assert contents(payloads) == before


def test_a_raw_object_never_changes(payloads: PayloadStore) -> None:
    payloads.land(sound())
    prove(payloads)
    before = contents(payloads)
    landing = payloads.key(Zone.LANDING, Name.of(sound()))
    payloads.objects.replace(landing, gzip.compress(BODY, compresslevel=1))

    prove(payloads)

    assert contents(payloads) == before


@pytest.mark.parametrize("bring_back", [copy_back, move_back])
def test_what_is_put_back_from_quarantine_is_proven_again(
    payloads: PayloadStore, bring_back: Callable[[PayloadStore, Payload], None]
) -> None:
    set_aside(payloads, sound(), "an old rule")
    (row,) = prove(payloads)
    assert row["quarantined_because"] == "an old rule (at $)"

    bring_back(payloads, sound())
    (row,) = prove(payloads)

    assert row["quarantined_because"] is None
    assert zones_of(payloads, sound()) == [Zone.RAW]
    assert payloads.objects.below(Zone.QUARANTINE) == []


@pytest.mark.parametrize("bring_back", [copy_back, move_back])
def test_what_is_put_back_and_still_unsound_has_its_newest_reason(
    payloads: PayloadStore, bring_back: Callable[[PayloadStore, Payload], None]
) -> None:
    set_aside(payloads, unsound(), "an old rule")
    prove(payloads)

    bring_back(payloads, unsound())
    (row,) = prove(payloads)

    assert zones_of(payloads, unsound()) == [Zone.QUARANTINE]
    assert reason(payloads, unsound()) == "Expected `array` of length >= 1 (at $.markets)"
    assert row["quarantined_because"] == reason(payloads, unsound())


# Two payloads of one capture time


@hypothesis_settings(max_examples=40, deadline=None)
@given(st.permutations([sound(n) for n in range(4)]), st.lists(st.booleans(), min_size=4))
def test_of_one_moment_the_smallest_hash_is_kept_in_whatever_order_they_come(
    arrivals: list[Payload], prove_now: list[bool]
) -> None:
    smallest = min(arrivals, key=sha)
    with TemporaryDirectory() as folder:
        payloads = payloads_in(Path(folder))
        for observation, now in zip([*arrivals, unsound()], [*prove_now[:4], True], strict=True):
            payloads.land(observation)
            if now:
                prove(payloads)

        assert zones_of(payloads, smallest) == [Zone.RAW]
        assert zones_of(payloads, unsound()) == [Zone.QUARANTINE]
        for loser in set(arrivals) - {smallest}:
            assert zones_of(payloads, loser) == [Zone.QUARANTINE]
            assert "another payload of the same capture time" in (reason(payloads, loser) or "")


@hypothesis_settings(max_examples=20, deadline=None)
@given(st.permutations([sound(0), sound(1), sound(2), unsound(0), sound(minute=1)]))
def test_a_day_ends_the_same_in_whatever_order_its_payloads_come(
    arrivals: list[Payload],
) -> None:
    with TemporaryDirectory() as folder:
        at_once, one_by_one = (payloads_in(Path(folder) / name) for name in ("once", "one"))
        for observation in arrivals:
            at_once.land(observation)
            one_by_one.land(observation)
            prove(one_by_one)
        prove(at_once)

        assert contents(one_by_one) == contents(at_once)


@pytest.mark.parametrize("unsound_first", [True, False])
def test_an_unsound_payload_never_displaces_a_sound_one(
    payloads: PayloadStore, unsound_first: bool
) -> None:
    smaller = next(unsound(n) for n in count() if sha(unsound(n)) < sha(sound()))
    for observation in (smaller, sound()) if unsound_first else (sound(), smaller):
        payloads.land(observation)
        prove(payloads)

    assert zones_of(payloads, sound()) == [Zone.RAW]
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
    small, large = sorted([sound(0), sound(1)], key=sha)
    rivals = [
        Payload(NOON + timedelta(minutes=minute), one.body)
        for minute, one in ((1, large), (2, small), (1, small), (2, large))
    ]
    for observation in (*rivals[:2], sound(minute=3)):  # first the one, then the other is in raw
        payloads.land(observation)
    prove(payloads)
    set_aside(payloads, sound(minute=4), "an old rule")
    set_aside(payloads, sound(minute=5), "an old rule")
    set_aside(payloads, unsound(minute=6), "an old rule")
    prove(payloads)
    copy_back(payloads, sound(minute=4))
    move_back(payloads, sound(minute=5))
    move_back(payloads, unsound(minute=6))
    fresh = [*rivals[2:], sound(minute=7), unsound(minute=8)]
    for observation in fresh:
        payloads.land(observation)
    # A move that was cut short has left it in two zones.
    twice = Name.of(sound(minute=3))
    payloads.objects.copy_if_absent(
        payloads.key(Zone.RAW, twice), payloads.key(Zone.LANDING, twice)
    )
    spoilt = payloads.land(sound(minute=9))
    assert spoilt
    payloads.objects.replace(spoilt.key, b"spoilt")
    return [*rivals[:2], *(sound(minute=n) for n in (3, 4, 5)), unsound(minute=6), *fresh]


def test_no_moment_of_death_loses_or_doubles_a_payload(
    new_place: Callable[[], Path | Bucket],
) -> None:
    before, undisturbed = payloads_in(new_place()), payloads_in(new_place())
    whole = eventful_day(before)
    day = contents(before)
    restore(day, undisturbed)
    prove(undisturbed)
    # A moment on S3 takes half a second.
    every = 1 if isinstance(new_place(), Path) else 6

    for operations in count(step=every):
        payloads = payloads_in(new_place())
        restore(day, payloads)
        store: Any = DyingStore(payloads.objects, operations)
        try:
            prove(PayloadStore(store, SOURCE.name, SOURCE.dataset))
        except Killed:
            lost = [one for one in whole if not zones_of(payloads, one)]
            assert not lost, f"after {operations} operations"
        else:
            break
        prove(payloads)

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
