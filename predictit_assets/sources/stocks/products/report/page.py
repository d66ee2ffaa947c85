"""The page: what was read, as HTML that loads nothing."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from predictit_assets.report.figures import large, move, number, way
from predictit_assets.report.page import UNKNOWN, fill, libraries
from predictit_assets.sources.stocks.products.report import charts, queries
from predictit_assets.sources.stocks.products.report.queries import Contents, Split
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

TEMPLATE = "page.html.j2"
VENDOR = "https://polygon.io/"


def render(warehouse: Warehouse, objects: ObjectStore) -> bytes:
    """The page about what the warehouse holds now. Raises NothingHeld, NothingPublished."""
    from predictit_assets.sources.stocks.settings import StocksSettings

    benchmark: str = StocksSettings.load().benchmark  # type: ignore[attr-defined]
    return page(queries.read(warehouse, benchmark), libraries(objects))


def page(contents: Contents, libraries: str) -> bytes:
    """The page about these contents: the same bytes for the same contents."""
    specs = {
        f"close_{n}": charts.closes(one, contents, f"close_{n}")
        for n, one in enumerate(contents.courses)
    }
    specs["tickers"] = charts.tickers(contents)
    if contents.spread:
        specs["spread"] = charts.spread(contents)
    return fill(
        __package__,
        TEMPLATE,
        libraries,
        specs,
        FILTERS,
        contents=contents,
        vendor=VENDOR,
        changed=queries.CHANGED,
        least_price=queries.LEAST_PRICE,
        least_traded=queries.LEAST_TRADED,
        splits_shown=queries.SPLITS,
        stretches=queries.STRETCHES,
    )


def price(dollars: Decimal | None) -> str:
    """A price: cents from a dollar on, else four places."""
    if dollars is None:
        return UNKNOWN
    return f"{dollars:,.2f}" if dollars >= 1 else f"{dollars:.4f}"


def ratio(split: Split) -> str:
    """A split as people say it: new shares for old ones."""
    return f"{_plain(split.split_to)} for {_plain(split.split_from)}"


def _plain(shares: Decimal) -> str:
    text = f"{shares:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


FILTERS: Mapping[str, Callable[..., Any]] = {
    "called": charts.called,
    "price": price,
    "large": large,
    "move": move,
    "way": way,
    "ratio": ratio,
    "number": number,
}
