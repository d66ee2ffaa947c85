"""What only clicks have: the report of visits and purchases, and previews in the UI."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

REPORT = (
    "What people do, as one HTML page that loads nothing from anywhere: who is there now, "
    "sessions, page views and revenue by hour and day, the funnel, carts that were left, entry "
    "pages, products, referrers and campaigns, devices, people against bots, the collector's "
    "health, and what was rejected."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    import dagster as dg

    from predictit_assets.layers.products import Products
    from predictit_assets.layers.report import report_asset, report_check
    from predictit_assets.sources.clickstream.collect import SOURCE
    from predictit_assets.sources.clickstream.products.previews import PREVIEWS
    from predictit_assets.sources.clickstream.products.report.page import render
    from predictit_assets.sources.clickstream.products.report.queries import TABLES

    names = house.names
    report = report_asset(
        names,
        SOURCE,
        house.owner,
        [dg.AssetKey(names.key(layer, SOURCE, table)) for layer, table in TABLES],
        render,
        house.objects,
        house.warehouse,
        description=REPORT,
        previews=[PREVIEWS["overview_1d"]],
    )
    return Products(
        assets=[report],
        checks=[report_check(names, SOURCE, house.objects)],
        previews=PREVIEWS,
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.sources.clickstream.products.report.page import render

    return render(warehouse, objects)
