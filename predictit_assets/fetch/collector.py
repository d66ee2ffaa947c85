"""The collector: takes what clients post, and answers when it is on disk.

Requests are answered by an event loop, lines are written and synced by one thread, closed segments
are landed by another. One process, one spool.
"""

import asyncio
import errno
import json
import logging
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from ipaddress import IPv6Address, ip_address
from typing import ClassVar, NamedTuple

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from predictit_assets.contract.arrival import Endpoint, Receipt, Received
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import ExpectedError, fault_of_surroundings
from predictit_assets.fetch import answers
from predictit_assets.fetch.answers import Answer
from predictit_assets.fetch.spool import Line, Segment, Spool, SpoolBroken
from predictit_assets.interrupts import INTERRUPTS
from predictit_assets.text import printable

Log = Callable[[str], None]
Listening = Callable[[str, Callable[[], None]], None]
"""Is told the address of the endpoint, and what stops the collector as a signal does."""
MAX_LINES, MAX_WAITING = 10_000, 16_000_000
"""Lines, and bytes of lines, that wait to be written."""
BODY_SECONDS = 10.0
"""In which a request has to be whole: its head, and then its body."""
MAX_HEAD = 16_384
"""Bytes of the first line and the headers of a request."""
DRAINED = 4_000_000
"""Bytes that are read, and thrown away, of a body that is too large: who is still sending would
not see the answer."""
DRAIN_SECONDS = 2.0
FULL_SHARE = 0.8
"""Of the spool's bound, from which on nothing is taken: what waits has to fit too."""
SOON, LATER = 1, 10
"""Seconds after which another try is worth it."""
STOP_SECONDS = 20.0
"""For which landing goes on after the last request was answered."""
GRACE_SECONDS = 10
"""For which requests that have begun are waited for."""
FIRST_PAUSE, LAST_PAUSE = 1.0, 60.0
"""Seconds between two tries to land, while the store is away."""
LOG_SECONDS = 60
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Faults that pass when something is landed, or somebody tidies up."""
MAX_FAULTS = 2
"""Faults of the disk in a row after which nothing more is risked."""
SPARE_CONNECTIONS = 64
"""Connections beyond the bound that are told so; more are closed at once."""
IPV6_NETWORK = 64
"""Bits of an address that a household has: its other ones are chosen at will."""


@dataclass(frozen=True)
class Collected:
    """What is collected: of which requests, and what becomes of them."""

    path: str
    endpoint: Endpoint
    receipt: Receipt
    line: Callable[[Received], bytes]
    day_of: Callable[[datetime], date]
    land: Callable[[Payload], object]
    """Keeps a payload for good. What it raises is tried again."""


class PortUnusable(ExpectedError):
    """Nobody can listen there."""


class _Waiting(NamedTuple):
    """A line whose sender waits."""

    line: Line
    written: asyncio.Future[bool]


@dataclass
class Counts:
    """What became of requests since the last line of the log."""

    answers: Counter[int] = field(default_factory=Counter)
    landed: int = 0

    def tell(self, spool: Spool) -> str:
        """A line of the log; begins anew. Empty when nothing happened."""
        told, self.answers = self.answers, Counter()
        landed, self.landed = self.landed, 0
        if not (told or landed):
            return ""
        kept = told.pop(200, 0)
        others = ", ".join(f"{status}: {number:,}" for status, number in sorted(told.items()))
        refused = f"{sum(told.values()):,} others ({others})" if told else "no others"
        return (
            f"{kept:,} accepted, {refused}; segments: {landed:,} landed, "
            f"{len(spool.closed()):,} closed and waiting; {spool.size / 1e6:,.1f} MB in the spool"
        )


class Writer(threading.Thread):
    """Writes the lines that wait, syncs once, and then lets all of them be answered."""

    def __init__(self, spool: Spool, loop: asyncio.AbstractEventLoop, log: Log) -> None:
        super().__init__(name="writer", daemon=True)
        self.fault: str | None = None
        """Why it has ended; None while it hasn't, or because it was told to."""
        self.ended: Callable[[], None] = lambda: None
        """Called when it ends with a fault."""
        self.closed: Callable[[], None] = lambda: None
        """Called when a segment may have been closed."""
        self._spool = spool
        self._loop = loop
        self._log = log
        self._changed = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._bytes = 0
        self._stopping = False
        self._faults = 0
        self._is_failing = False

    def put(self, line: Line) -> asyncio.Future[bool] | None:
        """Keep a line: the future says whether it is on disk. None when too many wait."""
        with self._changed:
            size = self._bytes + len(line.content)
            full = len(self._waiting) >= MAX_LINES or size > MAX_WAITING
            if self._stopping or self.fault is not None or full:
                return None
            waiting = _Waiting(line, self._loop.create_future())
            self._waiting.append(waiting)
            self._bytes = size
            if len(self._waiting) == 1:
                self._changed.notify()
        return waiting.written

    def stop(self) -> None:
        """Write what waits, close the segment, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        self.join()

    def run(self) -> None:
        """Write until told to stop, or until the disk fails."""
        try:
            while (batch := self._next()) is not None:
                self._write(batch)
                if self._spool.due_in == 0:
                    self._spool.close_segment()
                    self.closed()
            self._spool.close_segment()
        except (SpoolBroken, OSError) as error:
            self._end(fault_of_surroundings(error) or str(error))
        except BaseException as error:
            self._end(f"the writer failed: {error!r}")
            raise

    def _next(self) -> list[_Waiting] | None:
        """The lines that wait; none when a segment is due; None at the end."""
        with self._changed:
            if not (self._waiting or self._stopping):
                self._changed.wait(self._spool.due_in)
            if not self._waiting and self._stopping:
                return None
            batch, self._waiting = self._waiting, []
            self._bytes = 0
            return batch

    def _write(self, batch: list[_Waiting]) -> None:
        done = 0
        try:
            for piece, fault in self._spool.append([one.line for one in batch]):
                self._judge(fault)
                answered = batch[done : done + len(piece)]
                done += len(piece)
                self._answer(answered, fault is None)
        finally:
            self._answer(batch[done:], False)
        if self._spool.has_closed:
            self.closed()

    def _judge(self, fault: OSError | None) -> None:
        """Raises SpoolBroken when the disk failed again."""
        if fault is None:
            self._faults, self._is_failing = 0, False
            return
        said = fault.strerror or repr(fault)
        if not self._is_failing:
            self._log(f"{self._spool.folder} can't be written: {said}; requests get 503")
        self._is_failing = True
        if fault.errno not in NO_ROOM:
            self._faults += 1
        if self._faults == MAX_FAULTS:
            raise SpoolBroken(
                f"{self._spool.folder} can't be written, twice in a row: {said}; what was "
                "acknowledged is landed at the next start"
            )

    def _answer(self, waiting: Sequence[_Waiting], kept: bool) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(_resolve, waiting, kept)

    def _end(self, fault: str) -> None:
        with self._changed:
            self.fault = fault
            left, self._waiting = self._waiting, []
        self._answer(left, False)
        self.ended()


def _resolve(waiting: Sequence[_Waiting], kept: bool) -> None:
    for one in waiting:
        if not one.written.done():
            one.written.set_result(kept)


class Lander(threading.Thread):
    """Lands closed segments, then removes them; what can't be landed is tried again."""

    def __init__(
        self,
        spool: Spool,
        collected: Collected,
        log: Log,
        counts: Counts,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        super().__init__(name="lander", daemon=True)
        self._spool = spool
        self._collected = collected
        self._log = log
        self._counts = counts
        self._first_pause = first_pause
        self._changed = threading.Event()
        self._stopping = threading.Event()

    def look(self) -> None:
        """See whether there is something to land."""
        self._changed.set()

    def stop(self, seconds: float) -> None:
        """Land what is closed, for so many seconds at most."""
        self._stopping.set()
        self._changed.set()
        self.join(seconds)

    def run(self) -> None:
        """Land until told to stop, and then until nothing is left."""
        pause = 0.0
        while not self._stopping.is_set():
            if self._land_all():
                pause = 0.0
                self._changed.wait()
                self._changed.clear()
            else:
                pause = min(2 * pause or self._first_pause, LAST_PAUSE)
                self._stopping.wait(pause)
        while not self._land_all():
            time.sleep(self._first_pause)

    def _land_all(self) -> bool:
        """Land each closed segment; False when one couldn't be."""
        failed = None
        for segment in self._spool.closed():
            try:
                self._land(segment)
            # Whatever it is: the segment stays, and the next one may be landed.
            except Exception as error:
                failed = fault_of_surroundings(error) or printable(f"{error!r:.200}")
        if failed:
            self._log(f"landing failed, and is tried again: {failed}")
        return failed is None

    def _land(self, segment: Segment) -> None:
        day = self._collected.day_of(segment.captured_at)
        self._collected.land(Payload(day, segment.captured_at, segment.file))
        self._spool.remove(segment)
        self._counts.landed += 1


class Addresses:
    """How many requests each address has made in this second. Nothing older is remembered."""

    def __init__(self, a_second: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = a_second
        self._clock = clock
        self._second = 0
        self._counts: Counter[str] = Counter()

    def is_too_fast(self, address: str) -> bool:
        """Count a request; whether the address has made too many."""
        if not self._a_second:
            return False
        second = int(self._clock())
        if second != self._second:
            self._second, self._counts = second, Counter()
        key = _household(address) if ":" in address else address
        self._counts[key] += 1
        return self._counts[key] > self._a_second


def _household(address: str) -> str:
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, IPv6Address) and not ip.ipv4_mapped:
        return str(int(ip) >> (ip.max_prefixlen - IPV6_NETWORK))
    return address


class _Gone(Exception):
    """The client has gone before its request was whole."""


class _TooLarge(Exception):
    """A body is larger than it may be."""


class Collector:
    """The endpoint, as an ASGI application that takes any method, and what tells of its health."""

    def __init__(self, collected: Collected, writer: Writer, spool: Spool, counts: Counts) -> None:
        self.server: uvicorn.Server | None = None
        """Who knows how many connections there are, and whether it is stopping."""
        self._collected = collected
        self._endpoint = collected.endpoint
        self._writer = writer
        self._spool = spool
        self._counts = counts
        self._addresses = Addresses(collected.endpoint.requests_a_second)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            answer = await self.answer(scope, receive)
        except _Gone:
            return
        self._counts.answers[answer.status] += 1
        headers = [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in (*answer.headers, *_length(answer))
        ]
        start: Message = {
            "type": "http.response.start",
            "status": answer.status,
            "headers": headers,
        }
        await send(start)
        await send({"type": "http.response.body", "body": answer.body})

    async def answer(self, scope: Scope, receive: Receive) -> Answer:
        """Answer a request to the endpoint. Raises _Gone."""
        headers = _headers(scope)
        origin = headers.get("origin")
        refusal = answers.first_refusal(self._endpoint, scope["method"], origin)
        if refusal:
            return refusal
        cors = answers.cors(origin, self._endpoint.origins)
        if scope["method"] == answers.PREFLIGHT:
            return answers.preflight(origin, self._endpoint.origins)
        if why := self._closed_because():
            return answers.refused(503, why, cors, LATER)
        if self._connections() > self._endpoint.connections:
            return answers.refused(503, "too many connections", (*cors, CLOSE), SOON)
        address = scope["client"][0] if scope.get("client") else ""
        if self._addresses.is_too_fast(address):
            return answers.refused(429, "too many requests of this address", cors, SOON)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await self._body(headers, receive)
        except TimeoutError:
            reason = f"the body wasn't whole in {BODY_SECONDS:.0f} s"
            return answers.refused(408, reason, (*cors, CLOSE))
        except _TooLarge:
            refusal = answers.too_large(self._endpoint, origin)
            return refusal._replace(headers=(*refusal.headers, CLOSE))
        at = now()
        query = scope["query_string"].decode("latin-1")
        received = Received(
            at, address, scope["method"], self._collected.path, query, headers, body
        )
        written = self._writer.put(Line(at, self._collected.line(received)))
        if written is None:
            return answers.refused(503, "too much waits to be written", cors, SOON)
        if not await written:
            return answers.refused(503, "it couldn't be kept", cors, LATER)
        return answers.accepted(self._collected.receipt, origin, self._endpoint.origins)

    def _closed_because(self) -> str:
        """Why nothing is taken now; empty when it is."""
        if self._writer.fault is not None or (self.server and self.server.should_exit):
            return "the collector is stopping"
        if self._spool.size > FULL_SHARE * self._endpoint.max_spool:
            return "the spool is full: what it holds has to be landed first"
        return ""

    async def _body(self, headers: dict[str, str], receive: Receive) -> bytes:
        """The whole body. Raises _TooLarge, _Gone."""
        bound = self._endpoint.max_body
        told = headers.get("content-length", "")
        if "expect" in headers and told.isdecimal() and int(told) > bound:
            raise _TooLarge  # nothing of it was sent yet
        parts: list[bytes] = []
        size = 0
        more = True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                raise _Gone
            part = message.get("body", b"")
            size += len(part)
            more = message.get("more_body", False)
            if size <= bound:
                parts.append(part)
            elif size > DRAINED:
                break
            else:
                parts.clear()
        if size > bound:
            raise _TooLarge
        return b"".join(parts)

    def _connections(self) -> int:
        return len(self.server.server_state.connections) if self.server else 0

    @property
    def application(self) -> Starlette:
        """The endpoint beside what tells of its health."""
        routes = [
            Route(self._collected.path, self),
            Route("/healthz", _healthz),
            Route("/readyz", self.readyz),
        ]
        made = Starlette(routes=routes)
        made.router.redirect_slashes = False  # a path with a slash at its end is another one
        return made

    async def readyz(self, _request: Request) -> Response:
        """Whether requests are taken, and what waits."""
        times = self._spool.first_lines
        accepting = not self._closed_because()
        oldest = (now() - min(times)).total_seconds() if times else 0
        told = {
            "accepting": accepting,
            "spool_bytes": self._spool.size,
            "segments": len(times),
            "oldest_segment_s": max(0, int(oldest)),
        }
        body = json.dumps(told, separators=(",", ":"))
        return Response(body, 200 if accepting else 503, media_type="application/json")


NO_CONTENT = 204
CLOSE = ("Connection", "close")


def now() -> datetime:
    """The time that it is, in whole milliseconds."""
    at = datetime.now(UTC)
    return at.replace(microsecond=at.microsecond // 1000 * 1000)


def _headers(scope: Scope) -> dict[str, str]:
    """The headers by name. Of one that is there several times the values are joined."""
    found: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1"), _text(value)
        found[key] = f"{found[key]}, {text}" if key in found else text
    return found


def _text(value: bytes) -> str:
    """The value of a header: UTF-8 where it is that, though the standard says Latin-1."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


async def _healthz(_request: Request) -> Response:
    return Response("ok\n", media_type="text/plain")


def _length(answer: Answer) -> answers.Headers:
    # An answer that has no body by its status names no length.
    return () if answer.status == NO_CONTENT else (("Content-Length", str(len(answer.body))),)


class Connection(HttpToolsProtocol):
    """A connection whose requests have a bounded head, which comes in bounded time."""

    _head = 0
    """Bytes of the head that is being read."""
    _in_head = True
    _too_long = False
    _is_refused = False
    _drained = 0
    _timer: asyncio.TimerHandle | None = None
    max_connections: ClassVar[int]
    counts: ClassVar[Counts]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or close it when there are far too many."""
        if len(self.connections) >= self.max_connections + SPARE_CONNECTIONS:
            self.transport = transport
            self._refuse(503, "too many connections", SOON)
            transport.close()
            return
        # What it would log of a request is its address, and a stranger decides how often.
        self.access_log = False
        super().connection_made(transport)
        self._timer = self.loop.call_later(BODY_SECONDS, self._is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read what came, as long as its head isn't too long."""
        if self._is_refused:
            self._drained += len(data)
            if self._drained > DRAINED:
                self.transport.close()
            return
        if self._in_head:
            self._head += len(data)
        super().data_received(data)
        if self._is_refused or self.transport.is_closing():
            return
        if self._head > MAX_HEAD:
            self._refuse(431, "the headers are too large")
        elif self._head and self._timer is None:
            self._timer = self.loop.call_later(BODY_SECONDS, self._is_late)

    def on_headers_complete(self) -> None:
        """Go on to the body, unless the head is too long."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        self._too_long = size > MAX_HEAD
        if self._too_long:
            raise ValueError("the headers are too large")
        self._in_head, self._head = False, 0
        self._stop_timer()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next head."""
        self._in_head = True
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Refuse what is no request, or has too long a head."""
        if self._too_long:
            self._refuse(431, "the headers are too large")
        else:
            super().send_400_response(msg)

    def _is_late(self) -> None:
        self._timer = None
        if self._head:
            self._refuse(408, f"the request wasn't whole in {BODY_SECONDS:.0f} s")
        else:
            self.transport.close()

    def _refuse(self, status: int, reason: str, retry_after: int | None = None) -> None:
        """Answer, and read on for a while: who is still sending would not see the answer."""
        if self._is_refused or self.transport.is_closing():
            return
        self._is_refused = True
        self.counts.answers[status] += 1
        answer = answers.refused(status, reason, (CLOSE,), retry_after)
        self.transport.write(_on_the_wire(answer))
        self.transport.write_eof()
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self.transport.close)

    def _stop_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None


def _on_the_wire(answer: Answer) -> bytes:
    """An answer that no application makes."""
    lines = [f"{name}: {value}" for name, value in (*answer.headers, *_length(answer))]
    head = "\r\n".join([f"HTTP/1.1 {answer.status} {REASONS[answer.status]}", *lines, "", ""])
    return head.encode("latin-1") + answer.body


REASONS = {
    408: "Request Timeout",
    431: "Request Header Fields Too Large",
    503: "Service Unavailable",
}


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises PortUnusable."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family)
    except OSError as fault:
        why = "it is taken" if fault.errno == errno.EADDRINUSE else fault.strerror or str(fault)
        raise PortUnusable(f"port {port} of {host} can't be listened on: {why}") from None


def collect(
    collected: Collected,
    spool: Spool,
    log: Log,
    listening: Listening,
    first_pause: float = FIRST_PAUSE,
) -> None:
    """Collect until SIGTERM or SIGINT. The spool is taken already.

    `first_pause` are the seconds after which landing is tried again at first. Raises PortUnusable,
    SpoolBroken.
    """
    endpoint = collected.endpoint
    with listen(endpoint.host, endpoint.port) as listener, _signals_end_nothing():
        loops = uvicorn.Config("").get_loop_factory()
        with asyncio.Runner(loop_factory=loops) as runner:
            runner.run(_serve(collected, spool, listener, log, listening, first_pause))


async def _serve(
    collected: Collected,
    spool: Spool,
    listener: socket.socket,
    log: Log,
    listening: Listening,
    first_pause: float,
) -> None:
    loop = asyncio.get_running_loop()
    counts = Counts()
    writer = Writer(spool, loop, log)
    lander = Lander(spool, collected, log, counts, first_pause)
    collector = Collector(collected, writer, spool, counts)

    def tell() -> None:
        if told := counts.tell(spool):
            log(told)

    server = uvicorn.Server(_config(collected.endpoint, collector.application, counts, tell))
    collector.server = server

    def stop() -> None:
        server.should_exit = True

    writer.closed, writer.ended = lander.look, stop
    writer.start()
    lander.start()
    host, port, *_ = listener.getsockname()
    where = f"http://{f'[{host}]' if ':' in host else host}:{port}{collected.path}"
    listening(where, stop)
    try:
        await server.serve(sockets=[listener])
    finally:
        await asyncio.to_thread(writer.stop)
        await asyncio.to_thread(lander.stop, STOP_SECONDS)
        tell()
    if writer.fault is not None:
        raise SpoolBroken(writer.fault)
    if left := len(spool.closed()):
        log(f"{left:,} segments wait in {spool.folder}: the next start lands them")


def _config(
    endpoint: Endpoint, application: Starlette, its_counts: Counts, tell: Callable[[], None]
) -> uvicorn.Config:
    class Bounded(Connection):
        max_connections = endpoint.connections
        counts = its_counts

    async def notify() -> None:
        tell()

    # Of each request that is none it would log a line: a stranger decides how often.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return uvicorn.Config(
        application,
        http=Bounded,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=bool(endpoint.trusted_proxies),
        forwarded_allow_ips=[*endpoint.trusted_proxies],
        timeout_graceful_shutdown=GRACE_SECONDS,
        timeout_notify=LOG_SECONDS,
        callback_notify=notify,
    )


@contextmanager
def _signals_end_nothing() -> Iterator[None]:
    """The server notices signals, and raises them again when it has ended: they did their work."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {one: signal.signal(one, lambda *_: None) for one in INTERRUPTS}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
