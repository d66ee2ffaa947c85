"""What only orders have: the report of what was sold, and previews in the UI."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

REPORT = (
    "What a shop sold, as one HTML page that loads nothing from anywhere: net and average order by "
    "day and location, discounts, the hours of the week, staff, products, what changed after the "
    "fact, and the days that have no file."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    import dagster as dg

    from predictit_assets.layers.products import Products
    from predictit_assets.layers.report import report_asset, report_check
    from predictit_assets.sources.orders.products.previews import PREVIEWS
    from predictit_assets.sources.orders.products.report.page import render
    from predictit_assets.sources.orders.products.report.queries import TABLES
    from predictit_assets.sources.orders.source import NAME

    names = house.names
    report = report_asset(
        names,
        NAME,
        house.owner,
        [dg.AssetKey(names.key(layer, NAME, table)) for layer, table in TABLES],
        render,
        house.objects,
        house.warehouse,
        description=REPORT,
        previews=[PREVIEWS["order_summary_1d"]],
    )
    return Products(
        assets=[report],
        checks=[report_check(names, NAME, house.objects)],
        previews=PREVIEWS,
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.sources.orders.products.report.page import render

    return render(warehouse, objects)
