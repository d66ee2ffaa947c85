"""The sample feed over HTTP: a local server that answers, and fails, the way PredictIt does."""

import logging
import re
import sys
import time
import zlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from predictit_assets.sources.predictit.fake.answers import Answers, Wanted
from predictit_assets.sources.predictit.fake.faults import (
    JSON,
    Answer,
    Fault,
    canned_answer,
    spoiler,
)
from predictit_assets.sources.predictit.fake.world import World

XML = "application/xml; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"

BLANKS = b" " * 1_000_000
BLANKS_TIMES = 200
"""How many times BLANKS a `huge` answer is, and a `bomb` inflates to."""

MAX_TIMES = 1000
"""How many requests one `POST /fail_with` can spoil."""

_ALL_MARKETS = re.compile(r"/api/marketdata/all/?")
_ONE_MARKET = re.compile(r"/api/marketdata/markets/(\d{1,18})/?")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Request:
    """A GET request as it arrived; `monotonic` is the `time.monotonic()` of that, in seconds."""

    path: str
    headers: dict[str, str]
    monotonic: float


def _utc_now() -> datetime:
    return datetime.now(UTC)


class SampleServer:
    """A world behind `/api/marketdata/`, for as long as the `with` block lasts.

    Like the real feed it makes a new answer once a minute, by the clock it is given.
    `requests` holds every GET request so far.
    """

    def __init__(
        self,
        world: World,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Callable[[], datetime] = _utc_now,
        hang_seconds: float = 60.0,
    ) -> None:
        """Port 0 takes any free one; `clock` gives aware UTC times."""
        self.requests: list[Request] = []
        self._answers = Answers(world, clock)
        self._address = (host, port)
        self._hang_seconds = hang_seconds
        self._due: deque[Fault] = deque()
        self._http: _HttpServer | None = None

    @property
    def url(self) -> str:
        """Where the server listens, such as http://127.0.0.1:8711."""
        if self._http is None:
            raise RuntimeError("the sample server listens within its `with` block only")
        return f"http://{self._address[0]}:{self._http.server_port}"

    def fail_with(self, *how: str) -> None:
        """Answer the next requests in these ways (see Fault), one each."""
        self._due.extend([Fault.named(one) for one in how])

    def __enter__(self) -> Self:
        self._http = _HttpServer(
            self._address, self._answers, self.requests, self._due, self._hang_seconds
        )
        serve = Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self._http.closing.set()
            self._http.shutdown()
            self._http.server_close()
            self._http = None


class _HttpServer(ThreadingHTTPServer):
    """What the handlers of all connections share."""

    def __init__(
        self,
        address: tuple[str, int],
        answers: Answers,
        requests: list[Request],
        due: deque[Fault],
        hang_seconds: float,
    ) -> None:
        self.answers = answers
        self.requests = requests
        self.due = due
        self.hang_seconds = hang_seconds
        self.closing = Event()
        super().__init__(address, _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Clients come and go as they like; anything else is a mistake of this module."""
        if not isinstance(sys.exc_info()[1], OSError):
            _log.exception("the sample feed failed to answer %s", client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "SampleFeed"
    # Head and body leave in two writes, the second of which would wait for the client otherwise.
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_GET(self) -> None:
        if self.server.closing.is_set():
            # A connection kept alive would otherwise outlive the server.
            self.close_connection = True
            return
        path = urlsplit(self.path).path
        self.server.requests.append(Request(self.path, dict(self.headers), time.monotonic()))
        one_market = _ONE_MARKET.fullmatch(path)
        if not one_market and not _ALL_MARKETS.fullmatch(path):
            self._send(Answer(404, b'{"message": "no such resource"}', JSON))
            return
        wanted = Wanted(
            market_id=int(one_market[1]) if one_market else None,
            xml="application/json" not in self.headers.get("Accept", ""),
            compressed="gzip" in self.headers.get("Accept-Encoding", ""),
        )
        try:
            how = self.server.due.popleft()
        except IndexError:
            self._send_data(wanted, self.server.answers.body(wanted))
        else:
            self._misbehave(how, wanted)

    def do_POST(self) -> None:
        """Queue misbehaviours: `POST /fail_with?how=html&times=3`."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        url = urlsplit(self.path)
        query = parse_qs(url.query)
        if url.path != "/fail_with":
            self._send(Answer(404, b"POST /fail_with?how=html&times=3\n", PLAIN))
            return
        try:
            how = Fault.named(query.get("how", [""])[0])
            times = int(query.get("times", ["1"])[0])
            if not 1 <= times <= MAX_TIMES:
                raise ValueError(f"times must be 1 to {MAX_TIMES}, not {times}")
        except ValueError as error:
            self._send(Answer(400, f"{error}\n".encode(), PLAIN))
            return
        self.server.due.extend([how] * times)
        self._send(Answer(200, f"{how} x {times}: {how.meaning}\n".encode(), PLAIN))

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the program that runs the server."""

    def _misbehave(self, how: Fault, wanted: Wanted) -> None:
        answers = self.server.answers
        canned = canned_answer(how)
        spoil = spoiler(how)
        if canned:
            self._send(canned)
        elif spoil:
            self._send_data(wanted, answers.spoiled_body(wanted, spoil))
        elif how is Fault.HALF:
            plain = wanted._replace(compressed=False)
            whole = answers.body(plain)
            self._send_data(plain, whole[: len(whole) // 2])
        elif how is Fault.TRUNCATED:
            body = answers.body(wanted)
            self._send_data_head(wanted, len(body))
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif how is Fault.HANG:
            self.server.closing.wait(self.server.hang_seconds)
            self.close_connection = True
        elif how is Fault.DRIP:
            self._drip(wanted, answers.body(wanted))
        elif how is Fault.HUGE:
            self._send_data_head(wanted._replace(compressed=False), BLANKS_TIMES * len(BLANKS))
            for _ in range(BLANKS_TIMES):
                self.wfile.write(BLANKS)
        elif how is Fault.BOMB:
            self._send_data(wanted._replace(compressed=True), _bomb())

    def _drip(self, wanted: Wanted, body: bytes) -> None:
        self._send_data_head(wanted, len(body))
        for byte in body:
            self.wfile.write(bytes([byte]))
            if self.server.closing.wait(1.0):
                break
        self.close_connection = True

    def _send(self, answer: Answer) -> None:
        self._send_head(answer.status, answer.content_type, len(answer.body), answer.headers)
        self.wfile.write(answer.body)

    def _send_data(self, wanted: Wanted, body: bytes) -> None:
        self._send_data_head(wanted, len(body))
        self.wfile.write(body)

    def _send_data_head(self, wanted: Wanted, length: int) -> None:
        encoding = {"Content-Encoding": "gzip"} if wanted.compressed else {}
        self._send_head(200, XML if wanted.xml else JSON, length, encoding)

    def _send_head(
        self, status: int, content_type: str, length: int, more: Mapping[str, str]
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(length))
        for name, value in more.items():
            self.send_header(name, value)
        self.end_headers()


@cache
def _bomb() -> bytes:
    """A gzip of BLANKS, many times over."""
    gzip_of_best_ratio = zlib.compressobj(level=9, wbits=31)
    parts = [gzip_of_best_ratio.compress(BLANKS) for _ in range(BLANKS_TIMES)]
    return b"".join([*parts, gzip_of_best_ratio.flush()])
