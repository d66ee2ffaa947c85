"""What the assets of all layers have in common: how they run, and what the UI shows of them."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from predictit_assets.contract.names import AssetNames
from predictit_assets.contract.schema import Schema, column_types
from predictit_assets.contract.source import Source
from predictit_assets.storage.stream import Stream

MAX_ROWS = 5
"""Rows of a metadata table: enough to look, too few to weigh on the instance's storage."""
STAGES = {
    **dict.fromkeys(("landing", "raw", "curated", "staging"), "ingest"),
    **dict.fromkeys(("stg", "core"), "core"),
    **dict.fromkeys(("marts", "live", "report", "serving"), "marts"),
}
"""The part of a source's road that a layer belongs to, from landing on: the groups of the UI."""


def group_of(layer: str, source: str) -> str:
    """The group of an asset: collapsed, the lineage graph shows a row a source."""
    return f"{source}_{STAGES[layer]}"


def origin_key(names: AssetNames, source: str) -> dg.AssetKey:
    """What the payloads of a source come from."""
    return dg.AssetKey(names.key(source, "api"))


def origin(names: AssetNames, source: Source) -> dg.AssetSpec:
    """The system that is asked, or sends: the root of the lineage, and nobody's to make."""
    docs = {"docs": dg.MetadataValue.url(source.docs)} if source.docs else {}
    return dg.AssetSpec(
        key=origin_key(names, source.name),
        description=(
            f"{source.title}: whom the payloads are from. Nothing here can be made anew; what was "
            "received lies in landing."
        ),
        group_name=group_of("landing", source.name),
        owners=[source.owner],
        kinds={"api"},
        tags={"source": source.name, "layer": "api"},
        metadata={
            "homepage": dg.MetadataValue.url(source.homepage),
            **docs,
            "licence": source.licence,
        },
    )


def column_schema(schema: Schema) -> dg.TableSchema:
    """A Pandera schema as the column schema that Dagster shows."""
    pandera_schema = schema.to_schema()
    unique = set(pandera_schema.unique or [])
    types = column_types(schema, "duckdb")
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=name,
                type=types[name],
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=column.unique or unique == {name}
                ),
            )
            for name, column in pandera_schema.columns.items()
        ]
    )


def same_columns(schema: Schema, parent: dg.AssetKey) -> dg.TableColumnLineage:
    """The column lineage of a table that holds the columns of its parent, as they are."""
    columns = schema.to_schema().columns
    return dg.TableColumnLineage({name: [dg.TableColumnDep(parent, name)] for name in columns})


def spec(
    stream: Stream,
    layer: str,
    table: str | None,
    schema: Schema,
    *,
    description: str,
    kinds: set[str],
    deps: Sequence[Sequence[str]] = (),
    metadata: Mapping[str, Any] | None = None,
) -> dg.AssetSpec:
    """The spec of an asset of a stream: of its payloads, or of a table."""
    source = stream.source
    return dg.AssetSpec(
        key=dg.AssetKey(stream.key(layer, table)),
        deps=[dg.AssetKey(list(dep)) for dep in deps],
        description=description,
        group_name=group_of(layer, source.name),
        owners=[source.owner],
        kinds=kinds,
        tags={"source": source.name, "layer": layer},
        metadata={"dagster/column_schema": column_schema(schema), **(metadata or {})},
    )


def layer_asset(
    name: str,
    specs: Sequence[dg.AssetSpec],
    partitions: dg.DailyPartitionsDefinition,
    pool: str | None = None,
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Decorate the body of a layer's assets: a day or a range of days, always in one run."""
    return dg.multi_asset(
        name=name,
        specs=specs,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=pool,
    )


def rows_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> dg.MetadataValue:
    """Some columns of rows (newest last, as they come) as a table in the UI, newest first."""
    newest = rows[: -MAX_ROWS - 1 : -1]
    return dg.MetadataValue.table(
        [dg.TableRecord({name: _plain(row[name]) for name in columns}) for row in newest],
        schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
    )


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, datetime):
        return f"{value.replace(tzinfo=None)} UTC"
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)
