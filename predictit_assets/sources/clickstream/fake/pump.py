"""Posting to a collector, as browsers do it and as they shouldn't."""

import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import requests as http

from predictit_assets.errors import ExpectedError
from predictit_assets.sources.clickstream.fake.requests import Request

PATH = "/collect"
ASKED_TO_WAIT = {429, 503}
TRIES = 20
MAX_PAUSE = 5.0
TIMEOUT = 30.0
"""Seconds."""
TOO_LARGE = b'{"t": "pageview", "cid": "large", "dt": "%s"}' % (b"x" * 1_000_000)


@dataclass
class Pumped:
    """What was answered."""

    kept: list[tuple[int, Request]] = field(default_factory=list)
    """Requests that were answered 200, with when they were sent: milliseconds since 1970."""
    statuses: Counter[int] = field(default_factory=Counter)
    hits: int = 0
    """Of the requests that were answered 200, rejected ones too."""


def first(requests: Iterable[Request], hits: int) -> Iterator[Request]:
    """Requests until that many hits are reached."""
    for request in requests:
        if hits <= 0:
            return
        hits -= len(request.meant)
        yield request


def pump(url: str, requests: Iterable[Request], rate: float = 0) -> Pumped:
    """Post requests one by one, at most so many hits a second (0: as fast as it goes).

    A collector that asks to wait is asked again. Raises ExpectedError when it can't be reached.
    """
    done = Pumped()
    address = collect_address(url)
    began = time.monotonic()
    with http.Session() as session:
        session.trust_env = False
        for request in requests:
            if rate and (early := began + done.hits / rate - time.monotonic()) > 0:
                time.sleep(early)
            at, status = _post(session, address, request)
            done.statuses[status] += 1
            if status == http.codes.ok:
                done.kept.append((at, request))
                done.hits += len(request.meant)
    return done


def _post(session: http.Session, address: str, request: Request) -> tuple[int, int]:
    """When a request was sent at last, and what was answered."""
    headers = request.headers | {"X-Forwarded-For": request.remote}
    for _ in range(TRIES):
        at = round(time.time() * 1000)
        try:
            if request.query:
                answer = session.get(f"{address}?{request.query}", headers=headers, timeout=TIMEOUT)
            else:
                answer = session.post(address, data=request.body, headers=headers, timeout=TIMEOUT)
        except http.RequestException as error:
            raise ExpectedError(f"{address} can't be reached: {type(error).__name__}") from None
        if answer.status_code not in ASKED_TO_WAIT:
            return at, answer.status_code
        asked = answer.headers.get("Retry-After", "1")
        time.sleep(min(float(asked) if asked.isdigit() else 1.0, MAX_PAUSE))
    return at, answer.status_code


def be_rude(url: str) -> list[str]:
    """A body of 1 MB, one that comes byte by byte, and one that ends midway: what came of each."""
    address = collect_address(url)
    try:
        large = str(http.post(address, data=TOO_LARGE, timeout=TIMEOUT).status_code)
    except http.RequestException:  # it was refused before all of it was sent
        large = "the connection was closed"
    said = [f"a body of 1 MB: {large}"]
    for name, pause in (("a slow body", 0.2), ("a body that ends midway", 0.0)):
        said.append(f"{name}: {_unfinished(address, pause)}")
    return said


def _unfinished(address: str, pause: float) -> str:
    """What a collector says of a body whose end never comes, before it is left alone."""
    parts = urlsplit(address)
    place = (parts.hostname or "", parts.port or 80)
    try:
        with socket.create_connection(place, timeout=2.0) as connection:
            head = (
                f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: 999\r\n\r\n"
            )
            connection.sendall(head.encode())
            for byte in b'{"t": "page':
                connection.sendall(bytes([byte]))
                time.sleep(pause)
            connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(64)
    except OSError:
        return "the connection was closed"
    return answer.decode(errors="replace").partition("\r\n")[0] or "no answer"


def collect_address(url: str) -> str:
    """The endpoint of a collector. Raises ExpectedError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ExpectedError(f"{url!r:.100} is no address such as http://127.0.0.1:8080")
    return url if parts.path.strip("/") else f"{url.rstrip('/')}{PATH}"
