"""The collector behind real sockets: what is answered when, and what is kept of it."""

import errno
import gzip
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from predictit_assets.contract.arrival import Endpoint, Receipt, Received
from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.contract.payload import Payload
from predictit_assets.fetch import collector as collecting
from predictit_assets.fetch.collector import Addresses, Collected, PortUnusable, collect
from predictit_assets.fetch.spool import Spool, SpoolBroken
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone

PATH = "/collect"
RECEIPT = Receipt("image/gif", b"GIF")
MAX_BODY = 1000


def line(received: Received) -> bytes:
    """What tests look at of a request."""
    kept = [
        received.method,
        received.address,
        received.query,
        dict(received.headers),
        received.body.decode("latin-1"),
    ]
    return json.dumps(kept).encode()


@dataclass
class Running:
    """A collector that runs in a thread, as long as its `with` block lasts."""

    home: Path
    port: int = 0
    log: list[str] = field(default_factory=list)
    fault: BaseException | None = None

    def open(self) -> HTTPConnection:
        return HTTPConnection("127.0.0.1", self.port, timeout=10)

    def ask(
        self, method: str, path: str = PATH, body: bytes | None = None, **headers: str
    ) -> HTTPResponse:
        """One request over a connection of its own; the body is read into `said`."""
        connection = self.open()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, named)
        response = connection.getresponse()
        response.said = response.read()  # type: ignore[attr-defined]
        connection.close()
        return response

    def post(self, body: bytes = b"{}", **headers: str) -> HTTPResponse:
        return self.ask("POST", body=body, **headers)

    def raw(self, sent: bytes) -> bytes:
        """What is answered to bytes, until the connection is closed."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(sent)
            parts = iter(lambda: connection.recv(65536), b"")
            return b"".join(parts)

    def ready(self) -> tuple[int, dict[str, Any]]:
        response = self.ask("GET", "/readyz")
        return response.status, json.loads(response.said)  # type: ignore[attr-defined]

    @property
    def spooled(self) -> bytes:
        """What all segments hold."""
        files = sorted((self.home / "spool").glob("*-*"))
        return b"".join(file.read_bytes() for file in files)

    @property
    def landed(self) -> list[list[Any]]:
        """The lines of all objects."""
        store = store_of(self.home)
        held = [one for day in store.days(Zone.LANDING) for one in store.held(Zone.LANDING, day)]
        bodies = [store.objects.get(one.key) for one in held]
        return [json.loads(one) for body in bodies for one in gzip.decompress(body).splitlines()]


def store_of(home: Path) -> PayloadStore:
    return PayloadStore(
        ObjectStore(home / "objects"), "shop", "hits", UTC_CALENDAR, suffix=".ndjson.gz"
    )


@contextmanager
def running(
    home: Path, land: Callable[[Payload], object] | None = None, seconds: float = 60, **bounds: Any
) -> Iterator[Running]:
    """A collector in a thread; a fault by which it ended is in `fault` then."""
    lenient = {
        "host": "127.0.0.1",
        "port": 0,
        "spool": None,
        "max_spool": 10_000_000,
        "max_body": MAX_BODY,
        "connections": 100,
        "requests_a_second": 0,
        "origins": ("*",),
        "trusted_proxies": (),
    }
    what = Collected(
        PATH,
        Endpoint(**{**lenient, **bounds}),
        RECEIPT,
        line,
        UTC_CALENDAR.day_of,
        land or store_of(home).land_for_good,
    )
    made = Running(home)
    begun: Queue[tuple[str, Callable[[], None]] | None] = Queue()

    def work() -> None:
        try:
            with Spool(home / "spool", UTC_CALENDAR.day_of, segment_seconds=seconds) as spool:
                collect(what, spool, made.log.append, lambda *told: begun.put(told), 0.05)
        except BaseException as fault:
            made.fault = fault
        begun.put(None)

    thread = threading.Thread(target=work)
    thread.start()
    told = begun.get()
    assert told, made.fault
    where, stop = told
    made.port = int(where.removesuffix(PATH).rpartition(":")[2])
    try:
        yield made
    finally:
        stop()
        thread.join()


def until(holds: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it didn't come about in time"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A collector that several tests ask."""
    with running(tmp_path_factory.mktemp("home")) as made:
        yield made


