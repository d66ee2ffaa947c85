"""What only orders have: the report of what was sold, and previews in the UI."""

from typing import TYPE_CHECKING

from predictit_assets.sources.orders.products.card import CARD

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

__all__ = ["CARD", "REPORT", "products", "render_report"]

REPORT = (
    "What a shop sold, as one HTML page that loads nothing from anywhere: net and average order by "
    "day and location, discounts, the hours of the week, staff, products, what changed after the "
    "fact, and the days that have no file."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    from predictit_assets.layers.report import report_products
    from predictit_assets.sources.orders.products.previews import PREVIEWS
    from predictit_assets.sources.orders.products.report.page import render
    from predictit_assets.sources.orders.products.report.queries import TABLES
    from predictit_assets.sources.orders.source import NAME

    return report_products(
        house,
        NAME,
        TABLES,
        render,
        description=REPORT,
        previews=PREVIEWS,
        shown="order_summary_1d",
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.sources.orders.products.report.page import render

    return render(warehouse, objects)
