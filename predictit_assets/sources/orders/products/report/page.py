"""The page: what was read, as HTML that loads nothing."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from predictit_assets.report.page import UNKNOWN, fill, libraries
from predictit_assets.sources.orders.products.report import charts, queries
from predictit_assets.sources.orders.products.report.queries import Contents
from predictit_assets.sources.orders.source import EASTERN
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

TEMPLATE = "page.html.j2"


def render(warehouse: Warehouse, objects: ObjectStore) -> bytes:
    """The page about what the warehouse holds now. Raises NothingHeld."""
    return page(queries.read(warehouse), libraries(objects))


def page(contents: Contents, libraries: str) -> bytes:
    """The page about these contents: the same bytes for the same contents."""
    specs = {
        "net": charts.net(contents),
        "average": charts.average_order(contents),
        "discounts": charts.discounts(contents),
        "hours": charts.hours(contents.hours),
    }
    return fill(
        __package__,
        TEMPLATE,
        libraries,
        specs,
        FILTERS,
        contents=contents,
        locations=charts.locations(contents.days),
    )


def eastern(at: datetime) -> str:
    """A UTC moment on the clocks of the shop."""
    return f"{at.replace(tzinfo=UTC).astimezone(EASTERN.tzinfo):%a %d %b %Y, %H:%M}"


def money(amount: Decimal | None) -> str:
    """An amount to the cent; what currency it is in stands beside it."""
    return UNKNOWN if amount is None else f"{amount:,.2f}"


def share(part: Decimal, whole: Decimal) -> str:
    """A part in per cent, to a tenth; what isn't none doesn't look like it."""
    if not whole:
        return UNKNOWN
    rounded = f"{100 * part / whole:.1f}%"
    return "<0.1%" if rounded == "0.0%" and part else rounded


def known(value: object) -> object:
    """What isn't told is a dash."""
    return UNKNOWN if value is None else value


def number(of: int) -> str:
    """A number of things."""
    return f"{of:,}"


FILTERS: Mapping[str, Callable[..., Any]] = {
    "eastern": eastern,
    "money": money,
    "share": share,
    "known": known,
    "number": number,
    "location": charts.location_name,
}
