"""What only clicks have: the report of visits and purchases, and previews in the UI."""

from typing import TYPE_CHECKING

from predictit_assets.sources.clickstream.products.card import CARD

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

__all__ = ["CARD", "REPORT", "products", "render_report"]

REPORT = (
    "What people do, as one HTML page that loads nothing from anywhere: who is there now, "
    "sessions, page views and revenue by hour and day, the funnel, carts that were left, entry "
    "pages, products, referrers and campaigns, devices, people against bots, the collector's "
    "health, and what was rejected."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    from predictit_assets.layers.report import report_products
    from predictit_assets.sources.clickstream.collect import SOURCE
    from predictit_assets.sources.clickstream.products.previews import PREVIEWS
    from predictit_assets.sources.clickstream.products.report.page import render
    from predictit_assets.sources.clickstream.products.report.queries import TABLES

    return report_products(
        house,
        SOURCE,
        TABLES,
        render,
        description=REPORT,
        previews=PREVIEWS,
        shown="overview_1d",
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.sources.clickstream.products.report.page import render

    return render(warehouse, objects)
