"""Staging: the curated rows in the warehouse, where they are checked before they are published."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import dagster as dg

from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.parallel import days_of
from predictit_assets.instance.partitions import days_of_context, mark_days
from predictit_assets.layers.specs import layer_asset, same_columns, spec
from predictit_assets.storage.stream import HeldDays, Stream
from predictit_assets.storage.warehouse import STAGING, CuratedObject, LoadedObject, Warehouse


def staging_assets(
    stream: Stream,
    warehouse: Warehouse,
    partitions: dg.DailyPartitionsDefinition,
    held: HeldDays,
    pool: str,
) -> dg.AssetsDefinition:
    """The tables of a stream in the warehouse; `pool` is of what writes to it."""
    objects = stream.payloads.objects

    @layer_asset(
        f"staging_{stream.name}",
        [
            spec(
                stream,
                "staging",
                table,
                schema,
                deps=[stream.key("curated", table)],
                kinds={warehouse.kind, "table"},
                description=(
                    f"{schema.__doc__} The days of a run are replaced in one transaction, together "
                    "with the other tables of the same payloads and their rows in "
                    "staging.load_log, which say what is loaded and where it is from."
                ),
                metadata={
                    "dagster/table_name": f"{STAGING}.{table}",
                    "dagster/column_lineage": same_columns(
                        schema, dg.AssetKey(stream.key("curated", table))
                    ),
                },
            )
            for table, schema in stream.tables.items()
        ],
        partitions,
        pool=pool,
    )
    def load(context: dg.AssetExecutionContext) -> Iterator[Any]:
        window = days_of_context(context)
        days = held(window)
        curated = []
        for day in days_of(days, context):
            for table in stream.tables:
                key = stream.curated_object(table, day)
                if objects.exists(key):
                    curated.append(CuratedObject(table, day, key))
        with fail_on_expected_error(context.op_execution_context):
            loaded = warehouse.replace_window(
                stream.tables, window, objects, curated, context.run_id
            )
        by_place: dict[tuple[str, date], LoadedObject] = {
            (one.table, one.partition_date): one for one in loaded
        }
        for table in stream.tables:
            for day in days:
                one = by_place.get((table, day))
                metadata: dict[str, Any] = {"dagster/partition_row_count": one.rows if one else 0}
                if one:
                    metadata |= {"object": one.key, "sha256": one.sha256}
                context.add_asset_metadata(metadata, stream.key("staging", table), str(day))
            rows = [one.rows for one in loaded if one.table == table]
            result: dg.MaterializeResult[None] = dg.MaterializeResult(
                asset_key=stream.key("staging", table),
                metadata={"days_loaded": len(rows), "rows_loaded": sum(rows)},
            )
            yield from mark_days(context, [result], days)

    return load
