"""Staging: the curated rows in the warehouse, where they are audited before they are published."""

import hashlib
import io

import dagster as dg
import pyarrow.parquet

from predictit_assets.failures import expected_failures
from predictit_assets.layers.asset import WAREHOUSE_POOL, layer_asset, spec
from predictit_assets.layers.curated import curated_key, curated_object
from predictit_assets.layers.days import days_of
from predictit_assets.partitions import window_of
from predictit_assets.sources.source import Source
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import STAGING, LoadedObject, Warehouse


def staging_key(source: Source, table: str) -> list[str]:
    """The asset key of a table in this layer."""
    return ["staging", source.name, table]


def staging_asset(
    source: Source,
    table: str,
    objects: ObjectStore,
    warehouse: Warehouse,
    partitions: dg.DailyPartitionsDefinition,
) -> dg.AssetsDefinition:
    """One table of a source in the warehouse."""
    schema = source.tables[table]

    @layer_asset(
        "_".join(staging_key(source, table)),
        [
            spec(
                staging_key(source, table),
                schema,
                deps=[curated_key(source, table)],
                kinds={warehouse.kind, "table"},
                description=(
                    f"{schema.__doc__} The window is replaced in one transaction, together with "
                    "its rows in staging.load_log, which say what is loaded and where it is from."
                ),
                metadata={"dagster/table_name": f"{STAGING}.{table}"},
            )
        ],
        partitions,
        pool=WAREHOUSE_POOL,
    )
    def load(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        window = window_of(context)
        loaded = []
        for day in days_of(window, context):
            key = curated_object(source, table, day)
            content = objects.get(key)
            if content is None:
                context.add_asset_metadata(
                    {"dagster/partition_row_count": 0}, partition_key=str(day)
                )
                continue
            rows = pyarrow.parquet.read_metadata(io.BytesIO(content)).num_rows
            digest = hashlib.sha256(content).hexdigest()
            loaded.append(LoadedObject(day, key, digest, rows))
            context.add_asset_metadata(
                {"dagster/partition_row_count": rows, "object": key, "sha256": digest},
                partition_key=str(day),
            )
        with expected_failures(context.op_execution_context):
            warehouse.replace_window(table, schema, window, objects, loaded, context.run_id)
        return dg.MaterializeResult(
            metadata={"days_loaded": len(loaded), "rows_loaded": sum(o.rows for o in loaded)}
        )

    return load
