"""Archives come in whole: each saved payload once, under its own time, or with a reason why not."""

import contextlib
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import tracemalloc
import zlib
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from conftest import NOON

from predictit_assets.contract.calendar import day_of, today
from predictit_assets.contract.source import Payload
from predictit_assets.errors import ExpectedError
from predictit_assets.fetch.files import Imported, import_files, payload_files
from predictit_assets.layers.raw import validate_day
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.source import PredictIt
from predictit_assets.storage.payloads import PayloadStore, Zone

FIRST_DAY = date(2014, 11, 1)
MAX_BODY = 1_000_000
SMALL = FakePredictIt(markets=1, contracts=1)


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


def land(folder: Path, source: PredictIt, payloads: PayloadStore) -> list[Imported]:
    """Import a folder: what became of each file."""
    return list(import_files(payload_files(folder), source, payloads, FIRST_DAY, MAX_BODY))


def landed(payloads: PayloadStore) -> list[Payload]:
    """All that landing holds, each object whole, by time."""
    held = [stored for day in payloads.days() for stored in payloads.held(Zone.LANDING, day)]
    observations = [payloads.read(stored) for stored in held]
    return sorted((one for one in observations if one), key=lambda one: one.captured_at)


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
    with pytest.raises(ExpectedError, match="is not a folder"):
        payload_files(save(folder / "1.json", b"{}"))


def test_what_the_sample_feed_archives_lands_as_it_was_polled(
    folder: Path, source: PredictIt, payloads: PayloadStore
) -> None:
    start, hour = NOON - timedelta(days=1), timedelta(hours=1)
    list(SMALL.archive(folder, start, NOON, hour))

    imported = land(folder, source, payloads)

    assert all(one.landed for one in imported)
    times = [start + n * hour for n in range(24)]
    assert landed(payloads) == [Payload(at, SMALL.body(at)) for at in times]


def test_the_name_tells_the_time_and_else_the_time_stamp_does(
    folder: Path, source: PredictIt, payloads: PayloadStore
) -> None:
    body = stamped("2026-03-04T12:00:00.5")
    save(folder / "20260120T170501Z.json", body)
    save(folder / "20260120T170502.000007Z-of-somebody.json.gz", gzip.compress(body))
    save(folder / "20269999T999999Z.json", body)
    save(folder / "b/answer.json.gz", gzip.compress(stamped("2026-07-01T12:00:00")))

    land(folder, source, payloads)

    assert [one.captured_at for one in landed(payloads)] == [
        datetime(2026, 1, 20, 17, 5, 1, tzinfo=UTC),
        datetime(2026, 1, 20, 17, 5, 2, 7, tzinfo=UTC),
        datetime(2026, 3, 4, 17, 0, 0, 500_000, tzinfo=UTC),
        datetime(2026, 7, 1, 16, tzinfo=UTC),
    ]


def test_broken_json_with_a_time_in_its_name_lands_for_nothing_is_lost(
    folder: Path, source: PredictIt, payloads: PayloadStore
) -> None:
    save(folder / "20260304T170000Z.json", b'{"markets": [')

    (one,) = land(folder, source, payloads)

    assert one.landed
    assert landed(payloads) == [Payload(NOON, b'{"markets": [')]


def test_importing_again_lands_nothing_in_whatever_zone_a_payload_is(
    folder: Path, source: PredictIt, payloads: PayloadStore
) -> None:
    list(SMALL.archive(folder, NOON, NOON + timedelta(minutes=3), timedelta(minutes=1)))
    save(folder / "copy/20260304T170000Z.json.gz", gzip.compress(SMALL.body(NOON)))
    save(folder / "20260304T170005Z.json", b"null")

    first = land(folder, source, payloads)
    in_landing = land(folder, source, payloads)
    validate_day(source, payloads, day_of(NOON))
    moved_on = land(folder, source, payloads)

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
    "a second too early": ("20141101T035959Z.json", b"{}", "2014-10-31 is no day from 2014-11-01"),
    "the beginning of time": ("00010101T000000Z.json", b"{}", ""),
    "the future": ("29990101T120000Z.json", b"{}", "2999-01-01 is no day from 2014-11-01"),
    "a future stamp": (UNTIMED, stamped("2999-01-01T12:00:00"), "2999-01-01 is no day from"),
}


@pytest.mark.parametrize(("name", "content", "why"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_land_is_refused_with_its_reason_and_stops_nobody(
    folder: Path, source: PredictIt, payloads: PayloadStore, name: str, content: bytes, why: str
) -> None:
    bad = save(folder / "a" / name, content)
    save(folder / "b" / "20260304T170100Z.json", b"{}")

    refused, good = land(folder, source, payloads)

    assert refused.file == bad
    assert refused.refused
    assert why in refused.refused
    assert good.landed
    assert [one.captured_at for one in landed(payloads)] == [NOON + timedelta(minutes=1)]


def test_the_first_day_and_today_are_taken(
    folder: Path, source: PredictIt, payloads: PayloadStore
) -> None:
    now = datetime.now(UTC)
    save(folder / "20141101T040000Z.json", b"{}")
    save(folder / f"{now:%Y%m%dT%H%M%SZ}.json", b"{}")

    assert all(one.landed for one in land(folder, source, payloads))
    assert today() in payloads.days()


def test_a_bomb_is_refused_without_being_held(
    folder: Path, source: PredictIt, payloads: PayloadStore
) -> None:
    save(folder / "20260304T170000Z.json.gz", deflated(200))

    tracemalloc.start()
    try:
        (one,) = land(folder, source, payloads)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert "is larger than 1 MB" in (one.refused or "")
    assert peak < 5 * MAX_BODY


# Death at any moment


def test_imports_that_are_killed_and_repeated_land_everything_once(
    folder: Path, settings: Settings, source: PredictIt, payloads: PayloadStore
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
    assert landed(payloads) == [Payload(at, SMALL.body(at)) for at in times]
    assert held() == 600
