"""How the rows of each table are opened for its checks: the registry of check targets."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import ibis
import pyarrow

from predictit_assets.checks.model_schema import ModelSchema
from predictit_assets.checks.schema import CheckStep, CheckTarget
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.manifests import LandingManifest
from predictit_assets.contract.schema import Schema, ibis_schema
from predictit_assets.contract.source import raw_manifest
from predictit_assets.layers import landing
from predictit_assets.storage.duckdb import scratch
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.stream import Stream
from predictit_assets.storage.warehouse import STAGING, Warehouse


def stream_checks(stream: Stream, warehouse: Warehouse) -> list[CheckStep]:
    """The checks of a stream's tables, from landing to staging: a step each layer."""
    landed = landing_target(stream)
    valid = CheckTarget(stream.key("raw"), raw_manifest(stream.dataset), partial(_raw, stream))
    curated = [
        CheckTarget(stream.key("curated", table), schema, partial(_curated, stream, table))
        for table, schema in stream.tables.items()
    ]
    staged = [
        CheckTarget(
            stream.key("staging", table),
            schema,
            partial(_table, warehouse, STAGING, table),
            warnings=False,
        )
        for table, schema in stream.tables.items()
    ]
    return [
        CheckStep(f"landing_{stream.name}", [landed], lambda: stream.days),
        CheckStep(f"raw_{stream.name}", [valid], lambda: stream.days),
        CheckStep(f"curated_{stream.name}", curated, lambda: stream.days),
        CheckStep(f"staging_{stream.name}", staged, lambda: stream.days, warehouse.hold_open),
    ]


def landing_target(stream: Stream) -> CheckTarget:
    """What is checked of a stream's landing."""
    return CheckTarget(stream.key("landing"), LandingManifest, partial(_landing, stream.payloads))


def model_checks(
    source: str,
    layer: str,
    models: Sequence[ModelSchema],
    warehouse: Warehouse,
    stream: Stream,
) -> CheckStep:
    """The checks of what dbt builds in a layer of a source. `stream` is one of the source's."""
    return CheckStep(
        f"{layer}_{source}",
        [
            CheckTarget(
                stream.key(layer, model.table),
                model,
                partial(_table, warehouse, layer, model.table, around=model.replaced),
                # What is suspicious about a model is a dbt test that warns.
                warnings=False,
                last_day_only=model.is_view,
            )
            for model in models
        ],
        all_days=lambda: stream.days,
        hold_open=warehouse.hold_open,
    )


@contextmanager
def _landing(payloads: PayloadStore, days: DayRange) -> Iterator[ibis.Table]:
    held = [day for day in payloads.days() if day in days]
    batch = landing.manifest(payloads, landing.held_in(payloads, held))
    with scratch() as engine:
        engine.register("landing", pyarrow.Table.from_batches([batch]))
        yield ibis.duckdb.from_connection(engine).table("landing")


@contextmanager
def _raw(stream: Stream, days: DayRange) -> Iterator[ibis.Table]:
    held = stream.payloads.days(Zone.RAW, Zone.QUARANTINE)
    keys = [stream.payloads.manifest(day) for day in held if day in days]
    with _parquet(stream.payloads, keys, raw_manifest(stream.dataset)) as table:
        yield table


@contextmanager
def _curated(stream: Stream, table: str, days: DayRange) -> Iterator[ibis.Table]:
    held = stream.payloads.days(Zone.RAW)
    keys = [stream.curated_object(table, day) for day in held if day in days]
    with _parquet(stream.payloads, keys, stream.tables[table]) as rows:
        yield rows


@contextmanager
def _parquet(payloads: PayloadStore, keys: list[str], schema: Schema) -> Iterator[ibis.Table]:
    """The rows of those Parquet objects that exist; no rows when none does."""
    objects = payloads.objects
    held = [key for key in keys if objects.exists(key)]
    with objects.files(held) as files, scratch() as engine:
        if files:
            rows = engine.read_parquet(files, hive_partitioning=False, union_by_name=True)
            # By name, one file's column would be filled with NULLs for those that lack it.
            everywhere = engine.execute(
                "select name from parquet_schema(?) group by name having count(*) = ?",
                [files, len(files)],
            )
            lacking = set(ibis_schema(schema)) - {name for (name,) in everywhere.fetchall()}
            kept = [name for name in rows.columns if name not in lacking]
            rows.project(", ".join(f'"{name}"' for name in kept)).create_view("rows")
        else:
            engine.register("rows", ibis_schema(schema).to_pyarrow().empty_table())
        yield ibis.duckdb.from_connection(engine).table("rows")


@contextmanager
def _table(
    warehouse: Warehouse,
    schema: str,
    name: str,
    window: DayRange,
    around: Callable[[DayRange], DayRange] | None = None,
) -> Iterator[ibis.Table]:
    """The rows of the window, and of what was replaced `around` it."""
    window = around(window) if around else window
    with warehouse.table(schema, name) as table:
        if "partition_date" in table.columns:
            yield table.filter(table.partition_date.between(window.first, window.last))
        else:
            yield table
