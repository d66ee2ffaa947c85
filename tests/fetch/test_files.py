"""Archives come in whole: each saved payload once, under its own time, or with a reason why not."""

import contextlib
import errno
import gzip
import hashlib
import io
import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from conftest import FEED, NOON, predictit

from predictit_assets import factory
from predictit_assets.contract.arrival import Dropped, FileBounds, FileDrop, Refused
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import ExpectedError, FetchError
from predictit_assets.fetch.files import Imported, dropped_files, import_files
from predictit_assets.layers.intake import Intake
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.http import Answer, Route
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.payloads import MAX_PART, PayloadStore, Zone

MAX_BODY = 1_000_000
SMALL = FakePredictIt(markets=1, contracts=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty archive."""
    made = tmp_path / "archive"
    made.mkdir()
    return made


def save(file: Path, body: bytes) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)
    return file


@pytest.fixture
def intake(settings: Settings) -> Intake:
    """The way in of saved payloads."""
    return factory.intake(settings.model_copy(update={"max_body_mb": 1}), predictit(), FEED)


def land(path: Path, intake: Intake) -> list[Imported]:
    """Import a folder or file: what became of each payload."""
    return list(intake.import_path(path))


def payload_files(path: Path) -> list[Path]:
    (dropped,) = (way for way in FEED.arrivals if isinstance(way, Dropped))
    return dropped_files(path, dropped)


def received(at: datetime, body: bytes) -> Payload:
    """What was received at a moment."""
    return Payload(EASTERN.day_of(at), at, body)


def landed(payloads: PayloadStore) -> list[Payload]:
    """All that landing holds, each object whole, by time."""
    held = [stored for day in payloads.days() for stored in payloads.held(Zone.LANDING, day)]
    loaded = [one.payload._replace(object_name="") for one in map(payloads.load, held) if one]
    return sorted(loaded, key=lambda one: one.captured_at)


def stamped(stamp: str) -> bytes:
    """A payload that gives itself a time."""
    payload = SMALL.payload(NOON)
    for market in payload["markets"]:
        market["timeStamp"] = stamp
    return json.dumps(payload).encode()


# What is taken


def test_payloads_are_found_at_any_depth_and_other_files_are_not(folder: Path) -> None:
    wanted = [
        save(folder / name, b"{}")
        for name in ("1.json", "a/2.json.gz", "a/b/c/20260304T170000Z.json")
    ]
    for name in ("notes.txt", "a/3.json.bak", "x.json.gz.reason.json", "4.gz"):
        save(folder / name, b"{}")
    (folder / "folder.json").mkdir()

    assert payload_files(folder) == wanted


def test_a_folder_without_payloads_or_no_folder_at_all_is_an_error(folder: Path) -> None:
    with pytest.raises(ExpectedError, match=r"holds no \*\.json"):
        payload_files(folder)
    with pytest.raises(ExpectedError, match="is neither a file nor a folder"):
        payload_files(folder / "none")


def test_one_file_may_be_named(folder: Path) -> None:
    file = save(folder / "1.json", b"{}")
    save(folder / "2.json", b"{}")
    assert payload_files(file) == [file]


def test_links_that_lead_out_of_the_folder_are_not_followed(folder: Path, tmp_path: Path) -> None:
    inside = save(folder / "a" / "20260304T170000Z.json", b"{}")
    outside = save(tmp_path / "elsewhere" / "20260304T170100Z.json", b"secret")
    (folder / "20260304T170200Z.json").symlink_to(outside)
    (folder / "20260304T170300Z.json").symlink_to(tmp_path / "nowhere")
    (folder / "20260304T170400Z.zip").symlink_to(outside)
    (folder / "b").symlink_to(outside.parent)
    (folder / "c").symlink_to(folder)  # nor in circles
    near = folder / "20260304T170500Z.json"
    near.symlink_to(inside)
    assert payload_files(folder) == [near, inside]


def test_what_the_sample_feed_archives_lands_as_it_was_polled(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    start, hour = NOON - timedelta(days=1), timedelta(hours=1)
    list(SMALL.archive(folder, start, NOON, hour))

    imported = land(folder, intake)

    assert all(one.landed for one in imported)
    times = [start + n * hour for n in range(24)]
    assert landed(payloads) == [received(at, SMALL.body(at)) for at in times]


def test_the_name_tells_the_time_and_else_the_time_stamp_does(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    body = stamped("2026-03-04T12:00:00.5")
    save(folder / "20260120T170501Z.json", body)
    save(folder / "20260120T170502.000007Z-of-somebody.json.gz", gzip.compress(body))
    save(folder / "20269999T999999Z.json", body)
    save(folder / "b/answer.json.gz", gzip.compress(stamped("2026-07-01T12:00:00")))

    land(folder, intake)

    assert [one.captured_at for one in landed(payloads)] == [
        datetime(2026, 1, 20, 17, 5, 1, tzinfo=UTC),
        datetime(2026, 1, 20, 17, 5, 2, 7, tzinfo=UTC),
        datetime(2026, 3, 4, 17, 0, 0, 500_000, tzinfo=UTC),
        datetime(2026, 7, 1, 16, tzinfo=UTC),
    ]


def test_broken_json_with_a_time_in_its_name_lands_for_nothing_is_lost(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    save(folder / "20260304T170000Z.json", b'{"markets": [')

    (one,) = land(folder, intake)

    assert one.landed
    assert landed(payloads) == [received(NOON, b'{"markets": [')]


def test_importing_again_lands_nothing_in_whatever_zone_a_payload_is(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    list(SMALL.archive(folder, NOON, NOON + timedelta(minutes=3), timedelta(minutes=1)))
    save(folder / "copy/20260304T170000Z.json.gz", gzip.compress(SMALL.body(NOON)))
    save(folder / "20260304T170005Z.json", b"null")

    first = land(folder, intake)
    in_landing = land(folder, intake)
    validate_day(intake.stream, EASTERN.day_of(NOON))
    moved_on = land(folder, intake)

    assert sum(one.landed for one in first) == 4
    for again in (in_landing, moved_on):
        assert [(one.landed, one.refused) for one in again] == [(False, None)] * 5
    assert landed(payloads) == []


# What is refused


def deflated(megabytes: int) -> bytes:
    """A small gzip of many zeros."""
    gzip_stream = zlib.compressobj(level=9, wbits=31)
    parts = [gzip_stream.compress(b"0" * 1_000_000) for _ in range(megabytes)]
    return b"".join([*parts, gzip_stream.flush()])


def corrupt(at: int) -> bytes:
    """A gzip with a byte that isn't the right one."""
    whole = bytearray(gzip.compress(SMALL.body(NOON), mtime=0))
    whole[at] ^= 0xFF
    return bytes(whole)


PLAIN, GZIP, UNTIMED = "20260304T170000Z.json", "20260304T170000Z.json.gz", "answer.json"
REFUSED = {
    "nothing": (PLAIN, b"", "is empty"),
    "blanks": (PLAIN, b" \r\n", "is empty"),
    "no gzip at all": (GZIP, b"", "is empty"),
    "gzip of nothing": (GZIP, gzip.compress(b""), "is empty"),
    "not gzip": (GZIP, b"{}", "can't be read: Not a gzipped file"),
    "cut gzip": (GZIP, gzip.compress(b"{}")[:-3], "can't be read: Compressed file ended"),
    "wrong magic": (GZIP, corrupt(0), "can't be read: Not a gzipped file"),
    "wrong data": (GZIP, corrupt(60), "can't be read"),
    "wrong checksum": (GZIP, corrupt(-6), "can't be read: CRC check failed"),
    "large": (PLAIN, b"0" * (MAX_BODY + 1), "is larger than 1 MB"),
    "large and corrupt further on": (GZIP, deflated(3)[:-1] + b"x", "is larger than 1 MB"),
    "no time": (UNTIMED, b"{}", "neither its name"),
    "no time, not JSON": (UNTIMED, b"\xff\xfe", "neither its name"),
    "unreadable time": (UNTIMED, stamped("NA"), "neither its name"),
    "impossible time": (UNTIMED, stamped("9999-12-31T23:00:00"), "neither its name"),
    "a second too early": ("20220101T045959Z.json", b"{}", "2021-12-31 is no day from 2022-01-01"),
    "the beginning of time": ("00010101T000000Z.json", b"{}", ""),
    "the future": ("29990101T120000Z.json", b"{}", "2999-01-01 is no day from 2022-01-01"),
    "a future stamp": (UNTIMED, stamped("2999-01-01T12:00:00"), "2999-01-01 is no day from"),
}


@pytest.mark.parametrize(("name", "content", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_land_is_refused_with_its_reason_and_stops_nobody(
    folder: Path, intake: Intake, payloads: PayloadStore, name: str, content: bytes, why: str
) -> None:
    bad = save(folder / "a" / name, content)
    save(folder / "b" / "20260304T170100Z.json", b"{}")

    refused, good = land(folder, intake)

    assert refused.file == str(bad)
    assert refused.refused
    assert why in refused.refused
    assert good.landed
    assert [one.captured_at for one in landed(payloads)] == [NOON + timedelta(minutes=1)]


def test_the_first_day_and_today_are_taken(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    now = datetime.now(UTC)
    save(folder / "20220101T050000Z.json", b"{}")
    save(folder / f"{now:%Y%m%dT%H%M%SZ}.json", b"{}")

    assert all(one.landed for one in land(folder, intake))
    assert EASTERN.today() in payloads.days()


def test_a_bomb_is_refused_without_being_held(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    save(folder / "20260304T170000Z.json.gz", deflated(200))

    tracemalloc.start()
    try:
        (one,) = land(folder, intake)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "is larger than 1 MB" in (one.refused or "")
    assert peak < 5 * MAX_BODY


# Zips


Members = list[tuple[str, bytes]]
FIRST, SECOND = "20260304T170000Z.json", "20260304T170100Z.json"
GOOD: Members = [(FIRST, b"{}"), (f"a/b/{SECOND}.gz", gzip.compress(b"[]"))]


def zip_of(file: Path, members: Members, method: int = zipfile.ZIP_DEFLATED) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("name", ["all.zip", "ALL.ZIP", "a/b/all.zip"])
def test_the_members_of_a_zip_land_one_by_one(
    folder: Path, intake: Intake, payloads: PayloadStore, method: int, name: str
) -> None:
    others = [("readme.txt", b"no payload"), ("a/", b""), (f"{FIRST}.reason.json", b"{}")]
    file = zip_of(folder / name, [*GOOD, *others], method)

    imported = land(folder, intake)

    assert [(one.file, one.landed) for one in imported] == [
        (f"{file}: {member}", True) for member, _ in GOOD
    ]
    assert landed(payloads) == [received(NOON, b"{}"), received(NOON + MINUTE, b"[]")]
    again = [land(folder, intake), land(file, intake)]
    assert [(one.landed, one.refused) for one in chain(*again)] == [(False, None)] * 4


def test_a_zip_that_is_named_otherwise_is_one_too(folder: Path, intake: Intake) -> None:
    file = zip_of(folder / "download", GOOD)
    assert [one.landed for one in land(file, intake)] == [True, True]


@pytest.mark.parametrize(
    "name",
    [
        f"../{SECOND}",
        f"a/../../{SECOND}",
        f"/{SECOND}",
        f"/etc/{SECOND}",
        f"..\\{SECOND}",
        f"\\\\server\\{SECOND}",
    ],
)
def test_a_member_whose_name_leads_out_is_left_out_and_said(
    folder: Path, intake: Intake, payloads: PayloadStore, tmp_path: Path, name: str
) -> None:
    zip_of(folder / "all.zip", [(name, b"[]"), (FIRST, b"{}")])
    before = {path for path in tmp_path.rglob("*") if "objects" not in path.parts}

    bad, good = land(folder, intake)

    assert "leads out" in (bad.refused or "")
    assert good.landed
    assert landed(payloads) == [received(NOON, b"{}")]
    assert {path for path in tmp_path.rglob("*") if "objects" not in path.parts} - before <= {
        tmp_path / "home"
    }


def test_a_member_that_is_a_link_is_left_out_and_said(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    link = zipfile.ZipInfo(SECOND)
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(folder / "all.zip", "w") as archive:
        archive.writestr(link, "/etc/passwd")
        archive.writestr(FIRST, b"{}")

    bad, good = land(folder, intake)

    assert "link" in (bad.refused or "")
    assert good.landed
    assert landed(payloads) == [received(NOON, b"{}")]


BAD_MEMBERS = {
    "empty": (SECOND, b"", "is empty"),
    "not gzip": (f"{SECOND}.gz", b"{}", "can't be read"),
    "cut gzip": (f"{SECOND}.gz", gzip.compress(b"{}" * 99)[:-3], "can't be read"),
    "no time": ("answer.json", b"{}", "neither its name"),
    "the future": ("29990101T120000Z.json", b"{}", "is no day from"),
}


@pytest.mark.parametrize(("name", "content", "why"), BAD_MEMBERS.values(), ids=BAD_MEMBERS)
def test_one_bad_member_costs_itself(
    folder: Path, intake: Intake, payloads: PayloadStore, name: str, content: bytes, why: str
) -> None:
    file = zip_of(folder / "all.zip", [(name, content), (FIRST, b"{}")])

    bad, good = land(folder, intake)

    assert bad.file == f"{file}: {name}"
    assert why in (bad.refused or "")
    assert good.landed
    assert landed(payloads) == [received(NOON, b"{}")]


def cut(whole: bytes) -> bytes:
    return whole[: len(whole) // 2]


def encrypted(whole: bytes) -> bytes:
    """A zip that says that its first member is encrypted."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.start_dir
    spoilt = bytearray(whole)
    spoilt[6] |= 1
    spoilt[start + 8] |= 1
    return bytes(spoilt)


def unknown_method(whole: bytes) -> bytes:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.start_dir
    spoilt = bytearray(whole)
    spoilt[8] = spoilt[start + 10] = 99
    return bytes(spoilt)


def flipped(whole: bytes) -> bytes:
    """A zip whose last member has another content than its checksum says."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        start = archive.start_dir
    return whole[: start - 3] + bytes([whole[start - 3] ^ 0xFF]) + whole[start - 2 :]


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (cut, "no whole zip"),
        (lambda whole: whole[:-1], "no whole zip"),
        (lambda _: b"", "no whole zip"),
        (lambda _: b"{}", "no whole zip"),
        (flipped, ""),
        (encrypted, "encrypted"),
        (unknown_method, ""),
    ],
    ids=["half", "cut", "empty", "not a zip", "flipped", "encrypted", "unknown method"],
)
def test_of_a_broken_zip_nothing_lands_and_others_do(
    folder: Path,
    intake: Intake,
    payloads: PayloadStore,
    spoil: Callable[[bytes], bytes],
    why: str,
) -> None:
    file = zip_of(folder / "a.zip", GOOD, zipfile.ZIP_STORED)
    file.write_bytes(spoil(file.read_bytes()))
    save(folder / "b" / "20260304T180000Z.json", b"{}")

    bad, good = land(folder, intake)

    assert bad.file == str(file)
    assert bad.refused
    assert why in bad.refused
    assert good.landed
    assert [one.captured_at for one in landed(payloads)] == [NOON + 60 * MINUTE]


@pytest.mark.parametrize(
    ("members", "bounds", "why"),
    [
        ([(FIRST, b"{}"), (f"a/{FIRST}", b"[]")], {}, "two members of the name"),
        ([(FIRST, b"{}"), (f"{FIRST}.gz", gzip.compress(b"[]"))], {}, "two members of the name"),
        ([("readme.txt", b"{}")], {}, "holds no *.json"),
        ([], {}, "holds no *.json"),
        ([*GOOD, ("c.txt", b"")], {"max_members": 2}, "3 members, more than 2"),
        ([*GOOD, (f"c{FIRST}", b" " * 200_001)], {"max_file": 200_000}, "larger than 0 MB"),
        ([*GOOD, (f"c{FIRST}.gz", gzip.compress(b" " * 200_001))], {"max_file": 200_000}, "larger"),
        ([(f"{n}.json", b" " * 90_000) for n in range(9)], {"max_unpacked": 700_000}, "unpacks"),
        (
            [(f"{n}.json.gz", gzip.compress(b" " * 90_000)) for n in range(9)],
            {"max_unpacked": 700_000},
            "unpacks to more than",
        ),
        ([(FIRST, os.urandom(5000))], {"max_archive": 4000}, "is larger than"),
    ],
    ids=[
        "one name", "one name, one zipped", "no payload", "nothing", "too many members",
        "a large member", "a large member in a gzip", "large in all", "large in all, in gzips",
        "a large zip",
    ],
)  # fmt: skip
def test_a_zip_beyond_its_bounds_lands_nothing(
    folder: Path, members: Members, bounds: dict[str, int], why: str
) -> None:
    file = zip_of(folder / "all.zip", members)
    taken: list[Payload] = []

    (one,) = import_files(
        [file], BY_NAME, FileBounds()._replace(**bounds), taken.append, ANY_DAY, "START"
    )

    assert not taken
    assert one.refused
    assert why in one.refused


def by_name(drop: FileDrop) -> Payload:
    """Any file is a payload of noon, and its name is its part."""
    if drop.name.startswith("bad"):
        raise Refused("is bad")
    return Payload(EASTERN.day_of(NOON), NOON, drop.body, drop.name)


BY_NAME = Dropped(by_name, endings=(".json", ".csv"))
ANY_DAY = DayRange(date(2014, 11, 1), date(2030, 1, 1))


def test_a_zip_bomb_is_refused_without_being_held(
    folder: Path, intake: Intake, payloads: PayloadStore
) -> None:
    with (
        zipfile.ZipFile(folder / "all.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(FIRST, "w") as member,
    ):
        for _ in range(200):
            member.write(b" " * 1_000_000)

    tracemalloc.start()
    try:
        (one,) = land(folder, intake)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "is larger than 1 MB" in (one.refused or "")
    assert peak < 10 * MAX_BODY
    assert landed(payloads) == []


def test_a_large_member_is_streamed(folder: Path) -> None:
    """200 MB of a dump pass through a zip, and memory stays flat."""
    file, digest = folder / "all.zip", hashlib.sha256()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in ("small.csv", "orders.csv"):
            with archive.open(name, "w") as member:
                for n in range(200 if name == "orders.csv" else 1):
                    piece = f"{n},an order of something;".encode() * 40_000
                    member.write(piece)
                    if name == "orders.csv":
                        digest.update(piece)
    seen: list[tuple[str, bool, str]] = []

    def take(payload: Payload) -> bool:
        with payload.open() as body:
            hashed = hashlib.file_digest(body, "sha256").hexdigest()
        seen.append((payload.part, isinstance(payload.body, Path), hashed))
        return True

    tracemalloc.start()
    try:
        imported = list(import_files([file], BY_NAME, FileBounds(), take, ANY_DAY, "START"))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert all(one.landed for one in imported)
    assert seen[1] == ("orders.csv", True, digest.hexdigest())
    assert [(part, in_file) for part, in_file, _ in seen] == [
        ("small.csv", False),
        ("orders.csv", True),
    ]
    assert peak < 30_000_000


def test_a_file_of_a_name_that_is_too_long_costs_itself(
    folder: Path, payloads: PayloadStore
) -> None:
    names = ["good.json", f"{'x' * MAX_PART}.json", "bad.json"]
    files = [save(folder / name, b"{}") for name in names]

    imported = list(import_files(files, BY_NAME, FileBounds(), payloads.land, ANY_DAY, "START"))

    assert [one.landed for one in imported] == [True, False, False]
    assert "shorter name" in (imported[1].refused or "")
    assert imported[2].refused == "is bad"


# What an address answers


class AnyPath:
    """A server that answers at any path what a test says."""

    name = "files"
    faults = ()

    def routes(self, clock: object) -> list[Route]:
        return [Route("GET", "/.*", lambda _request: Answer(b"", 404))]


@pytest.fixture
def files() -> Iterator[SampleServer]:
    with SampleServer(AnyPath()) as server:  # type: ignore[arg-type]
        yield server


@pytest.fixture
def by_address(settings: Settings, files: SampleServer) -> Callable[[str], Intake]:
    """The way in of a dataset whose files lie at a path of the server."""

    def make(path: str) -> Intake:
        class Fetched(type(FEED)):  # type: ignore[misc]
            arrivals = (Dropped(by_name, url=lambda _settings: f"{files.url}{path}"),)

        return factory.intake(settings, predictit(api_url=files.url), Fetched())

    return make


@pytest.mark.parametrize(
    ("path", "zipped", "parts"),
    [
        ("/dumps/latest?token=hunter2", True, ["20260304T170000Z.json", "20260304T170100Z.json"]),
        ("/dumps/all.zip", True, ["20260304T170000Z.json", "20260304T170100Z.json"]),
        ("/dumps/day%20one.json?token=hunter2", False, ["day one.json"]),
        ("/dumps/day.json.gz", False, ["day.json"]),
    ],
)
def test_an_address_gives_a_zip_or_one_file(
    by_address: Callable[[str], Intake],
    files: SampleServer,
    folder: Path,
    path: str,
    zipped: bool,
    parts: list[str],
) -> None:
    content = zip_of(folder / "all.zip", GOOD).read_bytes() if zipped else b"[1]"
    if path.endswith(".gz"):
        content = gzip.compress(content)
    intake = by_address(path)
    for _ in range(2):
        files.fail_with(Answer(content, 200, "application/octet-stream"))

    imported = intake.fetch_address(lambda _: None)

    assert all(one.landed for one in imported)
    day = EASTERN.day_of(NOON)
    assert [one.part for one in intake.stream.payloads.held(Zone.LANDING, day)] == parts
    again = intake.fetch_address(lambda _: None)
    assert [(one.landed, one.refused) for one in again] == [(False, None)] * len(parts)
    assert [request.path for request in files.requests] == [path, path]


def test_an_address_that_gives_no_payload_is_an_error_that_keeps_it_secret(
    by_address: Callable[[str], Intake], files: SampleServer
) -> None:
    intake = by_address("/dumps/hunter2?token=hunter3")
    files.fail_with(Answer(b"<html>sign in</html>", 200, "text/html"), "403")
    for why in ("no whole zip", "the URL was refused: has it run out?"):
        with pytest.raises(FetchError, match=re.escape(why)) as caught:
            intake.fetch_address(lambda _: None)
        assert "hunter" not in str(caught.value)


# Death at any moment


def test_imports_that_are_killed_and_repeated_land_everything_once(
    folder: Path, settings: Settings, payloads: PayloadStore
) -> None:
    minute = timedelta(minutes=1)
    list(SMALL.archive(folder, NOON, NOON + 600 * minute, minute))
    command = [str(Path(sys.executable).with_name("predictit")), "import", str(folder)]
    environment = os.environ | {"PREDICTIT_HOME": str(settings.home)}

    def held() -> int:
        return sum(1 for _ in settings.objects_dir.rglob("*.json.gz"))

    for enough in sorted(random.sample(range(1, 300), 2)):
        with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as process:
            while held() < enough:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(timeout=0.01)
                    break
            process.kill()
        assert process.returncode == -signal.SIGKILL
        assert len(landed(payloads)) >= enough  # and each of them is whole

    before = len(landed(payloads))
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

    assert done.stdout == f"{600 - before} landed, {before} already there, 0 refused\n"
    times = [NOON + n * minute for n in range(600)]
    assert landed(payloads) == [received(at, SMALL.body(at)) for at in times]
    assert held() == 600


# What isn't looked at is told


def test_what_is_not_looked_at_is_told_and_counts_as_refused(
    folder: Path, tmp_path: Path, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(folder / "20260304T170000Z.json", SMALL.body(NOON))
    outside = save(tmp_path / "elsewhere" / "20260304T170100Z.json", b"secret")
    save(folder / "shut" / "20260304T170200Z.json", b"{}")
    (folder / "out.json").symlink_to(outside)
    (folder / "nowhere.zip").symlink_to(tmp_path / "nowhere")
    (folder / "linked").symlink_to(outside.parent)
    os.mkfifo(folder / "pipe.json")
    scandir = os.scandir

    def guarded(path: Any) -> Any:  # root may read every folder
        if str(path).endswith("shut"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)

    imported = land(folder, intake)

    assert {Path(one.file).name: one.refused for one in imported} == {
        "20260304T170000Z.json": None,
        "shut": "the folder can't be read: Permission denied",
        "out.json": "is a link that leads out of the folder",
        "nowhere.zip": "is a link that leads out of the folder",
        "linked": "is a link to a folder, which isn't followed",
        "pipe.json": "is no file that can be read",
    }


@pytest.mark.parametrize(
    "name",
    [
        "../20260304T170000Z.json",
        "/20260304T170000Z.json",
        "a/../../x.json",
        "\\\\host\\share\\x.json",
        "C:\\x.json",
        "c:x.json",
        "nul.json",
        "a/COM1.json",
        "con",
    ],
)
def test_a_member_whose_name_leads_out_of_the_zip_is_left_out_and_told(
    folder: Path, intake: Intake, name: str
) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr(name, b"{}")
        archive.writestr("20260304T170001Z.json", SMALL.body(NOON))
        archive.writestr("console/20260304T170002Z.json", SMALL.body(NOON))
    bad, *good = land(folder, intake)
    assert "leads out" in (bad.refused or "")
    assert [one.landed for one in good] == [True, True]


@pytest.mark.parametrize(
    ("kind", "name", "told"),
    [
        (stat.S_IFLNK, "x.json", "is a link"),
        (stat.S_IFIFO, "x.json", "is no file"),
        (stat.S_IFCHR, "x.json", "is no file"),
        (stat.S_IFREG, "inner.ZIP", "is a zip within a zip"),
    ],
)
def test_a_member_that_is_no_payload_file_is_left_out_and_told(
    folder: Path, intake: Intake, kind: int, name: str, told: str
) -> None:
    entry = zipfile.ZipInfo(name)
    entry.external_attr = (kind | 0o644) << 16
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr(entry, b"{}")
    (one,) = land(folder, intake)
    assert told in (one.refused or "")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"\xef\xbb\xbf" + SMALL.body(NOON), "byte-order mark"),
        (SMALL.body(NOON).decode().encode("utf-16"), "UTF-16"),
        (gzip.compress(SMALL.body(NOON)), "a gzip"),
        (json.dumps(SMALL.payload(NOON)["markets"][0]).encode(), "one market, and not the feed"),
        (b'{"markets": []}', "length >= 1"),
        (stamped("2026-99-99T12:00:00"), "it is no moment"),
    ],
)
def test_why_no_time_can_be_told_is_said(
    folder: Path, intake: Intake, body: bytes, told: str
) -> None:
    save(folder / "answer.json", body)
    (one,) = land(folder, intake)
    assert told in (one.refused or "")


# Times that a clock made up


def test_what_is_captured_in_the_future_is_refused(folder: Path, intake: Intake) -> None:
    later = datetime.now(UTC) + timedelta(minutes=11)
    save(folder / f"{later:%Y%m%dT%H%M%S}Z.json", SMALL.body(NOON))
    (one,) = land(folder, intake)
    # Late in the evening it is tomorrow's already.
    assert "is in the future" in (one.refused or "") or "is no day from" in (one.refused or "")


def test_a_payload_of_the_future_goes_to_quarantine_wherever_it_lies(
    intake: Intake, payloads: PayloadStore
) -> None:
    soon, later = (datetime.now(UTC) + timedelta(days=days) for days in (0, 2000))
    payloads.land(received(soon, SMALL.body(NOON)))
    assert len(validate_day(intake.stream, EASTERN.day_of(soon))) == 1
    far = EASTERN.day_of(later)
    stored = payloads.land(received(later, SMALL.body(NOON)))
    assert stored
    for zone in (Zone.LANDING, Zone.RAW):
        (row,) = validate_day(intake.stream, far)
        assert "captured in the future" in row["quarantined_because"]
        assert not payloads.held(Zone.RAW, far)
        (kept,) = payloads.held(Zone.QUARANTINE, far)
        if zone is Zone.LANDING:  # as it was validated while the clock was ahead
            body = payloads.objects.get(kept.key)
            assert body
            payloads.objects.put_if_absent(kept.key.replace("quarantine", "raw", 1), body)
    assert len(payloads.held(Zone.RAW, EASTERN.day_of(soon))) == 1
    # A build needn't look there again.
    assert far not in intake.stream.known_days()
