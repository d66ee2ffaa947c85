"""The page: what was read, as HTML that loads nothing."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from predictit_assets.report.figures import money, number, share
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


def known(value: object) -> object:
    """What isn't told is a dash."""
    return UNKNOWN if value is None else value


FILTERS: Mapping[str, Callable[..., Any]] = {
    "eastern": eastern,
    "money": money,
    "share": share,
    "known": known,
    "number": number,
    "location": charts.location_name,
}
