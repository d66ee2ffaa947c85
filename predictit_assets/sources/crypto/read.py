"""CoinGecko's answers, read: each coin and each point by itself.

It imports little, since a poller outside Dagster counts what it landed.
"""

from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from predictit_assets.contract.payload import InvalidPayload, Payload, RejectedRow, Validation
from predictit_assets.sources.crypto import api
from predictit_assets.sources.crypto.api import AMOUNT, PRICE, Digits
from predictit_assets.text import printable

Row = dict[str, Any]
NUMBERS: dict[str, tuple[str, Digits]] = {
    "fully_diluted_valuation": ("fully_diluted_valuation", AMOUNT),
    "high_24h": ("high_24h", PRICE),
    "low_24h": ("low_24h", PRICE),
    "change_24h": ("price_change_24h", PRICE),
    "change_24h_pct": ("price_change_percentage_24h", AMOUNT),
    "market_cap_change_24h": ("market_cap_change_24h", AMOUNT),
    "market_cap_change_24h_pct": ("market_cap_change_percentage_24h", AMOUNT),
    "ath": ("ath", PRICE),
    "ath_change_pct": ("ath_change_percentage", AMOUNT),
    "atl": ("atl", PRICE),
    "atl_change_pct": ("atl_change_percentage", AMOUNT),
}
"""Field and digits of the columns whose numbers may have a sign."""
NOT_NEGATIVE: dict[str, tuple[str, Digits]] = {
    "price": ("current_price", PRICE),
    "market_cap": ("market_cap", AMOUNT),
    "volume_24h": ("total_volume", AMOUNT),
    "circulating_supply": ("circulating_supply", AMOUNT),
    "total_supply": ("total_supply", AMOUNT),
    "max_supply": ("max_supply", AMOUNT),
}
READERS = tuple(
    (column, f"$.{field}", digits, reader)
    for columns, reader in ((NOT_NEGATIVE, api.not_negative), (NUMBERS, api.number))
    for column, (field, digits) in columns.items()
)
"""How the columns of both are read, in the order of `_values`."""
_values = attrgetter(*(field for field, _ in (NOT_NEGATIVE | NUMBERS).values()))
RANKS = ("market_cap_rank", "market_cap_rank_with_rehypothecated")
MOMENTS = {"source_ts": "last_updated", "ath_ts": "ath_date", "atl_ts": "atl_date"}
VALUES = {
    "prices": ("price", PRICE),
    "market_caps": ("market_cap", AMOUNT),
    "total_volumes": ("volume", AMOUNT),
}
"""Column and digits of each array of a history."""


class Read(NamedTuple):
    """A valid payload, read."""

    rows: list[Row]
    rejected: list[RejectedRow]
    new_fields: list[str]
    is_unknown: bool = False
    """Of a history: the API doesn't know the coin."""


def read_page(payload: Payload) -> Read:
    """The coins of a page, those that can be loaded and the others. Raises InvalidPayload."""
    texts = api.rows_of(payload.read())
    page, pages = api.page_of(payload.part)
    if page == 1 and not texts:
        raise InvalidPayload("it holds no coin")
    above = {
        "partition_date": payload.day,
        "polled_at": _naive(payload.captured_at),
        "page": page,
        "pages": pages,
    }
    found = Read([], [], [])
    seen: set[str] = set()
    new: set[str] = set()
    for position, text in enumerate(texts):
        try:
            coin, new_here = api.coin(text)
            row = _coin_row(coin)
            if row["coin_id"] in seen:
                raise InvalidPayload("this id is there twice", "$.id")
        except InvalidPayload as fault:
            found.rejected.append(_rejected(payload, position, fault, f"$[{position}]", text))
            continue
        seen.add(row["coin_id"])
        new |= new_here
        found.rows.append(above | {"position": position} | row)
    if texts and not found.rows:
        first = found.rejected[0]
        raise InvalidPayload(f"no row is sound; the first one: {first.reason}", first.path)
    if texts and not any(row["price"] for row in found.rows):
        raise InvalidPayload("no coin has a price above 0")
    found.new_fields.extend(sorted(printable(f"$[].{key}") for key in new))
    return found


def read_history(payload: Payload) -> Read:
    """The points of a coin and a day, those that can be loaded and others. Raises InvalidPayload.

    Points of the three arrays meet by their moment; one that lacks a value has NULL.
    """
    answer = api.history(payload.read())
    coin_id = api.coin_id(payload.part, "$")
    found = Read([], [], [printable(path) for path in answer.new_fields], answer.is_unknown)
    points: dict[datetime, Row] = {}
    for name, (column, digits) in VALUES.items():
        seen: set[datetime] = set()
        for position, text in enumerate(answer.arrays[name]):
            try:
                at, value = api.point(text, digits)
                if at in seen:
                    raise InvalidPayload("this moment is there twice", "$[0]")
            except InvalidPayload as fault:
                place = f"$.{name}[{position}]"
                found.rejected.append(_rejected(payload, position, fault, place, text))
                continue
            seen.add(at)
            points.setdefault(at, dict.fromkeys(one for one, _ in VALUES.values()))[column] = value
    above = {
        "partition_date": payload.day,
        "asked_at": _naive(payload.captured_at),
        "coin_id": coin_id,
    }
    found.rows.extend(above | {"point_at": at} | points[at] for at in sorted(points))
    return found


def page_validation(payload: Payload) -> Validation:
    """Check a page, and count its coins. Raises InvalidPayload with the JSON path."""
    found = read_page(payload)
    return Validation({"coins": len(found.rows)}, found.new_fields, len(found.rejected))


def history_validation(payload: Payload) -> Validation:
    """Check an answer about a coin, and count. Raises InvalidPayload with the JSON path."""
    found = read_history(payload)
    counts = {"points": len(found.rows), "unknown_coins": int(found.is_unknown)}
    return Validation(counts, found.new_fields, len(found.rejected))


def _coin_row(coin: api.Coin) -> Row:
    """The columns that a coin tells. Raises InvalidPayload."""
    row: Row = {
        "coin_id": api.coin_id(coin.id, "$.id"),
        "symbol": api.without_nul(coin.symbol),
        "coin_name": api.without_nul(coin.name),
        "image_url": None if coin.image is None else api.without_nul(coin.image),
        "roi": api.roi(coin.roi),
    }
    for (column, path, digits, reader), value in zip(READERS, _values(coin), strict=True):
        row[column] = reader(value, path, digits)
    for field in RANKS:
        row[field] = api.rank(getattr(coin, field), f"$.{field}")
    for column, field in MOMENTS.items():
        row[column] = api.moment(getattr(coin, field), f"$.{field}")
    return row


def _rejected(
    payload: Payload, position: int, fault: InvalidPayload, place: str, text: msgspec.Raw
) -> RejectedRow:
    content = api.without_nul(bytes(text).decode(errors="replace"))
    return RejectedRow(payload, position, fault.reason, f"{place}{fault.path[1:]}", content)


def _naive(at: datetime) -> datetime:
    return at.replace(tzinfo=None)
