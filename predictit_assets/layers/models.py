"""Models: what dbt makes of the staged rows. Each layer of a source is one Dagster op."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DbtProject, dbt_assets

from predictit_assets.checks.memory import Findings, Memory, remembered, result
from predictit_assets.checks.model_schema import Key, ModelSchema, source_and_layer
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.names import AssetNames
from predictit_assets.contract.schema import Schema
from predictit_assets.instance.dbt_runner import Dbt
from predictit_assets.instance.dbt_tests import looks_at_window
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.lineage import Lineage
from predictit_assets.instance.partitions import days_of_context, mark_days
from predictit_assets.layers.products import Preview
from predictit_assets.layers.specs import group_of
from predictit_assets.storage.stream import HeldDays
from predictit_assets.storage.warehouse import Query, Warehouse, rows_by_day

NOISE = ("unique_id", "invocation_id", "status", "dagster_dbt/project", "dagster_dbt/project_id")
"""What dagster-dbt adds to metadata and nobody reads."""


class Translator(DagsterDbtTranslator):
    """Names dbt's nodes as the other layers name theirs."""

    def __init__(
        self,
        manifest: Mapping[str, Any],
        schemas: Mapping[dg.AssetKey, ModelSchema],
        lineage: Lineage,
        owners: Sequence[str],
        names: AssetNames,
    ) -> None:
        super().__init__()
        self._names = names
        self._schemas = schemas
        self._lineage = lineage
        self._owners = list(owners)
        self._keys = {
            unique_id: self.get_asset_key(node)
            for unique_id, node in {**manifest["sources"], **manifest["nodes"]}.items()
            if node["resource_type"] in {"source", "model", "seed"}
        }

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> dg.AssetSpec:
        """With the kind of relation that dbt makes."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        spec = spec.replace_attributes(metadata=_useful(spec.metadata))
        if schema := self._schemas.get(spec.key):
            kind = schema.materialized if schema.is_view or schema.is_seed else "table"
            return spec.replace_attributes(kinds={*spec.kinds, kind})
        return spec

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> dg.AssetKey:
        """Source and layer are the folders that the node lies in."""
        source, layer = source_and_layer(dbt_resource_props)
        return dg.AssetKey(self._names.key(layer, source, dbt_resource_props["name"]))

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The stage of the source."""
        source, layer = source_and_layer(dbt_resource_props)
        return group_of(layer, source)

    def get_tags(self, dbt_resource_props: Mapping[str, Any]) -> dict[str, str]:
        """Source and layer, as every asset has them."""
        source, layer = source_and_layer(dbt_resource_props)
        return {
            **super().get_tags(dbt_resource_props),
            "source": source,
            "layer": layer,
        }

    def get_partition_mapping(
        self,
        dbt_resource_props: Mapping[str, Any],
        dbt_parent_resource_props: Mapping[str, Any],
    ) -> dg.PartitionMapping | None:
        """A day of another source may be one that this one hasn't: they begin when they like."""
        own, _ = source_and_layer(dbt_resource_props)
        parents, _ = source_and_layer(dbt_parent_resource_props)
        if own == parents:
            return None
        return dg.TimeWindowPartitionMapping(allow_nonexistent_upstream_partitions=True)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """Those of the source."""
        return self._owners

    def get_description(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The text of the YAML, without the SQL, and what the days of what has none mean."""
        text = str(dbt_resource_props["description"]).strip()
        schema = self._schemas.get(self.get_asset_key(dbt_resource_props))
        if schema is None or schema.by_day or schema.is_view:
            return text
        return f"{text} Each build makes it whole: its days say when that was."

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Columns as every other asset has them, with what may be NULL and what is unique."""
        metadata = dict(super().get_metadata(dbt_resource_props))
        if schema := self._schemas.get(self.get_asset_key(dbt_resource_props)):
            metadata["dagster/column_schema"] = column_schema(schema)
        if traced := self._lineage.get(dbt_resource_props["unique_id"]):
            metadata["dagster/column_lineage"] = dg.TableColumnLineage(
                {
                    column: [
                        dg.TableColumnDep(self._keys[parent], name) for parent, name in origins
                    ]
                    for column, origins in traced.items()
                }
            )
        return metadata


def column_schema(schema: ModelSchema) -> dg.TableSchema:
    """What the UI shows of the columns of a model."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.data_type.upper(),
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=column.unique
                ),
            )
            for column in schema.columns
        ]
    )


def dbt_variables(window: DayRange, of_sources: Mapping[str, str]) -> str:
    """The dbt variables (YAML) of a build of these days; the end isn't included."""
    days = {"start_date": str(window.first), "end_date": str(window.end)}
    return json.dumps({**of_sources, **days})


def model_assets(
    source: str,
    layer: str,
    models: Sequence[ModelSchema],
    project: Mapping[Key, ModelSchema],
    dbt: Dbt,
    warehouse: Warehouse,
    staged: Mapping[str, Schema],
    previews: Mapping[str, Preview],
    partitions: dg.DailyPartitionsDefinition,
    held: HeldDays,
    *,
    variables: Mapping[str, str],
    owners: Sequence[str],
    names: AssetNames,
    pool: str,
) -> dg.AssetsDefinition:
    """The dbt models of one layer of a source: a range of days is one dbt invocation.

    `models` are those of this layer that can be built: see model_schema.buildable and in_steps.
    `project` are all of the dbt project.
    `staged` are the staging tables, which models may read before anything was loaded into them.
    `previews` are shown of the models that they are named for, once a build, with its last day.
    `variables` are what the sources that are on tell models: see SourceSettings.dbt_vars.
    `pool` is of what writes to the warehouse.
    """
    manifest = dbt.manifest()
    schemas = {
        dg.AssetKey(names.key(layer, source, table)): schema
        for (source, layer, table), schema in project.items()
    }
    translator = Translator(manifest, schemas, dbt.lineage(), owners, names)
    # dbt replaces the others whole.
    kept = {model.table: model.types for model in models if model.is_kept}
    built = {model.table for model in models}
    left_out = [
        one.table
        for one in schemas.values()
        if (one.source, one.layer) == (source, layer) and one.table not in built
    ]

    @dbt_assets(
        name=f"{layer}_{source}",
        manifest=manifest,
        project=dbt.project,
        select=f"fqn:{manifest['metadata']['project_name']}.{source}.{layer}",
        exclude=" ".join(f"fqn:{table}" for table in left_out),
        dagster_dbt_translator=translator,
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=pool,
    )
    def build(context: dg.AssetExecutionContext) -> Iterable[Any]:
        window = days_of_context(context)
        days = held(window)
        with fail_on_expected_error(context.op_execution_context), warehouse.hold_open():
            warehouse.prepare(staged)
            warehouse.migrate(layer, kept)
            with warehouse.read_connection() as query:
                for event in dbt.build(context, translator, dbt_variables(window, variables)):
                    if isinstance(event, dg.AssetCheckResult):
                        yield _checked(event, manifest, window, context.instance)
                        continue
                    if not isinstance(event, dg.Output):
                        yield event
                        continue
                    key = context.asset_key_for_output(event.output_name)
                    # A seed is made of no day's payloads.
                    made = window.days if schemas[key].is_seed else days
                    last = str(made[-1] if made else window.last)
                    for day, metadata in _counted(query, schemas[key], window, last).items():
                        context.add_asset_metadata(metadata, key, day)
                    if preview := previews.get(key.path[-1]):
                        context.add_asset_metadata(preview.metadata(query), key, last)
                    replaced = schemas[key].replaced(window)
                    around = {} if replaced == window else {"days_replaced": str(replaced)}
                    told = event.with_metadata({**_useful(event.metadata), **around})
                    yield from mark_days(context, [told], made)

    return build


def _useful(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Without what tells people nothing."""
    return {name: value for name, value in metadata.items() if name not in NOISE}


def _checked(
    told: dg.AssetCheckResult,
    manifest: Mapping[str, Any],
    window: DayRange,
    instance: dg.DagsterInstance,
) -> dg.AssetCheckResult:
    """The result of a dbt test as other checks tell theirs: in a sentence, with its memory."""
    test = manifest["nodes"][told.metadata["unique_id"].value]
    rule = test["meta"]["description"]
    failed = told.metadata.get("dagster_dbt/failed_row_count")
    rows = int(str(failed.value)) if failed else 0
    broken = f"{'1 row does' if rows == 1 else f'{rows:,} rows do'}n't fit: {rule}"
    if told.passed:
        found = Findings()
    elif failed is None:
        found = Findings([f"dbt couldn't tell whether {rule}"])
    else:
        found = Findings([broken], rows=rows)
    key = dg.AssetCheckKey(told.asset_key or dg.AssetKey([]), str(told.check_name))
    if not looks_at_window(manifest, test):
        return result(key, told.severity, rule, None, found, Memory())
    return result(key, told.severity, rule, window, found, remembered(instance, key, window))


def _counted(
    query: Query, model: ModelSchema, window: DayRange, last: str
) -> dict[str, dict[str, int]]:
    """How many rows a model has, by the day that tells it: of each day, and in all (the last)."""
    counted: dict[str, dict[str, int]] = {last: {}}
    if model.by_day:
        for day, rows in rows_by_day(query, model.layer, model.table, window, by_day=True).items():
            counted[str(day)] = {"dagster/partition_row_count": rows}
    # A view by day would read all the days for it.
    if not (model.by_day and model.is_view):
        ((rows,),) = query(f"select count(*) as row_count from {model.layer}.{model.table}")  # noqa: S608
        counted.setdefault(last, {})["dagster/row_count"] = rows
    return counted
