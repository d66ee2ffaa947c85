"""Staging: the curated rows in the warehouse, where they are audited before they are published."""

import hashlib
import io
from collections.abc import Iterable
from datetime import date
from typing import Any

import dagster as dg
import pyarrow.parquet

from predictit_assets.contract.source import Source
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.parallel import days_of
from predictit_assets.instance.partitions import days_of_context
from predictit_assets.layers.curated import curated_key, curated_object
from predictit_assets.layers.specs import WAREHOUSE_POOL, layer_asset, spec
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import STAGING, LoadedObject, Warehouse


def staging_key(source: Source, table: str) -> list[str]:
    """The asset key of a table in this layer."""
    return ["staging", source.name, table]


def staging_assets(
    source: Source,
    objects: ObjectStore,
    warehouse: Warehouse,
    partitions: dg.DailyPartitionsDefinition,
) -> dg.AssetsDefinition:
    """The tables of a source in the warehouse."""

    @layer_asset(
        f"staging_{source.name}_{source.dataset}",
        [
            spec(
                staging_key(source, table),
                schema,
                deps=[curated_key(source, table)],
                kinds={warehouse.kind, "table"},
                description=(
                    f"{schema.__doc__} The window is replaced in one transaction, together with "
                    "the source's other tables and their rows in staging.load_log, which say what "
                    "is loaded and where it is from."
                ),
                metadata={"dagster/table_name": f"{STAGING}.{table}"},
            )
            for table, schema in source.tables.items()
        ],
        partitions,
        pool=WAREHOUSE_POOL,
    )
    def load(context: dg.AssetExecutionContext) -> Iterable[dg.MaterializeResult[None]]:
        window = days_of_context(context)
        loaded = []
        for day in days_of(window, context):
            for table in source.tables:
                one = _curated(source, table, day, objects)
                told: dict[str, Any] = {"dagster/partition_row_count": one.rows if one else 0}
                if one:
                    loaded.append(one)
                    told |= {"object": one.key, "sha256": one.sha256}
                context.add_asset_metadata(told, staging_key(source, table), str(day))
        with fail_on_expected_error(context.op_execution_context):
            warehouse.replace_window(source.tables, window, objects, loaded, context.run_id)
        for table in source.tables:
            rows = [one.rows for one in loaded if one.table == table]
            yield dg.MaterializeResult(
                asset_key=staging_key(source, table),
                metadata={"days_loaded": len(rows), "rows_loaded": sum(rows)},
            )

    return load


def _curated(source: Source, table: str, day: date, objects: ObjectStore) -> LoadedObject | None:
    """What is there to load of a day, or None."""
    key = curated_object(source, table, day)
    content = objects.get(key)
    if content is None:
        return None
    rows = pyarrow.parquet.read_metadata(io.BytesIO(content)).num_rows
    return LoadedObject(table, day, key, hashlib.sha256(content).hexdigest(), rows)
