"""What CoinGecko's API answers: typed models of its JSON. No number passes a float."""

import re
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from predictit_assets.contract.decoding import convert, decode, decode_record, decode_records
from predictit_assets.contract.payload import InvalidPayload

PART = re.compile(r"p([1-9][0-9]?)of([1-9][0-9]?)")
ONLY_PAGE = "p1of1"
MOST_OF_ID = 200
"""Characters of a coin's id."""
ALLOWED_PREFIX = "price_change_percentage_"
"""Begins the fields that come only when they are asked for."""
LARGEST_COUNT = 2**63
NOT_FOUND = {"error": "coin not found"}
"""What the API says of a coin that it doesn't know, with a 404."""
ARRAYS = ("prices", "market_caps", "total_volumes")
EPOCH = datetime(1970, 1, 1)
WIDE = Context(prec=100, rounding=ROUND_DOWN)
"""Wider than any column, so that what doesn't fit one is told by its size."""
MAX_CACHED = 20_000
"""Times that are kept read: the records of a coin are the same for months."""


class Digits:
    """What a column of decimals holds; what is computed of it is computed once."""

    def __init__(self, size: int, scale: int) -> None:
        self.size = size
        """Digits in all."""
        self.scale = scale
        """Digits behind the point: what lies further behind is cut toward zero."""
        self.smallest = Decimal(1).scaleb(-scale)
        self.limit = Decimal(1).scaleb(size - scale)
        """The smallest number with too many digits before the point: those are rejected."""
        self.below = -self.limit


PRICE, AMOUNT = Digits(38, 24), Digits(38, 8)


class Coin(msgspec.Struct):
    """A coin of a page. What has no default must be there; what is `Any` is a number or null."""

    id: str
    symbol: str
    name: str
    image: str | None
    current_price: Any
    market_cap: Any
    market_cap_rank: Any
    fully_diluted_valuation: Any
    total_volume: Any
    high_24h: Any
    low_24h: Any
    price_change_24h: Any
    price_change_percentage_24h: Any
    market_cap_change_24h: Any
    market_cap_change_percentage_24h: Any
    circulating_supply: Any
    total_supply: Any
    max_supply: Any
    ath: Any
    ath_change_percentage: Any
    ath_date: str | None
    atl: Any
    atl_change_percentage: Any
    atl_date: str | None
    roi: msgspec.Raw
    last_updated: str | None
    market_cap_rank_with_rehypothecated: Any = None


class Known(Coin, forbid_unknown_fields=True):
    """The same, and nothing else."""


class History(NamedTuple):
    """What is said of a coin and a day: three arrays, their points unread."""

    is_unknown: bool
    """The API doesn't know the coin: there are no points."""
    arrays: dict[str, list[msgspec.Raw]]
    new_fields: list[str]


_ROWS: msgspec.json.Decoder[list[msgspec.Raw]] = msgspec.json.Decoder(list[msgspec.Raw])
_OBJECT: msgspec.json.Decoder[dict[str, msgspec.Raw]] = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ROI: msgspec.json.Decoder[dict[str, Any] | None] = msgspec.json.Decoder(
    dict[str, Any] | None, float_hook=Decimal
)
_KNOWN = msgspec.json.Decoder(Known, float_hook=Decimal)
_COIN = msgspec.json.Decoder(Coin, float_hook=Decimal)
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder(float_hook=Decimal)
_KEYS = {field.name for field in msgspec.structs.fields(Coin)}


def page_of(part: str) -> tuple[int, int]:
    """Page and pages that a part names. Raises InvalidPayload."""
    found = PART.fullmatch(part)
    page, pages = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= page <= pages:
        raise InvalidPayload(f"its part {part!r:.60} names no page")
    return page, pages


def rows_of(body: bytes) -> list[msgspec.Raw]:
    """The rows of a page, sound or not. Raises InvalidPayload."""
    return decode_records(_ROWS, body)


def coin(text: msgspec.Raw) -> tuple[Coin, set[str]]:
    """A row as it has to be, and its fields that nobody knew of. Raises InvalidPayload."""
    body = bytes(text)
    try:
        return decode_record(_KNOWN, text), set()
    except InvalidPayload:
        found = decode_record(_COIN, text)
    new = decode(_OBJECT, body).keys() - _KEYS
    return found, {key for key in new if not key.startswith(ALLOWED_PREFIX)}