def test_what_is_accepted_is_in_the_spool_and_answered_with_the_receipt(usual: Running) -> None:
    for sent in (b'{"a": 1}', b"no JSON", b"\xff\x00", b"", b"x" * MAX_BODY):
        response = usual.post(sent)
        assert (response.status, response.said) == (200, b"GIF")  # type: ignore[attr-defined]
        last = json.loads(usual.spooled.splitlines()[-1])
        assert (last[0], last[1], last[4]) == ("POST", "127.0.0.1", sent.decode("latin-1"))
    assert response.getheader("Content-Type") == "image/gif"
    assert response.getheader("Cache-Control") == "no-store"
    assert response.getheader("Access-Control-Allow-Origin") == "*"
    assert response.getheader("Server") is None


def test_an_image_can_post_by_its_address(usual: Running) -> None:
    assert usual.ask("GET", f"{PATH}?t=view&cid=%41%20b").status == 200
    last = json.loads(usual.spooled.splitlines()[-1])
    assert (last[0], last[2]) == ("GET", "t=view&cid=%41%20b")


def test_a_browser_is_told_what_a_page_may_do(usual: Running) -> None:
    response = usual.ask("OPTIONS", Origin="https://shop.example")
    assert (response.status, response.said) == (204, b"")  # type: ignore[attr-defined]
    assert response.getheader("Access-Control-Allow-Methods") == "POST, GET"
    assert response.getheader("Access-Control-Max-Age") == "86400"
    assert response.getheader("Access-Control-Allow-Origin") == "*"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("PUT", PATH, 405),
        ("HEAD", PATH, 405),
        ("POST", "/", 404),
        ("POST", f"{PATH}/", 404),
        ("GET", f"{PATH}/more", 404),
        ("POST", "/healthz", 405),
        ("GET", "/healthz", 200),
    ],
)
def test_other_requests_are_refused(usual: Running, method: str, path: str, status: int) -> None:
    before = usual.spooled
    assert usual.ask(method, path, b"{}" if method == "POST" else None).status == status
    assert usual.spooled == before


