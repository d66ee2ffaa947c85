"""The ways in which an API answers wrongly, each with a name and what a client gets to see.

Those here need no knowledge of what is served; a source's fake adds its own (see `json_fault`).
"""

import json
import math
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import cache
from typing import Any

from predictit_assets.sample.http import HTML, Answer, Delivery, Handler, Request

BLANKS = b" " * 1_000_000
BLANKS_TIMES = 200
"""How many times BLANKS a `huge` answer is, and a `bomb` inflates to."""


@dataclass(frozen=True)
class Fault:
    """One way to answer wrongly, known by its name in `fail_with()` and over HTTP."""

    name: str
    meaning: str
    answer: Callable[[Request, Handler], Answer]
    """Makes the wrong answer; the handler would give the right one."""


def always(answer: Answer) -> Callable[[Request, Handler], Answer]:
    """What gives the same answer, whatever is asked."""
    return lambda _request, _handler: answer


def json_fault(
    name: str,
    meaning: str,
    change: Callable[[Any], None],
    encode: Callable[[Any], bytes] = lambda value: json.dumps(value).encode(),
) -> Fault:
    """The right answer after `change` has been done to its JSON value.

    An answer that isn't JSON stays as it is, and so does the value null.
    """

    def spoil(request: Request, handler: Handler) -> Answer:
        right = handler(request)
        if not right.content_type.startswith("application/json"):
            return right
        value = json.loads(right.body)
        if value is None:
            return right
        change(value)
        return replace(right, body=encode(value))

    return Fault(name, meaning, spoil)


def by_name(faults: Iterable[Fault]) -> Mapping[str, Fault]:
    """The faults by their names, each of which may be there once."""
    named: dict[str, Fault] = {}
    for fault in faults:
        if fault.name in named:
            raise ValueError(f"two faults are called {fault.name!r}")
        named[fault.name] = fault
    return named


def _refusal(status: int, retry_after: str | None = None) -> Answer:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(b'{"message": "not now"}', status, headers=headers)


def _page(status: int, title: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return Answer(page.encode(), status, HTML)


def _retry_at_a_date(_request: Request, _handler: Handler) -> Answer:
    # HTTP dates are whole seconds: rounding up keeps the date ahead.
    return _refusal(429, formatdate(math.ceil(time.time()) + 1, usegmt=True))


def _half(request: Request, handler: Handler) -> Answer:
    right = handler(request)
    return replace(right, body=right.body[: len(right.body) // 2])


def _delivered(delivery: Delivery) -> Callable[[Request, Handler], Answer]:
    return lambda request, handler: replace(handler(request), delivery=delivery)


def _redirect(request: Request, _handler: Handler) -> Answer:
    # The other host leads back here, so that `requests` tells whether a client followed.
    _, _, port = request.header("Host").rpartition(":")
    return Answer(b"", 302, headers={"Location": f"http://localhost:{port}/redirected"})


@cache
def _gzip_of_blanks() -> bytes:
    gzip_of_best_ratio = zlib.compressobj(level=9, wbits=31)
    parts = [gzip_of_best_ratio.compress(BLANKS) for _ in range(BLANKS_TIMES)]
    return b"".join([*parts, gzip_of_best_ratio.flush()])


def _bomb(_request: Request, _handler: Handler) -> Answer:
    return Answer(_gzip_of_blanks(), headers={"Content-Encoding": "gzip"})


TRANSPORT_FAULTS: Sequence[Fault] = (
    Fault("ok", "The right answer: to let requests pass before a fault.", lambda r, h: h(r)),
    Fault("429", "Status 429, come back in a second.", always(_refusal(429, "1"))),
    Fault("429-date", "Status 429, come back at a date 1 to 2 seconds ahead.", _retry_at_a_date),
    Fault("429-never", "Status 429, come back in a day.", always(_refusal(429, "86400"))),
    Fault("429-bare", "Status 429 without Retry-After.", always(_refusal(429))),
    *(
        Fault(str(status), f"Status {status}.", always(_refusal(status)))
        for status in (400, 401, 403, 404, 500, 502, 503)
    ),
    Fault("503-later", "Status 503, come back in a second.", always(_refusal(503, "1"))),
    Fault("html", "An HTML page with status 200.", always(_page(200, "We will be back soon"))),
    Fault("html-403", "An HTML page, status 403.", always(_page(403, "Checking your browser"))),
    Fault("html-503", "An HTML page, status 503.", always(_page(503, "Maintenance"))),
    Fault("empty", "Status 200 and no body.", always(Answer(b""))),
    Fault("not-json", "Words that claim to be JSON.", always(Answer(b"everything is fine today"))),
    Fault("null", "The JSON value null.", always(Answer(b"null"))),
    Fault("half", "The first half of the body, as if it were all of it.", _half),
    Fault(
        "truncated",
        "Half of the announced bytes, then the connection closes.",
        _delivered(Delivery.TRUNCATED),
    ),
    Fault(
        "hang",
        "No answer at all for the server's `hang_seconds`, then the connection closes.",
        always(Answer(b"", delivery=Delivery.NEVER)),
    ),
    Fault("drip", "The right answer at one byte a second.", _delivered(Delivery.DRIP)),
    Fault("huge", "200 MB of blanks.", always(Answer(b"", delivery=Delivery.HUGE))),
    Fault("bomb", "A small gzip that inflates to 200 MB of blanks.", _bomb),
    Fault("redirect", "Status 302 to another host name.", _redirect),
)
"""What every fake can do."""
