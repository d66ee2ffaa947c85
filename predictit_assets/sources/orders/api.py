"""What a file of the dump holds: typed models of its JSON. Each order is read by itself."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from predictit_assets.contract.decoding import decode
from predictit_assets.contract.payload import InvalidPayload

Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Whole = Integer | None | UnsetType
"""A key that may be null, or missing."""
Words = str | None | UnsetType
Flag = bool | None | UnsetType
NOT_OF_THIS_DAY = "not of this day"
CENT = Decimal("0.01")
MOST = Decimal("9999999999.99")
"""What a column of money holds."""
NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]{1,3})?")
MOMENT = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})"
)
ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    rb"|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)
"""An escape of JSON; `half` is one of half a character."""
HALF_CHARACTER = rb"\ud"
"""How the escape of half a character begins, in lower case."""
MARK = "\0\N{REPLACEMENT CHARACTER}\0"
"""Stands where half a character was, until its order is read."""


class Line(msgspec.Struct):
    """A line of an order. What has no default must be there."""

    id: Integer
    quantity: Integer
    variant_id: Whole = UNSET
    product_id: Whole = UNSET


class KnownLine(Line, forbid_unknown_fields=True):
    """The same, without any other key."""


class Order(msgspec.Struct):
    """An order. What has no default must be there; money and lines are read afterwards."""

    id: Integer
    created_at: str
    updated_at: str
    total_price: msgspec.Raw
    subtotal_price: msgspec.Raw
    total_tax: msgspec.Raw
    total_line_items_price: msgspec.Raw
    test: bool
    line_items: list[msgspec.Raw]
    email: Words = UNSET
    closed_at: Words = UNSET
    number: Whole = UNSET
    note: Words = UNSET
    token: Words = UNSET
    gateway: Words = UNSET
    total_weight: Whole = UNSET
    taxes_included: Flag = UNSET
    currency: Words = UNSET
    financial_status: Words = UNSET
    confirmed: Flag = UNSET
    total_discounts: msgspec.Raw | UnsetType = UNSET
    cart_token: Words = UNSET
    buyer_accepts_marketing: Flag = UNSET
    name: Words = UNSET
    referring_site: Words = UNSET
    landing_site: Words = UNSET
    cancelled_at: Words = UNSET
    cancel_reason: Words = UNSET
    total_price_usd: msgspec.Raw | UnsetType = UNSET
    checkout_token: Words = UNSET
    reference: Words = UNSET
    user_id: Whole = UNSET
    location_id: Whole = UNSET
    source_identifier: Words = UNSET
    source_url: Words = UNSET
    processed_at: Words = UNSET
    device_id: Whole = UNSET
    phone: Words = UNSET
    customer_locale: Words = UNSET
    app_id: Whole = UNSET
    browser_ip: Words = UNSET
    landing_site_ref: Words = UNSET
    order_number: Whole = UNSET
    processing_method: Words = UNSET
    checkout_id: Whole = UNSET
    source_name: Words = UNSET
    fulfillment_status: Words = UNSET
    tags: Words = UNSET
    contact_email: Words = UNSET
    order_status_url: Words = UNSET
    total_discount: msgspec.Raw | UnsetType = UNSET


class KnownOrder(Order, forbid_unknown_fields=True):
    """The same, without any other key."""


class Dump(msgspec.Struct):
    """A file, its orders unread."""

    orders: list[msgspec.Raw]


class KnownDump(Dump, forbid_unknown_fields=True):
    """The same, without any other key."""


class Wall(NamedTuple):
    """A moment as a clock on the wall showed it."""

    utc: datetime
    """Without a zone, as tables hold it."""
    day: date
    hour: int
    offset_minutes: int


TIMES = ("closed_at", "created_at", "updated_at", "cancelled_at", "processed_at")
PRICES = ("total_price", "subtotal_price", "total_tax", "total_line_items_price")
"""Money without which no order is loaded."""
MONEY = (*PRICES, "total_discounts", "total_price_usd", "total_discount")
ORDER_KEYS, LINE_KEYS = (
    {field.encode_name for field in msgspec.structs.fields(kind)} for kind in (Order, Line)
)
_KEYS: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_WORDS = msgspec.json.Decoder(str)
_DUMP, _KNOWN_DUMP = msgspec.json.Decoder(Dump), msgspec.json.Decoder(KnownDump)
_ORDER, _KNOWN_ORDER = msgspec.json.Decoder(Order), msgspec.json.Decoder(KnownOrder)
_LINE, _KNOWN_LINE = msgspec.json.Decoder(Line), msgspec.json.Decoder(KnownLine)


def dump(body: bytes) -> tuple[list[msgspec.Raw], set[str]]:
    """The orders of a file, unread, and its unknown keys. Raises InvalidPayload."""
    try:
        return _KNOWN_DUMP.decode(body).orders, set()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass
    try:
        found = decode(_DUMP, body)
    except InvalidPayload:
        if HALF_CHARACTER not in body.lower():
            raise
        body = ESCAPE.sub(_marked, body)
        found = decode(_DUMP, body)
    return found.orders, {f"$.{key}" for key in decode(_KEYS, body).keys() - {"orders"}}


def _marked(escape: re.Match[bytes]) -> bytes:
    r"""An escape, or the mark in the place of half a character, such as `\ud800`.

    One order has it, and the file can be read but for that one.
    """
    return rb"\u0000\ufffd\u0000" if escape["half"] else escape[0]


def order(raw: msgspec.Raw) -> tuple[Order, set[str]]:
    """An order as it has to be, and its unknown keys. Raises InvalidPayload."""
    try:
        return _KNOWN_ORDER.decode(raw), set()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = decode(_ORDER, bytes(raw))
    return found, decode(_KEYS, bytes(raw)).keys() - ORDER_KEYS


def line(raw: msgspec.Raw) -> tuple[Line, set[str]]:
    """A line as it has to be, and its unknown keys. Raises InvalidPayload."""
    try:
        return _KNOWN_LINE.decode(raw), set()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        found = decode(_LINE, bytes(raw))
    return found, decode(_KEYS, bytes(raw)).keys() - LINE_KEYS


def lines_of(raw: msgspec.Raw) -> Sequence[msgspec.Raw]:
    """The lines of an order that can't be read, as far as there is a list of them."""
    try:
        lines = _KEYS.decode(raw).get("line_items")
        return msgspec.json.decode(lines, type=list[msgspec.Raw]) if lines else []
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def missing(found: Order | Line) -> bool:
    """Whether a key isn't there, not even as null."""
    return any(getattr(found, name) is UNSET for name in found.__struct_fields__)


