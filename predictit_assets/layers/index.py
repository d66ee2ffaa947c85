"""The index of the reports: one page for all sources that are on. It belongs to none of them."""

from collections.abc import Mapping, Sequence

import dagster as dg

from predictit_assets.contract.names import AssetNames
from predictit_assets.errors import NothingHeld, NothingPublished
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.layers.report import CHECK, faults, keep_page, report_key, report_object
from predictit_assets.report.index import INDEX, Card, Entry, page
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

GROUP = "reports"


def index_asset(
    names: AssetNames,
    cards: Mapping[str, Card],
    deps: Sequence[dg.AssetKey],
    objects: ObjectStore,
    warehouse: Warehouse,
    owners: Sequence[str],
) -> dg.AssetsDefinition:
    """The page that leads to all others, made when one of `deps` was made anew.

    `cards` are by source, in the order in which they are shown.
    """

    @dg.multi_asset(
        name=f"report_{INDEX}",
        specs=[
            dg.AssetSpec(
                key=report_key(names, INDEX),
                deps=deps,
                description=(
                    "The reports of all sources that are on, as one HTML page that leads to them: "
                    "what each is about, how new it is, and a few numbers."
                ),
                group_name=GROUP,
                owners=list(owners),
                kinds={"html"},
                tags={"layer": "report"},
            )
        ],
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def write_index(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        with fail_on_expected_error(context.op_execution_context):
            body = render_index(cards, objects, warehouse)
        return dg.MaterializeResult(metadata=keep_page(INDEX, body, objects))

    return write_index


def report_index(
    instance: dg.DagsterInstance,
    names: AssetNames,
    cards: Mapping[str, Card],
    objects: ObjectStore,
    warehouse: Warehouse,
) -> None:
    """Write the index and tell the instance, without a run: for who has just built the pages."""
    body = render_index(cards, objects, warehouse)
    key = report_key(names, INDEX)
    instance.report_runless_asset_event(
        dg.AssetMaterialization(key, metadata=keep_page(INDEX, body, objects))
    )
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            passed=not faults(body), check_name=CHECK, asset_key=key, metadata={}, blocking=True
        )
    )


def render_index(cards: Mapping[str, Card], objects: ObjectStore, warehouse: Warehouse) -> bytes:
    """The page about what the warehouse and the store hold now."""
    entries = []
    for source, card in cards.items():
        told = None
        try:
            with warehouse.read_connection() as ask:
                told = card.read(ask)
        except (NothingPublished, NothingHeld):  # the card says so
            pass
        entries.append(Entry(source, card, told, objects.exists(report_object(source))))
    return page(entries)
