"""A made-up API over HTTP: a server on loopback that answers, and fails, the way a fake says."""

import gzip
import logging
import re
import sys
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from predictit_assets.sample.clock import Clock, utc_now
from predictit_assets.sample.fakes import Fake
from predictit_assets.sample.faults import (
    BLANKS,
    BLANKS_TIMES,
    TRANSPORT_FAULTS,
    Fault,
    always,
    by_name,
)
from predictit_assets.sample.http import PLAIN, Answer, Delivery, Handler, Request

MAX_TIMES = 1000
"""How many requests one `POST /fail` can spoil."""
WORTH_COMPRESSING = 1000
"""Bytes from which on a body is compressed."""
FAIL_PATH = "/fail"

_log = logging.getLogger(__name__)


class SampleServer:
    """A fake behind a socket, for as long as the `with` block lasts.

    `requests` holds every request so far, but those that queue faults.
    """

    def __init__(
        self,
        fake: Fake,
        host: str = "127.0.0.1",
        port: int = 0,
        clock: Clock = utc_now,
        hang_seconds: float = 60.0,
    ) -> None:
        """Port 0 takes any free one."""
        self.requests: list[Request] = []
        self.faults: Mapping[str, Fault] = by_name([*TRANSPORT_FAULTS, *fake.faults])
        self.hang_seconds = hang_seconds
        self.closing = Event()
        self._routes = [
            (route.method, re.compile(route.pattern), route.handler) for route in fake.routes(clock)
        ]
        self._address = (host, port)
        self._due: deque[Fault] = deque()
        self._http: _HttpServer | None = None

    @property
    def url(self) -> str:
        """Where the server listens, such as http://127.0.0.1:8711."""
        if self._http is None:
            raise RuntimeError("the sample server listens within its `with` block only")
        return f"http://{self._address[0]}:{self._http.server_port}"

    def fail_with(self, *how: str | Answer) -> None:
        """Answer the next requests in these ways, one each: faults by name, or whole answers."""
        self._due.extend([self._fault(one) for one in how])

    def forgive(self) -> None:
        """Answer rightly from now on, whatever was still due."""
        self._due.clear()

    def answer(self, request: Request) -> Answer:
        """Record a request and answer it, wrongly if a fault is due."""
        path = urlsplit(request.path).path
        if request.method == "POST" and path == FAIL_PATH:
            return self._queue_faults(request)
        self.requests.append(request)
        found = self._find(request.method, path)
        if found is None:
            return Answer(b'{"message": "no such resource"}', 404)
        handler, parts = found
        request = replace(request, parts=parts)
        try:
            fault = self._due.popleft()
        except IndexError:
            return handler(request)
        return fault.answer(request, handler)

    def __enter__(self) -> Self:
        self.closing.clear()
        self._http = _HttpServer(self._address, self)
        serve = Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)
        serve.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._http is not None:
            self.closing.set()
            self._http.shutdown()
            self._http.server_close()
            self._http = None

    def _find(self, method: str, path: str) -> tuple[Handler, Mapping[str, str]] | None:
        for of_method, pattern, handler in self._routes:
            if of_method == method and (match := pattern.fullmatch(path)):
                return handler, match.groupdict()
        return None

    def _fault(self, how: str | Answer) -> Fault:
        if isinstance(how, Answer):
            return Fault("", "An answer that a test made.", always(how))
        if how not in self.faults:
            raise ValueError(f"unknown fault {how!r}; known are {', '.join(self.faults)}")
        return self.faults[how]

    def _queue_faults(self, request: Request) -> Answer:
        """`POST /fail?how=html&times=3`."""
        query = parse_qs(urlsplit(request.path).query)
        try:
            fault = self._fault(query.get("how", [""])[0])
            times = int(query.get("times", ["1"])[0])
            if not 1 <= times <= MAX_TIMES:
                raise ValueError(f"times must be 1 to {MAX_TIMES}, not {times}")
        except ValueError as error:
            return Answer(f"{error}\n".encode(), 400, PLAIN)
        self._due.extend([fault] * times)
        return Answer(f"{fault.name} x {times}: {fault.meaning}\n".encode(), 200, PLAIN)


class _HttpServer(ThreadingHTTPServer):
    """The sockets of a sample server."""

    def __init__(self, address: tuple[str, int], sample: SampleServer) -> None:
        self.sample = sample
        super().__init__(address, _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Clients come and go as they like; anything else is a defect of a fake."""
        if not isinstance(sys.exc_info()[1], OSError):
            _log.exception("the sample server failed to answer %s", client_address)


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "Sample"
    # Head and body leave in two writes, the second of which would wait for the client otherwise.
    disable_nagle_algorithm = True
    server: _HttpServer

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the terminal belongs to the program that runs the server."""

    def _answer(self) -> None:
        sample = self.server.sample
        if sample.closing.is_set():
            # A connection kept alive would otherwise outlive the server.
            self.close_connection = True
            return
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, dict(self.headers), time.monotonic(), body)
        self._send(sample.answer(request))

    def _send(self, answer: Answer) -> None:
        if answer.delivery is Delivery.NEVER:
            self.server.sample.closing.wait(self.server.sample.hang_seconds)
            self.close_connection = True
            return
        if answer.delivery is Delivery.HUGE:
            self._send_head(answer, BLANKS_TIMES * len(BLANKS))
            for _ in range(BLANKS_TIMES):
                self.wfile.write(BLANKS)
            return
        if (
            len(answer.body) >= WORTH_COMPRESSING
            and "gzip" in self.headers.get("Accept-Encoding", "")
            and "Content-Encoding" not in answer.headers
        ):
            answer = replace(
                answer,
                body=_gzip(answer.body),
                headers={**answer.headers, "Content-Encoding": "gzip"},
            )
        body = answer.body
        self._send_head(answer, len(body))
        if answer.delivery is Delivery.TRUNCATED:
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True
        elif answer.delivery is Delivery.DRIP:
            self._drip(body)
        else:
            self.wfile.write(body)

    def _drip(self, body: bytes) -> None:
        for byte in body:
            self.wfile.write(bytes([byte]))
            if self.server.sample.closing.wait(1.0):
                break
        self.close_connection = True

    def _send_head(self, answer: Answer, length: int) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(length))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.end_headers()


@lru_cache(maxsize=4)
def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, compresslevel=6, mtime=0)
