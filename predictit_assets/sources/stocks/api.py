"""What Polygon's API answers: typed models of its JSON. Each record is read by itself."""

import re
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from functools import cache
from typing import Any, NamedTuple

import msgspec

from predictit_assets.contract.decoding import decode, decode_record, decode_records, mended
from predictit_assets.contract.payload import InvalidPayload
from predictit_assets.sources.stocks.schemas import AnswerKind

NOT_FOUND = "NOT_FOUND"
"""The status of a 404 that means that there is nothing, perhaps only yet."""
KEYS = {
    *("status", "request_id", "results", "resultsCount", "queryCount", "count"),
    *("adjusted", "next_url"),
}
"""Of an envelope."""
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,4})?")
MOST_DIGITS = 100
"""Of a number as sent: no price has as many, and endless ones take endless time."""
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
LARGEST = 2**63 - 1
NULL = msgspec.Raw(b"null")
"""Stands for a number that is missing, too."""


class Answered(NamedTuple):
    """An answer whose container is sound."""

    kind: AnswerKind
    records: list[msgspec.Raw]
    """As sent, sound or not."""
    new_keys: list[str]
    """Keys of the envelope that nobody knew of."""
    next_url: str
    """The link to the next page; empty without one."""


class Bar(msgspec.Struct):
    """The prices of a ticker in a session. What has no default must be there."""

    ticker: str = msgspec.field(name="T")
    open: msgspec.Raw = msgspec.field(name="o")
    high: msgspec.Raw = msgspec.field(name="h")
    low: msgspec.Raw = msgspec.field(name="l")
    close: msgspec.Raw = msgspec.field(name="c")
    volume: msgspec.Raw = msgspec.field(name="v")
    time: msgspec.Raw = msgspec.field(name="t")
    """The end of the session here, midnight elsewhere: the day is that of the request."""
    vwap: msgspec.Raw = msgspec.field(name="vw", default=NULL)
    transactions: msgspec.Raw = msgspec.field(name="n", default=NULL)
    otc: bool | None = None


class Ticker(msgspec.Struct):
    """A ticker of a list. A key that is missing, or null, is None."""

    ticker: str
    name: str
    market: str
    locale: str
    type: str | None = None
    primary_exchange: str | None = None
    active: bool | None = None
    currency_name: str | None = None
    currency_symbol: str | None = None
    base_currency_name: str | None = None
    base_currency_symbol: str | None = None
    cik: str | None = None
    composite_figi: str | None = None
    share_class_figi: str | None = None
    last_updated_utc: str | None = None
    delisted_utc: str | None = None


class Split(msgspec.Struct):
    """A split: so many old shares become so many new ones."""

    id: str
    ticker: str
    execution_date: date
    split_from: msgspec.Raw
    split_to: msgspec.Raw


class OpenClose(msgspec.Struct):
    """The prices of one ticker and day."""

    day: date = msgspec.field(name="from")
    symbol: str
    open: msgspec.Raw
    high: msgspec.Raw
    low: msgspec.Raw
    close: msgspec.Raw
    volume: msgspec.Raw
    status: str | None = None
    after_hours: msgspec.Raw = msgspec.field(name="afterHours", default=NULL)
    pre_market: msgspec.Raw = msgspec.field(name="preMarket", default=NULL)
    otc: bool | None = None
    request_id: str | None = None


_CONTAINER: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    dict[str, msgspec.Raw]
)
_RECORDS: msgspec.json.Decoder[list[msgspec.Raw] | None] = msgspec.json.Decoder(
    list[msgspec.Raw] | None
)
_COUNT = msgspec.json.Decoder(int)
_FLAG: msgspec.json.Decoder[bool | None] = msgspec.json.Decoder(bool | None)
_TEXT: msgspec.json.Decoder[str | None] = msgspec.json.Decoder(str | None)
BAR, TICKER, SPLIT = (msgspec.json.Decoder(kind) for kind in (Bar, Ticker, Split))
_OPEN_CLOSE = msgspec.json.Decoder(OpenClose)
_KEYS_OF: dict[type[msgspec.Struct], set[str]] = {
    kind: {field.encode_name for field in msgspec.structs.fields(kind)}
    for kind in (Bar, Ticker, Split, OpenClose)
}


def answered(body: bytes) -> Answered:
    """What an answer in records says, its records unread. Raises InvalidPayload."""
    container = _container(body)
    if is_not_found(container):
        return Answered(AnswerKind.NOT_FOUND, [], [], "")
    if _of(container, "adjusted", _FLAG):
        raise InvalidPayload("its prices are adjusted, so that they change", "$.adjusted")
    records = _of(container, "results", _RECORDS)
    counts = {
        key: _of(container, key, _COUNT) for key in ("resultsCount", "count") if key in container
    }
    if not records:
        if some := [key for key, count in counts.items() if count]:
            raise InvalidPayload("it counts results and has none", f"$.{some[0]}")
        if "results" not in container and not counts:
            raise InvalidPayload("an envelope without results")
    next_url = _of(container, "next_url", _TEXT) or ""
    kind = AnswerKind.ROWS if records else AnswerKind.EMPTY
    return Answered(kind, records or [], sorted(container.keys() - KEYS), next_url)


