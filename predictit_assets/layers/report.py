"""Reports: a source's HTML page of what its marts hold, for people without SQL.

A page announces its charts: `data-charts="3"` on its body, and for each chart one element
`<script type="application/json" …>` with its spec.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from html import escape

import dagster as dg

from predictit_assets.contract.names import AssetNames
from predictit_assets.errors import NothingHeld
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.layers.products import House, Preview, Products
from predictit_assets.layers.specs import group_of
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

CHECK = "page"
ANNOUNCED = re.compile(rb'data-charts="(\d+)"')
SPEC = b'<script type="application/json"'

Render = Callable[[Warehouse, ObjectStore], bytes]
"""Makes the page. The store may keep what pages have in common."""


def report_key(names: AssetNames, source: str) -> dg.AssetKey:
    """The asset of a source's report."""
    return dg.AssetKey(names.key("report", source))


def report_object(source: str) -> str:
    """Where the page is in the object store."""
    return f"report/{source}.html"


def report_asset(
    names: AssetNames,
    source: str,
    owner: str,
    deps: Sequence[dg.AssetKey],
    render: Render,
    objects: ObjectStore,
    warehouse: Warehouse,
    *,
    description: str,
    previews: Sequence[Preview] = (),
) -> dg.AssetsDefinition:
    """The page of a source. It has no partitions: whatever days a run is about, it shows today.

    `previews` are read again for the page's own metadata.
    """

    @dg.multi_asset(
        name=f"report_{source}",
        specs=[
            dg.AssetSpec(
                key=report_key(names, source),
                deps=deps,
                description=description,
                group_name=group_of("report", source),
                owners=[owner],
                kinds={"html"},
                tags={"source": source, "layer": "report"},
            )
        ],
        # Without it no run of a range of days could hold the page.
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def write_page(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        shown: dict[str, dg.MetadataValue] = {}
        with fail_on_expected_error(context.op_execution_context):
            try:
                body = render(warehouse, objects)
            except NothingHeld as nothing:
                # A build of days that hold nothing is no fault: the page says what is missing.
                body = page_of_nothing(str(nothing))
            with warehouse.read_connection() as query:
                for preview in previews:
                    shown |= preview.metadata(query)
        return dg.MaterializeResult(metadata=keep_page(source, body, objects) | shown)

    return write_page


def keep_page(name: str, body: bytes, objects: ObjectStore) -> dict[str, dg.MetadataValue]:
    """Put a page into the store; what the asset tells of it."""
    key = report_object(name)
    objects.replace(key, body)
    return {
        "path": dg.MetadataValue.path(objects.address(key)),
        "bytes": dg.MetadataValue.int(len(body)),
    }


def report_products(
    house: House,
    source: str,
    tables: Iterable[tuple[str, str]],
    render: Render,
    *,
    description: str,
    previews: Mapping[str, Preview],
    shown: str,
) -> Products:
    """The products of a source that has a report and nothing else.

    `tables` are what the page reads of the source, by layer and name; `previews` are by the mart
    they are of, and the one of `shown` is in the page's metadata too.
    """
    deps = [dg.AssetKey(house.names.key(layer, source, table)) for layer, table in tables]
    report = report_asset(
        house.names,
        source,
        house.owner,
        deps,
        render,
        house.objects,
        house.warehouse,
        description=description,
        previews=[previews[shown]],
    )
    check = report_check(house.names, source, house.objects)
    return Products(assets=[report], checks=[check], previews=previews)


def page_of_nothing(sentence: str) -> bytes:
    """The page where there is nothing to report yet."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Nothing yet</title>'
        f'</head><body data-charts="0"><p>{escape(sentence)}</p></body></html>\n'
    ).encode()


def report_check(names: AssetNames, source: str, objects: ObjectStore) -> dg.AssetChecksDefinition:
    """Whether the page is there and whole, as far as a glance tells."""

    @dg.asset_check(
        asset=report_key(names, source),
        name=CHECK,
        blocking=True,
        description=(
            "The page is there, begins and ends as HTML, and holds as many charts as it announces."
        ),
    )
    def check_page() -> dg.AssetCheckResult:
        found = faults(objects.get(report_object(source)))
        return dg.AssetCheckResult(
            passed=not found,
            description="; ".join(found) or None,
            metadata={"faults": dg.MetadataValue.int(len(found))},
        )

    return check_page


def faults(page: bytes | None) -> list[str]:
    """What keeps a page from being whole, a sentence each. It is searched, not parsed."""
    if not page:
        return ["there is no page" if page is None else "the page is empty"]
    found = []
    if not page[:200].lstrip().lower().startswith(b"<!doctype html"):
        found.append("the page doesn't begin as HTML")
    if not page[-200:].rstrip().endswith(b"</html>"):
        found.append("the page doesn't end with </html>")
    announced = ANNOUNCED.search(page)
    if announced is None:
        found.append("no charts are announced")
    elif int(announced[1]) != (specs := page.count(SPEC)):
        found.append(f"{int(announced[1])} charts are announced, and {specs} have a spec")
    return found
