"""What is odd of the made-up API at times that are named here; all other times are ordinary."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from predictit_assets.sources.crypto.fake.world import Json, Text

ODD_ROWS = datetime(2026, 3, 2, 12, tzinfo=UTC)
"""For an hour: rows with numbers that no column holds, and others that it just does."""
NEW_FIELD = datetime(2026, 3, 2, 14, tzinfo=UTC)
ZEROS = datetime(2026, 3, 2, 16, tzinfo=UTC)
"""For an hour: each price, cap and change is 0."""
COARSE = date(2026, 3, 3)
"""Times in whole seconds, changes with one decimal."""
NULL_ARRAYS = date(2026, 3, 4)
"""The history of this day is null, until it is asked about again much later."""
NULL_UNTIL = datetime(2026, 3, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)

ODD_NUMBERS: dict[int, tuple[str, Any]] = {
    40: ("current_price", Text("1e-18")),
    41: ("current_price", Text("1e30")),
    42: ("current_price", None),
    43: ("current_price", 0),
    44: ("current_price", "1.5"),
    45: ("total_supply", Text("123456789012345678901")),
    46: ("current_price", Text("-0.5")),
    47: ("market_cap", Text("1e30")),
    48: ("last_updated", "yesterday"),
    49: ("market_cap_rank", 0),
    50: ("current_price", Text("0.000000123456789012345678901")),
    51: ("id", "  "),
    52: ("high_24h", True),
}
"""By place on the page: a field, and what it is then."""
MISSING = 53
NO_OBJECT = 54
TWICE = 55
"""The coin before it is there again."""
REJECTED = (41, 44, 46, 47, 48, 49, 51, 52, MISSING, NO_OBJECT, TWICE)
"""The places of page 1 whose rows can't be loaded: the others can."""
ZERO_FIELDS = (
    *("current_price", "market_cap", "total_volume", "high_24h", "low_24h"),
    *("price_change_24h", "price_change_percentage_24h"),
    *("market_cap_change_24h", "market_cap_change_percentage_24h"),
)


def page(rows: list[Json], at: datetime) -> list[Any]:
    """A page as it is at a moment."""
    if ODD_ROWS <= at < ODD_ROWS + HOUR:
        return odd_rows(rows)
    if NEW_FIELD <= at < NEW_FIELD + HOUR:
        return [row | {"new_thing": 1, "price_change_percentage_7d_in_currency": 1} for row in rows]
    if is_refused(at):
        return zeros(rows)
    return coarse(rows) if at.date() == COARSE else list(rows)


def rejected(at: datetime) -> tuple[int, ...]:
    """The places of page 1 whose rows can't be loaded at a moment."""
    return REJECTED if ODD_ROWS <= at < ODD_ROWS + HOUR else ()


def is_refused(at: datetime) -> bool:
    """Whether the pages of a moment are refused as a whole."""
    return ZEROS <= at < ZEROS + HOUR


def odd_rows(rows: list[Json]) -> list[Any]:
    """A page with the odd rows."""
    found: list[Any] = list(rows)
    for place, (field, value) in ODD_NUMBERS.items():
        if place < len(found):
            found[place] = found[place] | {field: value}
    if len(found) > TWICE:
        found[MISSING] = {key: one for key, one in found[MISSING].items() if key != "ath"}
        found[NO_OBJECT] = "a text"
        found[TWICE] = found[TWICE] | {"id": found[0]["id"]}
    return found


def zeros(rows: list[Json]) -> list[Any]:
    """A page of nothing: what is a number is 0."""
    return [row | dict.fromkeys(ZERO_FIELDS, 0) for row in rows]


def coarse(rows: list[Json]) -> list[Any]:
    """A page of another format."""
    return [
        row
        | {
            "last_updated": f"{row['last_updated'][:17]}00.000Z",
            "price_change_percentage_24h": round(row["price_change_percentage_24h"], 1),
        }
        for row in rows
    ]
