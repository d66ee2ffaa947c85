"""The page: what was read, as HTML that loads nothing."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from predictit_assets.report.figures import money, share
from predictit_assets.report.page import UNKNOWN, fill, libraries
from predictit_assets.sources.clickstream.products.report import charts, queries
from predictit_assets.sources.clickstream.products.report.queries import Contents
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

TEMPLATE = "page.html.j2"
UNITS = (
    (172_800_000, 86_400_000, "d"),
    (7_200_000, 3_600_000, "h"),
    (120_000, 60_000, "min"),
    (1_000, 1_000, "s"),
)
"""From so many milliseconds on waits are told in a unit, which has so many."""


def render(warehouse: Warehouse, objects: ObjectStore) -> bytes:
    """The page about what the warehouse holds now. Raises NothingHeld."""
    return page(queries.read(warehouse), libraries(objects))


def page(contents: Contents, libraries: str) -> bytes:
    """The page about these contents: the same bytes for the same contents."""
    return fill(
        __package__,
        TEMPLATE,
        libraries,
        charts.specs(contents),
        FILTERS,
        contents=contents,
    )


def number(of: int | Decimal | None) -> str:
    """A number of things: whole, but for what is sold by weight."""
    return UNKNOWN if of is None else f"{of:,.4f}".rstrip("0").rstrip(".")


def duration(milliseconds: int | None) -> str:
    """How long something took, or how far a clock is off, in the unit that suits it."""
    if milliseconds is None:
        return UNKNOWN
    for least, size, unit in UNITS:
        if abs(milliseconds) >= least:
            return f"{milliseconds / size:,.1f} {unit}"
    return f"{milliseconds} ms"


def known(text: str | None) -> str:
    """A text of clients, fit for a line; a dash where there is none."""
    return charts.called(text or "") or UNKNOWN


FILTERS: Mapping[str, Callable[..., Any]] = {
    "currency": charts.money_of,
    "duration": duration,
    "known": known,
    "money": money,
    "number": number,
    "share": share,
}
