"""How a window of each layer's tables is opened for its check: the registry of audits."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import cast

import ibis
import pyarrow

from predictit_assets.checks.model_schema import Key, ModelSchema, in_steps
from predictit_assets.checks.schema import CheckStep, CheckTarget
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.manifests import LandingManifest
from predictit_assets.contract.schema import Schema, ibis_schema
from predictit_assets.contract.source import Source
from predictit_assets.layers import landing, raw
from predictit_assets.layers.curated import curated_key, curated_object
from predictit_assets.layers.staging import staging_key
from predictit_assets.storage.duckdb import scratch
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.warehouse import STAGING, Warehouse


def source_checks(source: Source, payloads: PayloadStore, warehouse: Warehouse) -> list[CheckStep]:
    """The audits of a source's tables, from landing to staging: a step each layer."""
    made = f"{source.name}_{source.dataset}"
    landed = CheckTarget(landing.landing_key(source), LandingManifest, partial(_landing, payloads))
    proven = CheckTarget(raw.raw_key(source), source.manifest, partial(_raw, source, payloads))
    cut = [
        CheckTarget(curated_key(source, table), schema, partial(_curated, source, payloads, table))
        for table, schema in source.tables.items()
    ]
    staged = [
        CheckTarget(
            staging_key(source, table),
            schema,
            partial(_table, warehouse, STAGING, table),
            warning_checks=False,
        )
        for table, schema in source.tables.items()
    ]
    return [
        CheckStep(f"landing_{made}", [landed]),
        CheckStep(f"raw_{made}", [proven]),
        CheckStep(f"curated_{made}", cut),
        CheckStep(f"staging_{made}", staged, warehouse.hold_open),
    ]


def published_checks(models: Mapping[Key, ModelSchema], warehouse: Warehouse) -> list[CheckStep]:
    """The checks of what dbt builds: a step each layer of a source."""
    return [
        CheckStep(
            f"{layer}_{source}",
            [
                CheckTarget(
                    [layer, source, model.table],
                    cast(Schema, model),
                    partial(_table, warehouse, layer, model.table),
                    # What is suspicious about a model is a dbt test that warns.
                    warning_checks=False,
                    last_day_only=model.is_view,
                )
                for model in tables
            ],
            warehouse.hold_open,
        )
        for source, layer, tables in in_steps(models)
    ]


@contextmanager
def _landing(payloads: PayloadStore, window: DayRange) -> Iterator[ibis.Table]:
    batch = landing.manifest(landing.held_in(payloads, window))
    with scratch() as engine:
        engine.register("landing", pyarrow.Table.from_batches([batch]))
        yield ibis.duckdb.from_connection(engine).table("landing")


@contextmanager
def _raw(source: Source, payloads: PayloadStore, window: DayRange) -> Iterator[ibis.Table]:
    keys = [
        raw.manifest_object(payloads, day)
        for day in payloads.days(Zone.RAW, Zone.QUARANTINE)
        if day in window
    ]
    with _parquet(payloads, keys, source.manifest) as table:
        yield table


@contextmanager
def _curated(
    source: Source, payloads: PayloadStore, name: str, window: DayRange
) -> Iterator[ibis.Table]:
    keys = [curated_object(source, name, day) for day in payloads.days(Zone.RAW) if day in window]
    with _parquet(payloads, keys, source.tables[name]) as table:
        yield table


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
def _table(warehouse: Warehouse, schema: str, name: str, window: DayRange) -> Iterator[ibis.Table]:
    with warehouse.table(schema, name) as table:
        if "partition_date" in table.columns:
            yield table.filter(table.partition_date.between(window.first, window.last))
        else:
            yield table