@pytest.mark.parametrize("size", [MAX_BODY + 1, 1_000_000])
def test_a_body_that_is_too_large_is_refused_whether_it_tells_its_size_or_not(
    usual: Running, size: int
) -> None:
    before = usual.spooled
    assert usual.post(b"x" * size).status == 413
    connection = usual.open()
    pieces = (b"x" * 500 for _ in range(size // 500 + 1))
    connection.request("POST", PATH, pieces, encode_chunked=True)
    response = connection.getresponse()
    assert (response.status, response.getheader("Connection")) == (413, "close")
    connection.close()
    # Who asks first is told before anything is sent.
    told = usual.raw(
        f"POST {PATH} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
        f"Content-Length: {size}\r\n\r\n".encode()
    )
    assert told.startswith(b"HTTP/1.1 413 ")
    assert usual.spooled == before


@pytest.mark.parametrize(
    "head",
    [
        b"POST /collect HTTP/1.1\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
        b"GET /collect?" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n",
        b"POST /collect HTTP/1.1\r\nX: " + b"a" * 400_000,
        b"POST /collect HTTP/1.1\r\n" + b"A: b\r\n" * 100_000,
    ],
)
def test_headers_that_are_too_large_are_refused(usual: Running, head: bytes) -> None:
    assert usual.raw(head).startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")


def test_what_is_no_request_is_refused(usual: Running) -> None:
    assert usual.raw(b"hello\r\n\r\n").startswith(b"HTTP/1.1 400 ")


def test_a_client_that_goes_away_midway_leaves_nothing(usual: Running) -> None:
    before = usual.spooled
    with socket.create_connection(("127.0.0.1", usual.port)) as connection:
        connection.sendall(b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf")
    assert usual.post(b"whole").status == 200
    added = usual.spooled.removeprefix(before)
    assert [json.loads(one)[4] for one in added.splitlines()] == ["whole"]


def test_who_is_slow_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collecting, "BODY_SECONDS", 0.2)
    with running(tmp_path) as made:
        body = b"POST /collect HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf"
        assert made.raw(body).startswith(b"HTTP/1.1 408 ")
        assert made.raw(b"POST /collect HTTP/1.1\r\nHost:").startswith(b"HTTP/1.1 408 ")
        assert made.raw(b"") == b""
        assert made.post().status == 200


def test_an_answer_comes_after_the_sync_and_one_sync_answers_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as made:
        assert made.post(b"first").status == 200
        gate, syncs, fsync = threading.Event(), [], os.fsync

        def slow(descriptor: int) -> None:
            gate.wait(10)
            syncs.append(descriptor)
            fsync(descriptor)

        monkeypatch.setattr(os, "fsync", slow)
        answers: list[int] = []
        posts = [
            threading.Thread(target=lambda: answers.append(made.post().status)) for _ in range(8)
        ]
        for post in posts:
            post.start()
        until(lambda: made.spooled.count(b"\n") > 1)
        time.sleep(0.3)  # the others have come meanwhile, and wait
        assert answers == []
        gate.set()
        for post in posts:
            post.join()
        assert answers == [200] * 8
        assert len(syncs) == 2
        assert made.spooled.count(b"\n") == 9


def test_when_too_much_waits_to_be_written_more_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate, fsync = threading.Event(), os.fsync
    with running(tmp_path) as made:
        made.post()
        monkeypatch.setattr(os, "fsync", lambda one: (gate.wait(10), fsync(one)))
        monkeypatch.setattr(collecting, "MAX_LINES", 2)
        answers: list[int] = []
        posts = [
            threading.Thread(target=lambda: answers.append(made.post().status)) for _ in range(6)
        ]
        for post in posts:
            post.start()
        # One or two are being written, and two wait: the others can't.
        until(lambda: answers.count(503) >= 2)
        response = made.post()
        assert (response.status, response.getheader("Retry-After")) == (503, "1")
        gate.set()
        for post in posts:
            post.join()
        assert answers.count(200) == made.spooled.count(b"\n") - 1


def failing(monkeypatch: pytest.MonkeyPatch, code: int, times: int) -> list[int]:
    """Let so many syncs fail; the list tells how many are left to."""
    left, fsync = [times], os.fsync

    def fail(descriptor: int) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(code, os.strerror(code))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    return left


def test_a_sync_that_fails_costs_its_requests_and_a_second_one_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "STOP_SECONDS", 0.1)
    with running(tmp_path) as made:
        assert made.post(b"first").status == 200
        failing(monkeypatch, errno.EIO, 1)
        response = made.post(b"lost")
        assert (response.status, response.getheader("Retry-After")) == (503, "10")
        assert made.post(b"second").status == 200
        failing(monkeypatch, errno.EIO, 99)
        assert made.post(b"lost").status == 503
        assert made.post(b"lost").status == 503
        until(lambda: made.fault)
    assert isinstance(made.fault, SpoolBroken)
    assert "can't be written, twice in a row: Input/output error" in str(made.fault)
    monkeypatch.undo()
    with running(tmp_path) as made:  # what was acknowledged lands at the next start
        until(lambda: not made.spooled)
    assert sorted(one[4] for one in made.landed) == ["first", "second"]


def test_a_full_disk_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with running(tmp_path) as made:
        left = failing(monkeypatch, errno.ENOSPC, 5)
        while left[0]:
            assert made.post(b"lost").status == 503
        assert made.post(b"kept").status == 200
        assert sum("No space left on device" in one for one in made.log) == 1
    assert [one[4] for one in made.landed] == ["kept"]


def test_a_spool_that_is_full_takes_nothing_until_it_is_landed(tmp_path: Path) -> None:
    away = threading.Event()
    store = store_of(tmp_path)

    def land(payload: Payload) -> None:
        if not away.is_set():
            raise ConnectionError("the store is away")
        store.land(payload)

    with running(tmp_path, land, seconds=0, max_spool=3000) as made:
        posted = 0
        while made.post(b"x" * 800).status == 200:
            posted += 1
        response = made.post()
        assert (response.status, response.getheader("Retry-After")) == (503, "10")
        assert 2 <= posted <= 4
        status, told = made.ready()
        assert status == 503
        assert told["accepting"] is False
        assert told["segments"] == posted
        assert told["spool_bytes"] == len(made.spooled) > 0.8 * 3000
        until(lambda: any("the store is away" in one for one in made.log))
        assert not made.landed
        away.set()
        until(lambda: made.ready() == (200, READY))
        assert made.post(b"y").status == 200
    assert len(made.landed) == posted + 1
    assert not made.spooled


READY = {"accepting": True, "spool_bytes": 0, "segments": 0, "oldest_segment_s": 0}


def test_a_segment_is_landed_after_its_time_and_then_gone(tmp_path: Path) -> None:
    with running(tmp_path, seconds=0.2) as made:
        assert made.ready() == (200, READY)
        assert made.post(b"a").status == 200
        until(lambda: made.ready()[1] == READY)
        assert [one[4] for one in made.landed] == ["a"]
        assert made.post(b"b").status == 200
    (day,) = store_of(tmp_path).days(Zone.LANDING)
    first, second = store_of(tmp_path).held(Zone.LANDING, day)
    assert UTC_CALENDAR.day_of(first.captured_at) == day
    assert first.captured_at < second.captured_at <= datetime.now(UTC)


def test_a_segment_that_cannot_be_landed_keeps_no_other_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "STOP_SECONDS", 0.1)
    store = store_of(tmp_path)

    def land(payload: Payload) -> None:
        if b"bad" in payload.read():
            raise RuntimeError("not this one")
        store.land(payload)

    with running(tmp_path, land, seconds=0.05) as made:
        made.post(b"bad")
        until(lambda: any("not this one" in one for one in made.log))
        made.post(b"good")
        until(lambda: made.landed)
        assert b"bad" in made.spooled
    assert any("wait in" in one for one in made.log)


