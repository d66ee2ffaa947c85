"""Models: what dbt makes of the staged rows. Each layer of the dbt project is one Dagster op."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, dbt_assets

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema, ibis_schema
from predictit_assets.instance.dbt_runner import Dbt
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.partitions import days_of_context
from predictit_assets.layers.products import Preview
from predictit_assets.layers.specs import OWNERS, WAREHOUSE_POOL, column_schema
from predictit_assets.storage.warehouse import Warehouse, rows_by_day


class Translator(DagsterDbtTranslator):
    """Names dbt's nodes as the other layers name theirs: layer/table, layer as group."""

    def __init__(self, schemas: Mapping[str, Schema]) -> None:
        super().__init__()
        self._schemas = schemas

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The layer: the folder below models/."""
        return str(dbt_resource_props["fqn"][1])

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:  # noqa: ARG002
        """The same as everywhere."""
        return OWNERS

    def get_metadata(self, dbt_resource_props: Mapping[str, Any]) -> Mapping[str, Any]:
        """Columns from the Pandera schema, like every other asset's."""
        metadata = dict(super().get_metadata(dbt_resource_props))
        if schema := self._schemas.get(dbt_resource_props["name"]):
            metadata["dagster/column_schema"] = column_schema(schema)
        return metadata


def window_variables(window: DayRange) -> str:
    """The dbt variables (YAML) of a build of these days; the end isn't included."""
    return json.dumps({"start_date": str(window.first), "end_date": str(window.end)})


def model_assets(
    layer: str,
    schemas: Mapping[str, Schema],
    dbt: Dbt,
    warehouse: Warehouse,
    staged: Mapping[str, Schema],
    previews: Mapping[str, Preview],
    partitions: dg.DailyPartitionsDefinition,
) -> dg.AssetsDefinition:
    """The dbt models of one layer: a range of days is one dbt invocation.

    `staged` are the staging tables, which models may read before anything was loaded into them.
    `previews` are read of the models they are named for, once a build, with its last day.
    """

    @dbt_assets(
        name=layer,
        manifest=dbt.manifest(),
        project=dbt.project,
        select=f"predictit.{layer}",
        dagster_dbt_translator=Translator(schemas),
        partitions_def=partitions,
        backfill_policy=dg.BackfillPolicy.single_run(),
        pool=WAREHOUSE_POOL,
    )
    def build(context: dg.AssetExecutionContext) -> Iterable[Any]:
        window = days_of_context(context)
        with fail_on_expected_error(context.op_execution_context), warehouse.hold_open():
            warehouse.prepare(staged)
            with warehouse.reading() as ask:
                for event in dbt.build(context, window_variables(window)):
                    if isinstance(event, dg.Output):
                        key = context.asset_key_for_output(event.output_name)
                        table = key.path[-1]
                        by_day = "partition_date" in ibis_schema(schemas[table])
                        counted = rows_by_day(ask, layer, table, window, by_day)
                        for day, rows in counted.items():
                            context.add_asset_metadata({"dagster/row_count": rows}, key, str(day))
                        if table in previews and (shown := previews[table].metadata(ask)):
                            context.add_asset_metadata(shown, key, str(window.last))
                    yield event

    return build