def moment(text: str, key: str) -> Wall:
    """A time of the dump. Raises InvalidPayload."""
    try:
        if not MOMENT.fullmatch(text):
            raise ValueError
        wall = datetime.fromisoformat(text)
        offset = wall.utcoffset()
        if offset is None:
            raise ValueError
        utc = wall.astimezone(UTC).replace(tzinfo=None)
    except (ValueError, OverflowError):
        raise InvalidPayload(f"{text!r:.60} is no time with an offset", f"$.{key}") from None
    return Wall(utc, wall.date(), wall.hour, round(offset.total_seconds() / 60))


def money(raw: msgspec.Raw | UnsetType, key: str) -> Decimal | None:
    """An amount, a number or a text of one, to the cent; None for null. Raises InvalidPayload.

    It is read from its text: as a float 2.675 would be less.
    """
    if isinstance(raw, UnsetType):
        return None
    # Bytes that are no text cost their order, as no amount has the sign that takes their place.
    text = bytes(raw).decode(errors="replace")
    if text == "null":
        return None
    if text.startswith('"'):
        text = decode(_WORDS, text.encode())
    try:
        if not NUMBER.fullmatch(text):
            raise ValueError
        amount = Decimal(text).quantize(CENT, ROUND_HALF_EVEN)
    except (ValueError, ArithmeticError):
        raise InvalidPayload(f"{text!r:.60} is no money", f"$.{key}") from None
    if abs(amount) > MOST:
        raise InvalidPayload(f"{text!r:.60} is too much money", f"$.{key}")
    return amount


def amounts(found: Order) -> Mapping[str, Decimal | None]:
    """All money of an order, by key. Raises InvalidPayload."""
    read = {key: money(getattr(found, key), key) for key in MONEY}
    for key in PRICES:
        if read[key] is None:
            raise InvalidPayload("it is null", f"$.{key}")
    return read
