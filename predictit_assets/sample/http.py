"""What a made-up API is asked and what it answers, without a socket."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"
XML = "application/xml; charset=utf-8"
PLAIN = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class Request:
    """A request as it arrived."""

    method: str
    path: str
    """Path and query, as sent."""
    headers: Mapping[str, str]
    monotonic: float
    """The `time.monotonic()` of its arrival, in seconds."""
    body: bytes = b""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The named groups of the route's pattern."""

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query; of one that repeats, the last."""
        return dict(parse_qsl(urlsplit(self.path).query, keep_blank_values=True))

    def header(self, name: str, default: str = "") -> str:
        """A header, whatever the case of its name."""
        wanted = name.lower()
        return next(
            (text for name, text in self.headers.items() if name.lower() == wanted), default
        )


class Delivery(Enum):
    """How the bytes of an answer reach the client."""

    WHOLE = auto()
    TRUNCATED = auto()
    """Half of the announced bytes, then the connection closes."""
    DRIP = auto()
    """One byte a second."""
    NEVER = auto()
    """Nothing for the server's `hang_seconds`, then the connection closes."""
    HUGE = auto()
    """200 MB of blanks instead of the body."""


@dataclass(frozen=True)
class Answer:
    """An HTTP answer. The server compresses the body for clients that accept gzip."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    delivery: Delivery = Delivery.WHOLE


Handler = Callable[[Request], Answer]


class Route(NamedTuple):
    """Requests of a method whose path (without the query) matches the whole pattern."""

    method: str
    pattern: str
    """A regular expression; its named groups become `Request.parts`."""
    handler: Handler


def json_answer(value: object, status: int = 200) -> Answer:
    """A JSON value as an answer, compact, in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Answer(text.encode(), status)
