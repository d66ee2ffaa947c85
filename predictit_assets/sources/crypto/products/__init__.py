"""What only the coins have: the report of their prices, and previews in the UI."""

from typing import TYPE_CHECKING

from predictit_assets.sources.crypto.products.card import CARD

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

__all__ = ["CARD", "REPORT", "products", "render_report"]

REPORT = (
    "What coins cost, as one HTML page that loads nothing from anywhere: the board of the newest "
    "poll, the prices of the ten largest, shares of the market, volatility against drawdown, how "
    "far prices are from the vendor's own history, and what of the time nobody saw."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    from predictit_assets.layers.report import report_products
    from predictit_assets.sources.crypto.ask import SOURCE
    from predictit_assets.sources.crypto.products.previews import PREVIEWS
    from predictit_assets.sources.crypto.products.report.page import render
    from predictit_assets.sources.crypto.products.report.queries import TABLES

    return report_products(
        house,
        SOURCE,
        TABLES,
        render,
        description=REPORT,
        previews=PREVIEWS,
        shown="market_share_1d",
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.sources.crypto.products.report.page import render

    return render(warehouse, objects)
