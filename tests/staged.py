"""Staged rows that a test makes up, and the layers that dbt makes of them through the house."""

import os
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

import dagster as dg
from dbt.cli.main import dbtRunner

from predictit_assets import factory
from predictit_assets.build import build_definitions
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema, record_batch
from predictit_assets.contract.source import all_tables
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.instance.partitions import window_tags
from predictit_assets.layers.models import dbt_variables
from predictit_assets.settings import Settings
from predictit_assets.sources import load

Row = dict[str, Any]


def home_of(home: Path, *sources: str) -> Settings:
    """A home in which these sources are on, with their staging tables."""
    settings = Settings(home=home, sources=sources, lock_timeout=20)
    for source in map(load, sources):
        for dataset in source.datasets:
            factory.warehouse(settings).prepare(all_tables(dataset))
    return settings


def stage(settings: Settings, schemas: Mapping[str, Schema], rows: Mapping[str, list[Row]]) -> None:
    """Put rows into staging tables."""
    with factory.warehouse(settings).connect() as sql:
        for table, of_table in rows.items():
            names = schemas[table].to_schema().columns
            columns = {name: [row[name] for row in of_table] for name in names}
            sql.register("made_up", record_batch(schemas[table], columns))
            sql.execute(f"insert into staging.{table} select * from made_up")
            sql.unregister("made_up")


def run_dbt(settings: Settings, window: DayRange, *folders: str) -> dict[str, Any]:
    """Build folders of models, such as stocks.core, over a long window by dbt alone.

    The results are told by the names that dbt has for models and tests.

    Dagster notes each day of each table before a run: a year of them takes minutes.
    """
    target = str(settings.home / "dbt_alone")
    parsed = factory.dbt(settings).parsed
    args = [
        *("--log-level", "none", "build"),
        *("--select", *(f"fqn:predictit.{folder}" for folder in folders)),
        *("--exclude-resource-type", "unit_test", "--indirect-selection", "buildable"),
        *("--vars", dbt_variables(window, {})),
        *("--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)),
        *("--target-path", target, "--log-path", target, "--no-write-json"),
    ]
    home = {"PREDICTIT_HOME": str(settings.home), "PREDICTIT_WAREHOUSE": "duckdb"}
    with patch.dict(os.environ, home):
        run = dbtRunner(manifest=parsed).invoke(args)
    assert run.success, run.exception or [
        f"{one.node.name}: {one.message}" for one in run.result if one.status in ("error", "fail")
    ]
    return {one.node.unique_id.split(".")[2]: one for one in run.result}


def build_layers(settings: Settings, source: str, layers: Sequence[str], window: DayRange) -> None:
    """Build layers of a source over a window, with their checks: all that block have to pass."""
    house = build_definitions(settings)
    wanted = dg.AssetSelection.key_prefixes(*([layer, source] for layer in layers))
    # The clock fails these, of days long ago: `predictit build` leaves them out too.
    timed = [
        key
        for check in house.asset_checks or ()
        for key in check.check_keys
        if key.name in ("fresh", "completeness")
    ]
    wanted -= dg.AssetSelection.checks(*timed)
    definitions = dg.Definitions.merge(
        house, dg.Definitions(jobs=[dg.define_asset_job("part", selection=wanted)])
    )
    result = definitions.resolve_job_def("part").execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        tags=window_tags(window),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    faults = [
        f"{one.asset_key.to_user_string()} {one.check_name}: {one.metadata}"
        for one in result.get_asset_check_evaluations()
        if not one.passed and one.severity is dg.AssetCheckSeverity.ERROR
    ]
    assert not faults, "\n".join(faults)
    assert result.success, [
        event.event_specific_data for event in result.all_events if event.is_failure
    ]


def table(settings: Settings, name: str) -> list[Row]:
    """The rows of a table, in a fixed order."""
    with factory.warehouse(settings).connect() as sql:
        found = sql.execute(f"select * from {name}")
        names = [column for column, *_ in found.description]
        return in_order(dict(zip(names, row, strict=True)) for row in found.fetchall())


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Rows in an order that depends on nothing but their values."""

    def plain(value: object) -> tuple[bool, str]:
        # 1.5 is 1.50.
        text = f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)
        return value is None, text

    return sorted(rows, key=lambda row: [plain(value) for value in row.values()])


def assert_same(found: list[Row], expected: Sequence[Row]) -> None:
    """All rows and columns are the same; else the first few that differ are told."""
    columns = list(found[0]) if found else []
    assert all(set(row) == set(columns) for row in expected), (columns, list(expected[0]))
    wanted = in_order({name: row[name] for name in columns} for row in expected)
    if found != wanted:
        strange = [row for row in found if row not in wanted]
        lacking = [row for row in wanted if row not in found]
        raise AssertionError((len(found), len(wanted), strange[:3], lacking[:3]))
