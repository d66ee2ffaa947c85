"""The report: one HTML page of what the marts hold, for people without SQL."""

import dagster as dg

from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.layers.specs import OWNERS
from predictit_assets.sources.predictit.products.pictures import PICTURES
from predictit_assets.sources.predictit.products.report.queries import MARTS
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

KEY = dg.AssetKey(["report", "odds"])
CHECK = "page"


def report_asset(objects: ObjectStore, warehouse: Warehouse) -> dg.AssetsDefinition:
    """The page. It has no partitions: whatever days a run is about, it shows the newest poll."""

    @dg.multi_asset(
        name="report_odds",
        specs=[
            dg.AssetSpec(
                key=KEY,
                deps=[dg.AssetKey(["marts", "predictit", name]) for name in MARTS],
                description=(
                    "What the market thinks, as one HTML page that loads nothing from anywhere: "
                    "the board, movers, odds over time, overround and arbitrage, how good the odds "
                    "turned out to be, and how well the feed was heard, at the newest poll."
                ),
                group_name="report",
                owners=OWNERS,
                kinds={"html"},
            )
        ],
        # Without it no run of a range of days could hold the page.
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def write_page(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        from predictit_assets.sources.predictit.products.report import page, queries

        with fail_on_expected_error(context.op_execution_context):
            contents = queries.read(warehouse)
        body = page.page(contents, page.libraries(objects))
        objects.replace(page.OBJECT, body)
        metadata = {
            "path": dg.MetadataValue.path(objects.address(page.OBJECT)),
            "bytes": dg.MetadataValue.int(len(body)),
            "odds_of": dg.MetadataValue.text(f"{page.eastern(contents.polled_at)} Eastern"),
        }
        with warehouse.reading() as ask:
            moves = PICTURES["market_board"].markdown(ask)
        if moves:
            metadata["picture"] = dg.MetadataValue.md(moves)
        return dg.MaterializeResult(metadata=metadata)

    return write_page


def report_check(objects: ObjectStore) -> dg.AssetChecksDefinition:
    """Whether the page is whole."""

    @dg.asset_check(
        asset=KEY,
        name=CHECK,
        blocking=True,
        description=(
            "The page parses, holds as many charts as it announces, and loads nothing from "
            "elsewhere."
        ),
    )
    def check_page() -> dg.AssetCheckResult:
        from predictit_assets.sources.predictit.products.report import page

        body = objects.get(page.OBJECT)
        found = ["there is no page"] if body is None else page.faults(body)
        return dg.AssetCheckResult(
            passed=not found,
            description="; ".join(found)[:300] or None,
            metadata={"faults": dg.MetadataValue.int(len(found))},
        )

    return check_page
