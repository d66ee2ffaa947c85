"""What only PredictIt has: the board, the report, alerts of moves, previews in the UI."""

from typing import TYPE_CHECKING, cast

from predictit_assets.sources.predictit.products.card import CARD

if TYPE_CHECKING:  # `predictit board` is to answer at once, and needs none of it
    from predictit_assets.layers.products import House, Products
    from predictit_assets.storage.objects import ObjectStore
    from predictit_assets.storage.warehouse import Warehouse

__all__ = ["CARD", "REPORT", "products", "render_report"]

REPORT = (
    "What the market thinks, as one HTML page that loads nothing from anywhere: the board, movers, "
    "odds over time, overround and arbitrage, how good the odds turned out to be, and how well the "
    "feed was heard, at the newest poll."
)


def products(house: "House") -> "Products":
    """All of it for the code location."""
    from functools import partial

    from predictit_assets.layers.products import Products
    from predictit_assets.layers.report import report_asset, report_check
    from predictit_assets.sources.predictit.products.alerts import moves, moves_sensor
    from predictit_assets.sources.predictit.products.keys import SOURCE, table_key
    from predictit_assets.sources.predictit.products.previews import NEWEST_POLL, PREVIEWS
    from predictit_assets.sources.predictit.products.report.page import render
    from predictit_assets.sources.predictit.products.report.queries import MARTS
    from predictit_assets.sources.predictit.settings import PredictItSettings

    names = house.names
    report = report_asset(
        names,
        SOURCE,
        house.owner,
        [table_key("marts", name, names) for name in MARTS],
        render,
        house.objects,
        house.warehouse,
        description=REPORT,
        previews=[NEWEST_POLL, PREVIEWS["market_board"]],
    )
    own = cast(PredictItSettings, house.own)
    find_moves = partial(moves, house.sensor_warehouse, own.move_alert)
    prices = table_key("core", "fact_prices", names)
    return Products(
        assets=[report],
        checks=[report_check(names, SOURCE, house.objects)],
        sensors=[moves_sensor(find_moves, house.channels, prices)] if house.channels else [],
        previews=PREVIEWS,
    )


def render_report(warehouse: "Warehouse", objects: "ObjectStore") -> bytes:
    """The report about what is published, as the asset writes it. Raises ExpectedError."""
    from predictit_assets.sources.predictit.products.report.page import render

    return render(warehouse, objects)
