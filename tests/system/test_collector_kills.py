"""The collector, killed while it collects: what was answered 200 is in landing or in the spool."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.sources.clickstream.collect import HITS, SOURCE, SUFFIX
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone

KILLS = 25
POSTERS = 4


@dataclass
class Site:
    """Clients that post hits, each with a number of its own, and remember what was answered."""

    numbers: Iterator[int] = field(default_factory=count)
    accepted: set[int] = field(default_factory=set)
    statuses: Counter[int] = field(default_factory=Counter)

    @contextmanager
    def posting(self, port: int) -> Iterator[None]:
        """Posts as fast as they are answered, until the end of the block or of the server."""
        ended = threading.Event()
        threads = [threading.Thread(target=self._post, args=(port, ended)) for _ in range(POSTERS)]
        for one in threads:
            one.start()
        try:
            yield
        finally:
            ended.set()
            for one in threads:
                one.join()

    def _post(self, port: int, ended: threading.Event) -> None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        while not ended.is_set():
            number = next(self.numbers)
            hit = {"t": "pageview", "cid": "c", "z": number, "dt": "x" * random.randrange(2000)}  # noqa: S311
            try:
                connection.request("POST", "/collect", json.dumps(hit))
                response = connection.getresponse()
                response.read()
            except (OSError, HTTPException):
                connection.close()
                time.sleep(0.01)
                continue
            self.statuses[response.status] += 1
            if response.status == 200:
                self.accepted.add(number)


def script(home: Path, segment_bytes: int = 20_000, file_bytes: int = 0) -> subprocess.Popen[str]:
    """A light collector in a process of its own."""
    file = Path(__file__).with_name("collector_process.py")
    return subprocess.Popen(
        [sys.executable, file, home, str(segment_bytes), str(file_bytes)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def port_of(process: subprocess.Popen[str]) -> int:
    """Where a collector listens, when it does."""
    assert process.stdout
    where = process.stdout.readline().split()
    assert where, process.stderr and process.stderr.read()
    return urlsplit(where[-1]).port or 0


def landed(home: Path) -> list[int]:
    """The number of each hit in landing."""
    store = PayloadStore(ObjectStore(home / "objects"), SOURCE, HITS, UTC_CALENDAR, suffix=SUFFIX)
    held = [one for day in store.days(Zone.LANDING) for one in store.held(Zone.LANDING, day)]
    bodies = [gzip.decompress(store.objects.get(one.key) or b"") for one in held]
    lines = [json.loads(line) for body in bodies for line in body.splitlines()]
    return [json.loads(line["body"])["z"] for line in lines]


def stop(process: subprocess.Popen[str]) -> int:
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    return process.returncode


def test_what_was_acknowledged_is_never_lost_whenever_it_is_killed(tmp_path: Path) -> None:
    """Also while it starts, while a segment is landed, while the store is away."""
    chance = random.Random(7)  # noqa: S311
    site = Site()
    objects, away = tmp_path / "objects", tmp_path / "away"
    objects.mkdir()
    for _ in range(KILLS):
        is_away = chance.random() < 0.3
        if is_away:
            objects.rename(away)
            objects.write_text("no folder")
        process = script(tmp_path)
        if chance.random() < 0.2:
            time.sleep(chance.uniform(0, 1.0))
            process.kill()
        else:
            with site.posting(port_of(process)):
                time.sleep(chance.uniform(0, 0.5))
                process.kill()
        process.communicate()
        if is_away:
            objects.unlink()
            away.rename(objects)

    last = script(tmp_path)
    port_of(last)
    assert stop(last) == 0
    found = Counter(landed(tmp_path))
    assert len(site.accepted) > KILLS
    assert site.accepted - found.keys() == set()
    assert {number for number, times in found.items() if times > 1} == set()
    assert not [*(tmp_path / "spool").glob("*-*")]


def test_a_disk_that_is_full_costs_no_request_that_was_acknowledged(tmp_path: Path) -> None:
    """Lines are refused in the middle of a segment; it is cut back, and the next one begins."""
    process = script(tmp_path, segment_bytes=10_000_000, file_bytes=10_000)
    site = Site()
    with site.posting(port_of(process)):
        time.sleep(2)
    assert stop(process) == 0
    assert site.statuses[503]
    assert set(landed(tmp_path)) == site.accepted != set()


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def predictit(home: Path, *command: str, **environment: str) -> subprocess.Popen[str]:
    """The command itself, on a port that is free."""
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTIT_")}
    own = {
        "PREDICTIT_HOME": str(home),
        "PREDICTIT_CLICKSTREAM_PORT": "0",
        "PREDICTIT_CLICKSTREAM_REQUESTS_A_SECOND": "0",
    }
    return subprocess.Popen(
        [Path(sys.executable).with_name("predictit"), *command],
        env=inherited | own | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_signal_drains_it_and_another_collector_on_its_spool_is_told(home: Path) -> None:
    process = predictit(home, "collect")
    port = port_of(process)
    site = Site()
    with site.posting(port):
        other = predictit(home, "collect", "clickstream")
        _, said = other.communicate(timeout=60)
        assert other.returncode == 1
        assert said == (
            f"error: {home}/spool/clickstream is held by PID {process.pid} on "
            f"{os.uname().nodename!r}: a collector needs a spool of its own\n"
        )
        taken = {
            "PREDICTIT_CLICKSTREAM_PORT": str(port),
            "PREDICTIT_CLICKSTREAM_SPOOL": str(home / "other"),
        }
        other = predictit(home, "collect", **taken)
        _, said = other.communicate(timeout=60)
        assert other.returncode == 1
        assert said == (
            f"error: port {port} of 127.0.0.1 can't be listened on: it is taken: "
            "PREDICTIT_CLICKSTREAM_PORT or PREDICTIT_CLICKSTREAM_HOST names another\n"
        )
        # It is stopped while it collects.
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 0, said
    assert set(landed(home)) >= site.accepted != set()
    (told,) = said.splitlines()
    assert told.startswith(f"{len(landed(home)):,} accepted, ")
    loaded = "no module of these is loaded"
    code = (
        "import sys; from predictit_assets import cli; import predictit_assets.fetch.collector\n"
        "from predictit_assets.sources import load; load('clickstream')\n"
        # A namespace without anything in it is made whenever Python starts.
        "heavy = {'dagster', 'dbt', 'duckdb', 'snowflake.connector'}\n"
        f"print(heavy.intersection(sys.modules) or {loaded!r})"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == f"{loaded}\n", run.stderr


def test_what_cannot_be_written_is_one_clear_line(home: Path) -> None:
    home.mkdir()
    (home / "file").touch()
    process = predictit(home, "collect", PREDICTIT_CLICKSTREAM_SPOOL=str(home / "file"))
    _, said = process.communicate(timeout=60)
    assert process.returncode == 1
    assert said == f"error: {home}/file: File exists\n"
