"""Requests to a collector, each with what it means, and the lines that they become."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

Json = dict[str, Any]


class Meant(NamedTuple):
    """A hit as its sender means it: its values as texts, or why it is to be rejected."""

    values: Mapping[str, str]
    rejected: str = ""


class Request(NamedTuple):
    """A request of a visitor."""

    at: int
    """When it arrives: milliseconds since 1970."""
    body: bytes
    meant: Sequence[Meant]
    query: str = ""
    """Of a pixel, which has no body."""
    agent: str = ""
    remote: str = "203.0.113.7"
    referer: str = ""
    content_type: str = "text/plain;charset=UTF-8"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that it is sent with."""
        named = {
            "User-Agent": self.agent,
            "Referer": self.referer,
            "Content-Type": "" if self.query else self.content_type,
        }
        return {name: value for name, value in named.items() if value}


def meant(hit: Json) -> Meant:
    """A hit whose JSON holds texts and whole numbers only."""
    return Meant({key: str(value) for key, value in hit.items()})


def post(at: int, *hits: Json, how: str = "object", **details: str) -> Request:
    """Hits as an object, an array, or with one on each line."""
    texts = [json.dumps(hit, ensure_ascii=False) for hit in hits]
    forms = {"object": texts[0], "array": f"[{', '.join(texts)}]", "lines": "\n".join(texts)}
    return Request(at, forms[how].encode(), [meant(hit) for hit in hits], **details)


def pixel(at: int, hit: Json, **details: str) -> Request:
    """A hit as an image's address."""
    return Request(at, b"", [meant(hit)], urlencode(hit), **details)


def odd(at: int, body: bytes | str, *expected: Meant | str, **details: str) -> Request:
    """A body as it is, with the hits that it means, or the reasons why it means none."""
    content = body.encode() if isinstance(body, str) else body
    means = [Meant({}, one) if isinstance(one, str) else one for one in expected]
    return Request(at, content, means, **details)


def line(request: Request, at: int | None = None) -> str:
    """The line that a collector makes of a request."""
    headers = {"host": "collector.example"} | {
        name.lower(): value for name, value in request.headers.items()
    }
    try:
        body = {"body": request.body.decode()}
    except UnicodeDecodeError:
        body = {"body64": base64.b64encode(request.body).decode()}
    received: Json = {
        "v": 1,
        "received_at": request.at if at is None else at,
        "remote": f"{request.remote.rpartition('.')[0]}.0",
        "method": "GET" if request.query else "POST",
        "path": "/collect",
        "query": request.query,
        "headers": headers,
    }
    return json.dumps(received | body, ensure_ascii=False, separators=(",", ":"))


def milliseconds(at: datetime) -> int:
    """A time as milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def moment(at: int) -> datetime:
    """Milliseconds since 1970 as a time, UTC."""
    return datetime.fromtimestamp(at / 1000, UTC)