def open_close(body: bytes) -> tuple[OpenClose | None, list[str]]:
    """The prices of one ticker and day, and unknown keys; None: there are none, perhaps only yet.

    Raises InvalidPayload.
    """
    container = _container(body)
    if is_not_found(container):
        return None, []
    return decode(_OPEN_CLOSE, mended(body)), sorted(container.keys() - _KEYS_OF[OpenClose])


def is_not_found(container: dict[str, msgspec.Raw]) -> bool:
    """Whether an answer is the 404 that means that there is nothing."""
    if "status" not in container or not container.keys() <= {"status", "request_id", "message"}:
        return False
    return bool(_of(container, "status", _TEXT) == NOT_FOUND)


def same_but_for_the_request(before: bytes, after: bytes) -> bool:
    """Whether two answers differ in nothing but the request's id."""
    try:
        first, second = _container(before), _container(after)
    except InvalidPayload:
        return before == after
    return _said(first) == _said(second)


def tells_nothing(body: bytes) -> bool:
    """Whether a body is the 404 that means that there is nothing."""
    try:
        return is_not_found(_container(body))
    except InvalidPayload:
        return False


def _said(container: dict[str, msgspec.Raw]) -> dict[str, bytes]:
    return {key: bytes(value) for key, value in container.items() if key != "request_id"}


def _container(body: bytes) -> dict[str, msgspec.Raw]:
    return decode_records(_CONTAINER, body)


def _of(container: dict[str, msgspec.Raw], key: str, decoder: msgspec.json.Decoder[Any]) -> Any:
    """A key of an envelope, or None without it. Raises InvalidPayload with its path."""
    if key not in container:
        return None
    try:
        return decode(decoder, bytes(container[key]))
    except InvalidPayload as fault:
        raise InvalidPayload(fault.reason, f"$.{key}{fault.path[1:]}") from None


def record(text: msgspec.Raw, decoder: msgspec.json.Decoder[Any]) -> Any:
    """A record as it has to be. Raises InvalidPayload."""
    return decode_record(decoder, text)


def new_keys(text: msgspec.Raw, kind: type[msgspec.Struct]) -> set[str]:
    """The keys of a sound record that nobody knew of."""
    return decode(_CONTAINER, bytes(text)).keys() - _KEYS_OF[kind]


class _Column(NamedTuple):
    """What rounds numbers to a column."""

    step: Decimal
    """Its smallest number."""
    bound: Decimal
    """The first number that is too large."""
    context: Context


@cache
def _column(digits: tuple[int, int]) -> _Column:
    # Made once a column: a context for each number takes longer than the rounding.
    size, scale = digits
    context = Context(prec=MOST_DIGITS + size, traps=[InvalidOperation])
    return _Column(Decimal(1).scaleb(-scale), Decimal(10) ** (size - scale), context)


def number(value: msgspec.Raw, path: str, digits: tuple[int, int]) -> Decimal | None:
    """A number from its text, rounded half even to a column; None when it is null or missing.

    Raises InvalidPayload for what is no number, below 0, or doesn't fit the column.
    """
    text = bytes(value).decode(errors="replace")
    if text == "null":
        return None
    if not NUMBER.fullmatch(text) or len(text) > MOST_DIGITS:
        raise InvalidPayload("it is no number", path)
    column = _column(digits)
    exact = Decimal(text)
    if exact < 0:
        raise InvalidPayload("it is below 0", path)
    try:
        rounded = exact.quantize(column.step, ROUND_HALF_EVEN, column.context)
    except InvalidOperation:
        rounded = column.bound
    if rounded >= column.bound:
        size, scale = digits
        raise InvalidPayload(f"it has more than {size - scale} digits before the point", path)
    # Of -0 too.
    return abs(rounded)


def needed_number(value: msgspec.Raw, path: str, digits: tuple[int, int]) -> Decimal:
    """The same for a number that must be there. Raises InvalidPayload."""
    found = number(value, path, digits)
    if found is None:
        raise InvalidPayload("it is no number", path)
    return found


def whole_number(value: msgspec.Raw, path: str) -> int | None:
    """A count from its text; None when it is null or missing. Raises InvalidPayload."""
    found = number(value, path, (40, 20))
    if found is None:
        return None
    if found != found.to_integral_value() or found > LARGEST:
        raise InvalidPayload("it is no whole number", path)
    return int(found)


def ticker(text: str, path: str) -> str:
    """A ticker, never folded. Raises InvalidPayload when it is none."""
    if not text:
        raise InvalidPayload("it is empty", path)
    if CONTROL.search(text):
        raise InvalidPayload("it holds a control character", path)
    return text


def moment(text: str | None, path: str) -> datetime | None:
    """A time in UTC, as tables hold it; None when there is none. Raises InvalidPayload."""
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        in_utc = found if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidPayload("it is no time", path) from None
    return in_utc.replace(tzinfo=None)


def without_nul(text: str) -> str:
    """A text without the character that no warehouse keeps."""
    return text.replace("\0", "")