def test_a_page_of_another_origin_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, origins=("https://a.example", "http://b.example")) as made:
        response = made.post(b"a", Origin="http://b.example")
        assert response.status == 200
        assert response.getheader("Access-Control-Allow-Origin") == "http://b.example"
        assert response.getheader("Vary") == "Origin"
        assert made.post(b"c", Origin="http://c.example").status == 403
        assert made.ask("OPTIONS", Origin="http://c.example").status == 403
        assert made.post(b"n", Origin="null").status == 403
        # Who isn't a page names no origin.
        assert made.post(b"none").status == 200
    assert [one[4] for one in made.landed] == ["a", "none"]


def test_who_is_too_fast_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, requests_a_second=2, trusted_proxies=("127.0.0.0/8",)) as made:

        def statuses(forwarded: str) -> list[int]:
            return [made.post(X_Forwarded_For=forwarded).status for _ in range(8)]

        assert set(statuses("203.0.113.1")) == {200, 429}
        response = made.post(X_Forwarded_For="203.0.113.1")
        assert response.status == 200 or response.getheader("Retry-After") == "1"
        # Whom a client claims to forward for counts behind a proxy that isn't trusted itself.
        assert made.post(X_Forwarded_For="203.0.113.1, 198.51.100.7").status == 200
    assert made.landed[-1][1] == "198.51.100.7"


def test_addresses_are_counted_by_the_second_and_by_the_household() -> None:
    seconds = iter([0.1, 0.2, 0.3, 1.1, 1.2, 1.3, 1.4, 1.5])
    addresses = Addresses(1, clock=lambda: next(seconds))
    asked = ["192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.1"]
    assert [addresses.is_too_fast(one) for one in asked] == [False, False, True, False]
    asked = ["2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1", "no address: at all"]
    assert [addresses.is_too_fast(one) for one in asked] == [False, True, False, False]


def test_forwarded_addresses_count_from_trusted_proxies_only(tmp_path: Path) -> None:
    with running(tmp_path) as made:
        made.post(X_Forwarded_For="203.0.113.1")
    assert made.landed[0][1] == "127.0.0.1"


def test_connections_beyond_the_bound_are_told_to_come_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "SPARE_CONNECTIONS", 1)
    with running(tmp_path, connections=1) as made:
        idle = [made.open()]
        idle[0].connect()
        assert made.post(b"two").status == 503
        response = made.post(b"two")
        assert (response.status, response.getheader("Retry-After")) == (503, "1")
        idle.append(made.open())
        idle[1].connect()
        until(lambda: made.raw(b"").startswith(b"HTTP/1.1 503 Service Unavailable\r\n"))
        for one in idle:
            one.close()
        until(lambda: made.post(b"one").status == 200)


def test_the_log_tells_counts_and_no_address(tmp_path: Path) -> None:
    with running(tmp_path, trusted_proxies=("127.0.0.1",)) as made:
        made.post(X_Forwarded_For="203.0.113.77")
        made.ask("PUT", X_Forwarded_For="203.0.113.77")
    (told,) = made.log
    assert told.startswith("1 accepted, 1 others (405: 1); segments: 1 landed, 0 closed")
    assert "203.0.113" not in told


def test_a_port_that_is_taken_is_told_in_a_sentence(tmp_path: Path, usual: Running) -> None:
    taken = f"port {usual.port} of 127.0.0.1 can't be listened on: it is taken"
    with (
        pytest.raises(AssertionError) as raised,
        running(tmp_path, port=usual.port),
    ):
        pass
    fault = raised.value.args[0]
    assert taken in str(fault) or isinstance(fault, PortUnusable)
