"""What is sent: lines of a segment, each a request; and the hits of a request."""

import base64
import json
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import msgspec

from predictit_assets.sources.clickstream.agents import BLANK
from predictit_assets.sources.clickstream.schemas import MAX_CLIENT_ID

NOT_A_LINE = "not a line of a collector"
OTHER_DAY = "received on another day than its payload"
EMPTY = "empty body"
NOT_UTF8 = "not UTF-8"
NOT_JSON = "not JSON"
NOT_AN_OBJECT = "not an object"
NO_CLIENT = "cid is missing or blank"
LONG_CLIENT = f"cid is longer than {MAX_CLIENT_ID} characters"
NO_TYPE = "t is missing or blank"
"""Why a line or a hit is rejected: no other words, so that they can be counted."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_MS = round(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
END_MS = round(datetime(2100, 1, 1, tzinfo=UTC).timestamp() * 1000)
DAY_MS = 86_400_000
FIRST_DAY = EPOCH.toordinal()
MILLISECONDS = re.compile(r"([0-9]{1,14})(?:\.[0-9]+)?")
WHOLE_NUMBER = re.compile(r"[0-9]{1,15}")
UNKEEPABLE = re.compile("[\0\ud800-\udfff]")
"""What no warehouse keeps: NUL, and halves of characters."""
NUL = "\\u0000"
"""NUL as JSON spells it."""
NUMBERS, NESTED = {int, float}, {dict, list}
MAX_CACHED = 20_000
"""URLs and addresses that are kept read."""
MAX_CACHED_URL = 500
"""Characters of a URL that is."""


class Line(msgspec.Struct):
    """A request as the collector wrote it, or a leaner line of another tool."""

    received_at: int
    """Milliseconds since 1970, by the server's clock."""
    remote: str | None = None
    method: str | None = None
    query: str | None = None
    headers: dict[str, str] = {}
    user_agent: str | None = None
    """Of leaner lines, which have no headers."""
    body: msgspec.Raw = msgspec.Raw(b"null")
    """A text, or the JSON itself."""
    body64: str | None = None
    """A body that isn't UTF-8."""

    @property
    def day(self) -> date:
        """The UTC day on which it was received."""
        return date.fromordinal(FIRST_DAY + self.received_at // DAY_MS)


class _Receipt(msgspec.Struct):
    """What tells when a line was received, without the rest of it."""

    received_at: int


class Bad(NamedTuple):
    """What can't be loaded of a request."""

    reason: str
    path: str
    content: str


class Hit(NamedTuple):
    """A hit of a request."""

    place: int
    """Place in its request, from 0."""
    values: dict[str, str]
    """By key, as texts."""
    body: str
    """As compact JSON."""


class NotALine(Exception):
    """A line is none of a collector."""


class _NotJson(Exception):
    pass


_LINES = msgspec.json.Decoder(Line)
_RECEIPTS = msgspec.json.Decoder(_Receipt)
_ANYTHING = msgspec.json.Decoder()
_OBJECTS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ARRAYS = msgspec.json.Decoder(list[dict[str, msgspec.Raw]])
_TEXTS = msgspec.json.Decoder(str)


def moment(milliseconds: int) -> datetime:
    """Milliseconds since 1970 as a time, UTC."""
    return EPOCH + timedelta(milliseconds=milliseconds)


def line(text: bytes) -> Line:
    """A line of a segment. Raises NotALine."""
    try:
        try:
            found = _LINES.decode(text)
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:  # it may hold half a character
            found = _LINES.decode(msgspec.json.encode(_tree(text.decode())))
    except (msgspec.MsgspecError, _NotJson, UnicodeDecodeError, RecursionError):
        raise NotALine from None
    if not FIRST_MS <= found.received_at < END_MS:
        raise NotALine
    return found


def received_at(text: bytes) -> datetime | None:
    """When a line was received, UTC; None where it doesn't tell."""
    try:
        milliseconds = _RECEIPTS.decode(text).received_at
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return moment(milliseconds) if FIRST_MS <= milliseconds < END_MS else None


def hits(request: Line) -> Iterator[Hit | Bad]:
    """The hits of a request, and what of it can't be loaded."""
    if request.method == "GET":
        values = parse_qsl(request.query or "", keep_blank_values=True, errors="replace")
        found = {keepable(key): keepable(value) for key, value in values}
        yield _hit(0, found) if found else Bad(EMPTY, "$", "")
        return
    try:
        text = _body(request)
    except UnicodeDecodeError as error:
        yield Bad(NOT_UTF8, "$", keepable(error.object.decode(errors="replace")))
        return
    if not text.strip(BLANK):
        yield Bad(EMPTY, "$", text)
        return
    try:
        found = _decode(text)
    except _NotJson:
        yield from _hits_of_lines(text)
        return
    for index, one in enumerate(found if isinstance(found, list) else [found]):
        yield _hit(index, one)


def _body(request: Line) -> str:
    """The body as text. Raises UnicodeDecodeError."""
    raw = bytes(request.body)
    if raw.startswith(b'"'):
        return _TEXTS.decode(raw)
    if raw != b"null":
        return raw.decode()
    text = request.body64 or ""
    try:
        body = base64.b64decode(text)
    except ValueError:  # it is none: by its length, or as it isn't ASCII
        return text
    return body.decode()


def _hits_of_lines(text: str) -> Iterator[Hit | Bad]:
    """The hits of a body with one on each line, or why it has none."""
    lines = [one for one in text.split("\n") if one.strip(BLANK)]
    if len(lines) == 1:
        yield Bad(NOT_JSON, "$", keepable(text))
        return
    for index, one in enumerate(lines):
        try:
            yield _hit(index, _decode(one))
        except _NotJson:
            yield Bad(NOT_JSON, f"$[{index}]", keepable(one))


def _hit(index: int, found: Any) -> Hit | Bad:
    """A hit of what was decoded, or why it is none."""
    path = f"$[{index}]"
    if type(found) is not dict:
        return Bad(NOT_AN_OBJECT, path, _json(found))
    values = {
        key: value if type(value) is str else _json(value)
        for key, value in found.items()
        if value is not None
    }
    client = values.get("cid", "")
    if not client.strip(BLANK):
        return Bad(NO_CLIENT, f"{path}.cid", _json(found))
    if len(client) > MAX_CLIENT_ID:
        return Bad(LONG_CLIENT, f"{path}.cid", _json(found))
    if not values.get("t", "").strip(BLANK):
        return Bad(NO_TYPE, f"{path}.t", _json(found))
    return Hit(index, values, _json(found))


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decode(text: str) -> Any:
    """JSON with its numbers as they were written. Raises _NotJson."""
    if NUL not in text:
        try:
            found = _ANYTHING.decode(text)
            if type(found) is dict and _is_flat(found):
                return _as_written(found, text)
            if type(found) is list and all(type(one) is dict and _is_flat(one) for one in found):
                return _all_as_written(found, text)
        except (msgspec.DecodeError, RecursionError):
            pass  # it may hold half a character, which the other decoder takes
    return _tree(text)


def _is_flat(found: dict[str, Any]) -> bool:
    """Whether an object holds neither objects nor arrays."""
    return NESTED.isdisjoint(map(type, found.values()))


def _as_written(found: dict[str, Any], text: str) -> dict[str, Any]:
    """A flat object with its numbers as their own text."""
    if NUMBERS.isdisjoint(map(type, found.values())):
        return found
    return _numbers_of(found, _OBJECTS.decode(text))


def _all_as_written(found: list[dict[str, Any]], text: str) -> list[dict[str, Any]]:
    """Flat objects with their numbers as their own text."""
    if all(NUMBERS.isdisjoint(map(type, one.values())) for one in found):
        return found
    return list(map(_numbers_of, found, _ARRAYS.decode(text)))


def _numbers_of(found: dict[str, Any], raw: dict[str, msgspec.Raw]) -> dict[str, Any]:
    return {key: raw[key] if type(one) in NUMBERS else one for key, one in found.items()}


def _tree(text: str) -> Any:
    """JSON with each number as its own text, each key once, and no half characters.

    Raises _NotJson.
    """
    try:
        found = json.loads(
            text, parse_int=_number, parse_float=_number, parse_constant=_no_constant
        )
        return _keepable(found)
    except (ValueError, RecursionError):
        raise _NotJson from None


def _number(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())


def _no_constant(_name: str) -> None:
    raise _NotJson  # NaN and Infinity, which JSON lacks


def _keepable(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return keepable(value)
    if kind is dict:
        return {keepable(key): _keepable(one) for key, one in value.items()}
    return [_keepable(one) for one in value] if kind is list else value


def keepable(text: str) -> str:
    """A text with U+FFFD for what no warehouse keeps."""
    return text if text.isascii() and "\0" not in text else UNKEEPABLE.sub("\ufffd", text)


class Page(NamedTuple):
    """What a URL tells."""

    host: str | None
    path: str | None
    utm_source: str | None
    utm_medium: str | None
    utm_campaign: str | None


NO_PAGE = Page(None, None, None, None, None)


def page(url: str | None) -> Page:
    """Host, path and campaign of a URL; nothing of one that doesn't parse, or names no host."""
    if url is None:
        return NO_PAGE
    return _page(url) if len(url) <= MAX_CACHED_URL else _page.__wrapped__(url)


@lru_cache(MAX_CACHED)
def _page(url: str) -> Page:
    try:
        parts = urlsplit(url.strip(BLANK))
        host, _ = parts.hostname, parts.port
    except ValueError:
        return NO_PAGE
    if not (parts.scheme and host):
        return NO_PAGE
    named: dict[str, str] = {}
    if "utm_" in parts.query or "%" in parts.query:
        for key, value in parse_qsl(parts.query, keep_blank_values=True, errors="replace"):
            named.setdefault(key, keepable(value))
    return Page(
        host,
        parts.path or "/",
        *(named.get(f"utm_{what}") for what in ("source", "medium", "campaign")),
    )


@lru_cache(MAX_CACHED)
def network(address: str) -> str | None:
    """The /24 or /48 network of an address; None when it is no address."""
    try:
        found = ip_address(address.strip(BLANK))
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return network(str(found.ipv4_mapped))
        found = IPv6Address(int(found))  # without the zone, which is the sender's own
    return str(ip_network((found, 24 if found.version == 4 else 48), strict=False))


def client_time(text: str | None) -> int | None:
    """Milliseconds since 1970 by a client's clock, of the years 2000 to 2099."""
    found = MILLISECONDS.fullmatch(text.strip(BLANK)) if text else None
    milliseconds = int(found[1]) if found else 0
    return milliseconds if FIRST_MS <= milliseconds < END_MS else None


def queue_time(text: str | None) -> int | None:
    """Milliseconds in a client's queue: a whole number of at most 15 digits."""
    clean = text.strip(BLANK) if text else ""
    return int(clean) if WHOLE_NUMBER.fullmatch(clean) else None
