"""The ways in which a feed goes wrong, each with a name and what a client gets to see."""

import math
import time
from collections.abc import Callable, Mapping
from email.utils import formatdate
from enum import StrEnum
from typing import NamedTuple, Self

from predictit_assets.sources.predictit.fake.rendering import Record

JSON = "application/json; charset=utf-8"
HTML = "text/html; charset=utf-8"


class Fault(StrEnum):
    """One way to answer wrongly; the string is its name in `fail_with()` and over HTTP."""

    meaning: str

    def __new__(cls, name: str, meaning: str) -> Self:
        """Make the member: a string with a meaning."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.meaning = meaning
        return member

    TOO_MANY = "429", "Status 429, come back in a second."
    TOO_MANY_DATE = "429-date", "Status 429, come back at a date one to two seconds ahead."
    TOO_MANY_NEVER = "429-never", "Status 429, come back in a day."
    UNAVAILABLE = "503", "Status 503."
    SERVER_ERROR = "500", "Status 500."
    FORBIDDEN = "403", "Status 403."
    HTML_PAGE = "html", "An HTML page with status 200."
    HTML_FORBIDDEN = "html-403", "An HTML page with status 403."
    EMPTY = "empty", "Status 200 and no body."
    NOT_JSON = "not-json", "Plain words that claim to be JSON."
    NO_MARKETS = "no-markets", "A JSON object without a `markets` key."
    EMPTY_MARKETS = "empty-markets", "A payload whose `markets` is empty."
    NULL = "null", "The JSON value null."
    HALF = "half", "The first half of the JSON text, as if it were all of it."
    WRONG_TYPE = "wrong-type", "A last trade price that is a string."
    DUPLICATE_CONTRACT = "duplicate-contract", "A market that holds one of its contracts twice."
    BAD_PRICE = "bad-price", "A last trade price of 5.40 dollars."
    NEW_FIELD = "new-field", "A key never seen before on a market and on a contract."
    TRUNCATED = "truncated", "Half of the announced bytes, then the connection closes."
    HANG = "hang", "No answer at all for the server's `hang_seconds`, then the connection closes."
    DRIP = "drip", "The right answer at one byte a second."
    HUGE = "huge", "200 MB of blanks."
    BOMB = "bomb", "A small gzip that inflates to 200 MB of blanks."

    @classmethod
    def named(cls, name: str) -> Self:
        """The fault of this name; the error for any other lists the known ones."""
        for one in cls:
            if one == name:
                return one
        raise ValueError(f"unknown fault {name!r}; known are {', '.join(cls)}")


class Answer(NamedTuple):
    """A whole HTTP answer, before any compression."""

    status: int
    body: bytes
    content_type: str
    headers: Mapping[str, str] = {}


def canned_answer(how: Fault) -> Answer | None:
    """The answer of a fault that does not depend on what was asked for, else None."""
    if how is Fault.TOO_MANY_DATE:
        # HTTP dates are whole seconds: rounding up keeps the date ahead.
        return _refusal(429, formatdate(math.ceil(time.time()) + 1, usegmt=True))
    return _CANNED.get(how)


def spoiler(how: Fault) -> Callable[[Record], None] | None:
    """What the fault does to a market of an otherwise right answer, else None."""
    return _SPOILERS.get(how)


def _refusal(status: int, retry_after: str | None = None) -> Answer:
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(status, b'{"message": "not now"}', JSON, headers)


def _page(status: int, title: str) -> Answer:
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body>{title}</body></html>"
    return Answer(status, page.encode(), HTML)


_CANNED = {
    Fault.TOO_MANY: _refusal(429, "1"),
    Fault.TOO_MANY_NEVER: _refusal(429, "86400"),
    Fault.UNAVAILABLE: _refusal(503),
    Fault.SERVER_ERROR: _refusal(500),
    Fault.FORBIDDEN: _refusal(403),
    Fault.HTML_PAGE: _page(200, "We will be back soon"),
    Fault.HTML_FORBIDDEN: _page(403, "Checking your browser"),
    Fault.EMPTY: Answer(200, b"", JSON),
    Fault.NOT_JSON: Answer(200, b"the odds are good today", JSON),
    Fault.NO_MARKETS: Answer(200, b"{}", JSON),
    Fault.EMPTY_MARKETS: Answer(200, b'{"markets": []}', JSON),
    Fault.NULL: Answer(200, b"null", JSON),
}


def _wrong_type(market: Record) -> None:
    market["contracts"][0]["lastTradePrice"] = str(market["contracts"][0]["lastTradePrice"])


def _duplicate_contract(market: Record) -> None:
    market["contracts"].append(dict(market["contracts"][0]))


def _bad_price(market: Record) -> None:
    market["contracts"][0]["lastTradePrice"] = 5.4


def _new_field(market: Record) -> None:
    market["category"] = "Elections"
    market["contracts"][0]["volume"] = 1234


_SPOILERS: dict[Fault, Callable[[Record], None]] = {
    Fault.WRONG_TYPE: _wrong_type,
    Fault.DUPLICATE_CONTRACT: _duplicate_contract,
    Fault.BAD_PRICE: _bad_price,
    Fault.NEW_FIELD: _new_field,
}
