"""The page: what was read, as HTML that loads nothing."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from predictit_assets.report.figures import large, move, number, way
from predictit_assets.report.page import UNKNOWN, fill, libraries
from predictit_assets.sources.crypto.products.report import charts, queries
from predictit_assets.sources.crypto.products.report.queries import Contents
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

TEMPLATE = "page.html.j2"
VENDOR = "https://www.coingecko.com/"
SIGNIFICANT = 4
"""Digits of a price below a dollar."""
LONG = 120
"""Minutes from which on hours are told."""


def render(warehouse: Warehouse, objects: ObjectStore) -> bytes:
    """The page about what the warehouse holds now. Raises NothingHeld."""
    return page(queries.read(warehouse), libraries(objects))


def page(contents: Contents, libraries: str) -> bytes:
    """The page about these contents: the same bytes for the same contents."""
    specs = {
        f"price_{n}": charts.prices(one, contents.by_hour, f"price_{n}")
        for n, one in enumerate(contents.courses)
    }
    specs |= {"shares": charts.shares(contents), "unseen": charts.unseen(contents)}
    if contents.scattered:
        specs["risks"] = charts.risks(contents)
    return fill(
        __package__,
        TEMPLATE,
        libraries,
        specs,
        FILTERS,
        contents=contents,
        legend=charts.legend(contents),
        vendor=VENDOR,
    )


def price(dollars: Decimal | None) -> str:
    """A price: cents from a dollar on, else its first digits that aren't 0."""
    if dollars is None:
        return UNKNOWN
    if dollars >= 1:
        return f"{dollars:,.2f}"
    if not dollars:
        return "0"
    places = SIGNIFICANT - 1 - dollars.adjusted()
    return f"{dollars:.{places}f}".rstrip("0")


def part(of: Decimal | None, digits: int = 1) -> str:
    """A part in per cent; what isn't none doesn't look like it."""
    if of is None:
        return UNKNOWN
    least = Decimal(10) ** (-2 - digits)
    return f"<{least * 100}%" if 0 < of < least else f"{of * 100:.{digits}f}%"


def minutes(long: Decimal | None) -> str:
    """How long something took, in the unit that suits it."""
    if long is None:
        return UNKNOWN
    return f"{long:.0f} min" if long < LONG else f"{long / 60:.1f} h"


def seconds(long: int | None) -> str:
    """How long something took."""
    if long is None:
        return UNKNOWN
    return f"{long} s" if long < LONG else minutes(Decimal(long) / 60)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "called": charts.called,
    "price": price,
    "large": large,
    "move": move,
    "way": way,
    "part": part,
    "minutes": minutes,
    "seconds": seconds,
    "number": number,
}