def history(body: bytes) -> History:
    """The arrays of an answer about a coin and a day. Raises InvalidPayload."""
    container = decode(_OBJECT, body)
    if container.keys() == NOT_FOUND.keys() and decode(_ANY, body) == NOT_FOUND:
        return History(True, {name: [] for name in ARRAYS}, [])
    arrays = {}
    for name in ARRAYS:
        if name not in container:
            raise InvalidPayload("it is missing", f"$.{name}")
        try:
            arrays[name] = decode(_ROWS, bytes(container[name]))
        except InvalidPayload as fault:
            raise InvalidPayload(fault.reason, f"$.{name}{fault.path[1:]}") from None
    return History(False, arrays, sorted(f"$.{key}" for key in container.keys() - {*ARRAYS}))


def point(text: msgspec.Raw, digits: Digits) -> tuple[datetime, Decimal | None]:
    """A point: its moment, and its value. Raises InvalidPayload."""
    ms, value = convert(decode(_ANY, bytes(text)), tuple[int, Any])
    try:
        at = EPOCH + timedelta(milliseconds=ms)
    except OverflowError:
        raise InvalidPayload("it is beyond all times", "$[0]") from None
    return at, not_negative(value, "$[1]", digits)


def number(value: Any, path: str, digits: Digits) -> Decimal | None:
    """A number, cut toward zero to the digits of a column; None when it is null.

    Raises InvalidPayload for what is no number, or too large for the column.
    """
    if value is None:
        return None
    if type(value) is int:
        value = Decimal(value)
    elif type(value) is not Decimal:
        raise InvalidPayload("it is no number", path)
    cut: Decimal
    try:
        cut = WIDE.quantize(value, digits.smallest)
    except InvalidOperation:  # larger than any column
        cut = digits.limit
    # Comparing is exact; computing would round to the digits of the context that is current.
    if not digits.below < cut < digits.limit:
        before = digits.size - digits.scale
        raise InvalidPayload(f"it has more than {before} digits before the point", path)
    return cut if cut else cut.copy_abs()  # zero has no sign


def not_negative(value: Any, path: str, digits: Digits) -> Decimal | None:
    """The same for a number that isn't below 0. Raises InvalidPayload."""
    found = number(value, path, digits)
    # Before it is cut: what is too small for the column has a sign, too.
    if found is not None and value < 0:
        raise InvalidPayload("it is below 0", path)
    return found


def rank(value: Any, path: str) -> int | None:
    """A rank, from 1; None when it is null. Raises InvalidPayload."""
    if value is None:
        return None
    if type(value) is not int:
        raise InvalidPayload("it is no whole number", path)
    if not 1 <= value < LARGEST_COUNT:
        raise InvalidPayload("it is below 1, or too large", path)
    return value


def moment(text: str | None, path: str) -> datetime | None:
    """A time in UTC, as tables hold it; None when it is null. Raises InvalidPayload."""
    if text is None:
        return None
    try:
        return _moment(text)
    except (ValueError, OverflowError):
        raise InvalidPayload("it is no time", path) from None


@lru_cache(MAX_CACHED)
def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.tzinfo is None:
        raise ValueError
    return found.astimezone(UTC).replace(tzinfo=None)


def roi(text: msgspec.Raw) -> str | None:
    """The JSON of a return, as sent; None when it is null. Raises InvalidPayload."""
    body = bytes(text)
    try:
        found = decode(_ROI, body)
    except InvalidPayload as fault:
        raise InvalidPayload(fault.reason, f"$.roi{fault.path[1:]}") from None
    return None if found is None else body.decode()


def coin_id(text: str, path: str) -> str:
    """An id. Raises InvalidPayload."""
    found = without_nul(text)
    if not found.strip():
        raise InvalidPayload("it is blank", path)
    if len(text) > MOST_OF_ID:
        raise InvalidPayload(f"it is longer than {MOST_OF_ID} characters", path)
    return found


def without_nul(text: str) -> str:
    """A text without the character that no warehouse keeps."""
    return text.replace("\0", "")


def is_array(body: bytes) -> bool:
    """Whether a body looks like a page of coins, rather than what an API says instead."""
    return body.lstrip()[:1] == b"["
