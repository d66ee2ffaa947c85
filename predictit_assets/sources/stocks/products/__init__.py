"""What only stocks have: the report of their prices, and a preview in the UI."""

from typing import TYPE_CHECKING

from predictit_assets.sources.stocks.products.card import CARD

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

__all__ = ["CARD", "REPORT", "products", "render_report"]

REPORT = (
    "What stocks cost, as one HTML page that loads nothing from anywhere: closes of the benchmark "
    "and of what was traded most, the largest moves of the newest session, splits, listings new "
    "and gone, and what the feed lacks."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    from predictit_assets.layers.report import report_products
    from predictit_assets.sources.stocks.ask import SOURCE
    from predictit_assets.sources.stocks.products.previews import PREVIEWS
    from predictit_assets.sources.stocks.products.report.page import render
    from predictit_assets.sources.stocks.products.report.queries import TABLES

    return report_products(
        house,
        SOURCE,
        TABLES,
        render,
        description=REPORT,
        previews=PREVIEWS,
        shown="fact_stock_days",
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.sources.stocks.products.report.page import render

    return render(warehouse, objects)
