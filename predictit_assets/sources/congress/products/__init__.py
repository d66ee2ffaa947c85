"""What only congress has: the report of trades, alerts of disclosures, previews in the UI."""

from typing import TYPE_CHECKING, cast

from predictit_assets.sources.congress.products.card import CARD

if TYPE_CHECKING:
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

__all__ = ["CARD", "REPORT", "products", "render_report"]

REPORT = (
    "What members of Congress traded, as one HTML page that loads nothing from anywhere: the "
    "newest disclosures, who traded what and where, how late the public knew, what became of it "
    "against the market, late filers, clusters of buyers, and what isn't known and why."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    from functools import partial

    from predictit_assets.layers.products import Products
    from predictit_assets.layers.report import report_asset, report_check
    from predictit_assets.sources.congress.ask import SOURCE
    from predictit_assets.sources.congress.products.alerts import disclosures, disclosures_sensor
    from predictit_assets.sources.congress.products.keys import PRICES, table_key
    from predictit_assets.sources.congress.products.previews import PREVIEWS
    from predictit_assets.sources.congress.products.report.page import render
    from predictit_assets.sources.congress.products.report.queries import OF_PRICES, TABLES
    from predictit_assets.sources.congress.settings import CongressSettings

    names = house.names
    prices = PRICES in house.settings.sources
    report = report_asset(
        names,
        SOURCE,
        house.owner,
        [table_key(*name, names) for name in (TABLES + OF_PRICES if prices else TABLES)],
        partial(render, prices=prices),
        house.objects,
        house.warehouse,
        description=REPORT,
        previews=[PREVIEWS["late_filings"], PREVIEWS["buyer_clusters"]],
    )
    own = cast(CongressSettings, house.own)
    find = partial(disclosures, house.sensor_warehouse, own.alert_above)
    after = [table_key("marts", name, names) for name in ("buyer_clusters", "late_filings")]
    return Products(
        assets=[report],
        checks=[report_check(names, SOURCE, house.objects)],
        sensors=[disclosures_sensor(find, house.channels, after)] if house.channels else [],
        previews=PREVIEWS,
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.settings import load_settings
    from predictit_assets.sources.congress.products.keys import PRICES
    from predictit_assets.sources.congress.products.report.page import render

    return render(warehouse, objects, prices=PRICES in load_settings().sources)
