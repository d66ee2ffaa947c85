"""What dbt makes of staged rows: its unit tests, its project, and what is read from its YAML."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pandera.ibis as pa
import pytest
from conftest import NOON
from dbt.cli.main import dbtRunner

from predictit_assets import factory
from predictit_assets.checks.model_schema import (
    VARIANT,
    Key,
    ModelSchema,
    buildable,
    in_steps,
    model_schemas,
)
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.contract.source import all_tables
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.layers.models import column_schema, dbt_variables
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, load
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.migrations import sql_types

SCRIPT = """
import sys
from dbt.cli.main import dbtRunner
place, *commands = sys.argv[1:]
project, target = place.split(":")
flags = ["--project-dir", project, "--profiles-dir", project]
flags += ["--target-path", target, "--log-path", target]
runner = dbtRunner()
runner.manifest = runner.invoke(["parse", *flags]).result
for command in commands:
    result = runner.invoke([*command.split(), *flags])
    if not result.success:
        sys.exit(f"dbt {command}: {result.exception}")
"""
"""Several commands of dbt, for which the project is parsed once."""


def dbt_of(project: Path, home: Path, *commands: str) -> None:
    """Run dbt on a project, in a process of its own."""
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, f"{project}:{home / 'target'}", *commands],
        env=os.environ | {"PREDICTIT_HOME": str(home), "PREDICTIT_WAREHOUSE": "duckdb"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-5000:] + run.stderr[-2000:]


def dbt(settings: Settings, *commands: str) -> list[dict[str, Any]]:
    """Run dbt on the warehouse of a home: the results of the last command."""
    target = settings.home / "target"
    flags = ["--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR), "--log-level", "none"]
    flags += ["--target-path", str(target), "--log-path", str(target)]
    # Its own process would parse the whole project: eight seconds.
    runner = dbtRunner(manifest=factory.dbt(settings).parsed)
    home = {"PREDICTIT_HOME": str(settings.home), "PREDICTIT_WAREHOUSE": "duckdb"}
    with patch.dict(os.environ, home):
        for command in commands:
            result = runner.invoke([*command.split(), *flags])
            assert result.success, (command, result.exception, result.result)
    results: list[dict[str, Any]] = json.loads((target / "run_results.json").read_text())["results"]
    return results


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose tables are all there, typed, and without a row. Not to be changed."""
    settings = Settings(home=tmp_path_factory.mktemp("models") / "home")
    warehouse = factory.warehouse(settings)
    for source in map(load, SOURCES):
        for dataset in source.datasets:
            warehouse.prepare(all_tables(dataset))
    dbt(settings, "seed", "run --empty")
    return settings


@pytest.fixture
def settings(empty: Settings, tmp_path: Path) -> Settings:
    """Such a home of one's own."""
    shutil.copytree(empty.home, tmp_path / "home")
    return Settings(home=tmp_path / "home", lock_timeout=20)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return factory.dbt(Settings(home=tmp_path_factory.mktemp("manifest"))).manifest()


@pytest.fixture(scope="module")
def models(manifest: Any) -> dict[str, ModelSchema]:
    return {schema.table: schema for schema in model_schemas(manifest).values()}


def test_the_unit_tests_of_dbt_pass(settings: Settings, manifest: Any) -> None:
    results = dbt(settings, "test --select test_type:unit")
    assert len(results) == len(manifest["unit_tests"]) > 20
    assert {result["status"] for result in results} == {"pass"}


def test_the_window_of_a_build_ends_before_the_day_after_it() -> None:
    day = EASTERN.day_of(NOON)
    assert json.loads(dbt_variables(DayRange(day, day), {"rivers_unit": "m", "end_date": "x"})) == {
        "rivers_unit": "m",
        "start_date": "2026-03-04",
        "end_date": "2026-03-05",
    }


# --- The project ---------------------------------------------------------------------------------

SOURCES_YML = """
sources:
  - name: staging
    schema: staging
    tables:
      - name: parcels
"""
MODEL_YML = """
models:
  - name: fact_parcels
    columns:
      - name: partition_date
        data_type: date
        description: the day
"""


def test_a_second_source_is_a_folder(tmp_path: Path) -> None:
    project = tmp_path / "dbt_project"
    ignored = shutil.ignore_patterns("target")
    shutil.copytree(DBT_DIR, project, ignore=ignored)
    folder = project / "models" / "parcels"
    (folder / "core").mkdir(parents=True)
    (folder / "_sources.yml").write_text(SOURCES_YML)
    (folder / "core" / "fact_parcels.yml").write_text(MODEL_YML)
    (folder / "core" / "fact_parcels.sql").write_text(
        "select partition_date from {{ source('staging', 'parcels') }}"
    )

    dbt_of(project, tmp_path)

    manifest = json.loads((tmp_path / "target" / "manifest.json").read_text())
    model = manifest["nodes"]["model.predictit.fact_parcels"]
    assert model["schema"] == "core"
    assert model["config"]["materialized"] == "table"
    assert model["config"]["contract"]["enforced"]
    assert model["config"]["on_schema_change"] == "append_new_columns"
    assert model_schemas(manifest)["parcels", "core", "fact_parcels"].types == {
        "partition_date": "date"
    }


def test_what_all_sources_share_names_none() -> None:
    words = re.compile(r"market|contract_|odds|coin|ticker|eastern|new_york|poll", re.IGNORECASE)
    shared = [*DBT_DIR.glob("macros/*.sql"), *DBT_DIR.glob("tests/generic/*.sql")]
    for file in [*shared, DBT_DIR / "dbt_project.yml"]:
        assert not words.findall(file.read_text()), file


def test_a_table_has_its_name_for_itself_within_its_schema(manifest: Any) -> None:
    named = [(schema.layer, schema.table) for schema in model_schemas(manifest).values()]
    named += [
        ("staging", table)
        for source in map(load, SOURCES)
        for dataset in source.datasets
        for table in all_tables(dataset)
    ]
    assert [name for name, times in Counter(named).items() if times > 1] == []


def test_each_model_enforces_its_contract_and_what_is_live_is_a_view(manifest: Any) -> None:
    for node in manifest["nodes"].values():
        if node["resource_type"] == "model":
            assert node["config"]["contract"]["enforced"], node["name"]
            is_view = node["config"]["materialized"] == "view"
            assert is_view == (node["schema"] == "live"), node["name"]


def test_each_table_says_what_a_row_is(models: dict[str, ModelSchema]) -> None:
    for model in models.values():
        assert "One row per " in model.description, model.table
        assert all(column.description for column in model.columns), model.table


def test_each_model_is_built_in_the_step_of_its_source_and_layer(manifest: Any) -> None:
    steps = {
        (source, layer): {model.table for model in tables}
        for source, layer, tables in in_steps(model_schemas(manifest))
    }
    own = [layer for source, layer in steps if source == "predictit"]
    assert own == ["core", "marts", "live"]
    assert {source for source, _ in steps} <= set(SOURCES)
    assert "fees" in steps["predictit", "marts"]


def made_of(key: Key, *parents: Key) -> ModelSchema:
    return ModelSchema(*key, "One row per day.", (), parents=frozenset(parents))


def test_a_model_of_two_sources_is_built_while_both_are_on() -> None:
    levels, rain = ("rivers", "staging", "levels"), ("clouds", "staging", "rain")
    fact_levels, fact_rain = ("rivers", "core", "fact_levels"), ("clouds", "core", "fact_rain")
    floods, board = ("rivers", "marts", "floods"), ("rivers", "live", "board")
    models = {
        model: made_of(model, *parents)
        for model, parents in {
            # A seed has no parents.
            ("rivers", "core", "gauges"): (),
            fact_levels: (levels, ("rivers", "core", "gauges")),
            fact_rain: (rain,),
            floods: (fact_levels, fact_rain),
            # What is made of what can't be made can't either.
            board: (floods,),
        }.items()
    }
    assert buildable(models, ["rivers", "clouds"], ["levels", "rain"]) == models
    alone = buildable(models, ["rivers"], ["levels"])
    assert [table for _, _, table in alone] == ["gauges", "fact_levels"]
    # The dataset isn't asked for.
    dry = buildable(models, ["rivers", "clouds"], ["rain"])
    assert [table for _, _, table in dry] == ["gauges", "fact_rain"]


def test_what_models_are_made_of_is_told_by_their_sql(models: dict[str, ModelSchema]) -> None:
    assert models["fees"].parents == frozenset()
    assert models["resolutions"].parents == {
        ("predictit", "core", "dim_contracts"),
        ("predictit", "core", "dim_markets"),
        ("predictit", "marts", "outcome_overrides"),
        ("predictit", "staging", "closed_contracts"),
    }


# --- The schemas that are read from the YAML -----------------------------------------------------


def test_the_schema_of_a_model_is_what_its_yaml_says(models: dict[str, ModelSchema]) -> None:
    schema = models["fact_prices"].to_schema()
    last = schema.columns["last_trade_price"]
    assert (str(last.dtype.type), last.nullable) == ("decimal(6, 4)", True)
    assert [(check.name, check.statistics) for check in last.checks] == [
        ("greater_than", {"min_value": 0}),
        ("less_than_or_equal_to", {"max_value": 1}),
    ]
    assert not schema.columns["market_id"].nullable
    assert schema.strict
    assert set(schema.unique) == {"contract_id", "polled_at"}


def test_what_is_unique_and_accepted_is_said_by_tests(models: dict[str, ModelSchema]) -> None:
    assert models["feed_health"].to_schema().columns["partition_date"].unique
    assert models["dim_markets"].to_schema().columns["market_id"].unique
    assert set(models["calibration"].unique) == {"days_before", "price_bin"}
    # It has a second one, of an expression.
    assert set(models["movers_1d"].unique) == {"contract_id", "partition_date"}
    (check,) = models["outcome_overrides"].to_schema().columns["outcome"].checks
    assert list(check.statistics["allowed_values"]) == ["Yes", "No", "Undecided"]


def test_the_schema_of_a_model_has_the_types_that_dbt_made(
    models: dict[str, ModelSchema], empty: Settings
) -> None:
    with factory.warehouse(empty).connect() as sql:
        for model in models.values():
            made = sql.execute(f"describe {model.layer}.{model.table}").fetchall()
            typed = {name: kind.replace(",", ", ") for name, kind, *_ in made}
            assert typed == {name: kind.upper() for name, kind in model.types.items()}, model.table
            # Pandera has no type for what is semi-structured.
            named = [name for name, kind in model.types.items() if kind != VARIANT]
            assert list(ibis_schema(model)) == named


def test_a_model_says_which_days_around_a_build_it_replaces(
    manifest: Any, models: dict[str, ModelSchema]
) -> None:
    window = DayRange(date(2026, 3, 4), date(2026, 3, 5))
    assert models["fact_prices"].replaced(window) == window
    assert models["fact_hits"].replaced(window) == DayRange(date(2026, 3, 2), date(2026, 3, 8))
    copied = json.loads(json.dumps(manifest))
    copied["nodes"]["model.predictit.fact_hits"]["config"]["meta"] = {"days_befor": 1}
    with pytest.raises(ValueError, match=r"core.fact_hits has the meta \['days_befor'\]: known"):
        model_schemas(copied)


def test_the_ui_shows_what_may_be_null_and_what_is_unique(models: dict[str, ModelSchema]) -> None:
    columns = {column.name: column for column in column_schema(models["dim_markets"]).columns}
    assert columns["market_id"].constraints.unique
    assert not columns["market_id"].constraints.nullable
    assert columns["expiry_ts"].constraints.nullable
    assert columns["expiry_ts"].type == "TIMESTAMP"


def test_loading_the_schemas_makes_no_pandera_object(
    manifest: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("not yet")

    monkeypatch.setattr(pa, "DataFrameSchema", refuse)
    schema = model_schemas(manifest)["predictit", "core", "fact_prices"]
    with pytest.raises(AssertionError, match="not yet"):
        schema.to_schema()


def _change(key: str, value: object) -> Callable[[dict[str, Any]], None]:
    def change(column: dict[str, Any]) -> None:
        column[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (_change("data_type", "money"), "spread of the dbt model core.fact_prices has the type"),
        (_change("data_type", None), "known are"),
        (_change("config", {"meta": {"nulable": True}}), r"has the meta \['nulable'\]: known are"),
    ],
)
def test_what_the_yaml_gets_wrong_is_said_by_name(
    manifest: Any, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    copied = json.loads(json.dumps(manifest))
    change(copied["nodes"]["model.predictit.fact_prices"]["columns"]["spread"])
    with pytest.raises(ValueError, match=says):
        model_schemas(copied)


# --- A home of an earlier release ----------------------------------------------------------------

ROW = """
insert into staging.contract_snapshots
    (partition_date, polled_at, source_ts, market_id, contract_id, last_trade_price)
values ('2026-03-04', '2026-03-04 17:00:00', '2026-03-04 17:00:00', 1, 2, 0.5)
"""
QUOTES = "select partition_date, contract_id, last_trade_price from core.fact_prices"


def kept(models: dict[str, ModelSchema], layer: str) -> dict[str, dict[str, str]]:
    """The tables of a layer that a build leaves in place."""
    return {
        model.table: model.types
        for model in models.values()
        if model.is_kept and model.layer == layer
    }


def test_dbt_adds_a_column_that_is_new_to_a_table_that_is_there(settings: Settings) -> None:
    warehouse = factory.warehouse(settings)
    with warehouse.connect() as sql:
        sql.execute(ROW)
        sql.execute("alter table core.fact_prices drop column last_trade_price")
    dbt(settings, "run --select fact_prices")
    with warehouse.connect() as sql:
        assert len(sql.execute(QUOTES).fetchall()) == 1


def test_tables_of_the_release_before_are_built_on(
    settings: Settings, models: dict[str, ModelSchema]
) -> None:
    """Their day had another name, which the views of them still ask for."""
    warehouse = factory.warehouse(settings)
    there = {name: model for name, model in models.items() if model.source == "predictit"}
    dbt(settings, "run --select path:models/predictit")
    with warehouse.connect() as sql:
        sql.execute(ROW)
        for layer in ("core", "marts"):
            for table in kept(there, layer):
                sql.execute(
                    f"alter table {layer}.{table} rename column partition_date to snapshot_date"
                )
        sql.execute("alter table core.fact_prices drop column spread")
        sql.execute(
            "insert into core.fact_prices by name select date '2026-03-03' as snapshot_date,"
            " timestamp '2026-03-03 17:00:00' as polled_at, 0.2 as last_trade_price,"
            " 2 as contract_id"
        )
    for layer in ("core", "marts"):
        warehouse.migrate(layer, kept(there, layer))
    window = '--vars {"start_date":"2026-03-04","end_date":"2026-03-05"}'
    # A full refresh of a window keeps the days beyond it.
    dbt(settings, f"run --full-refresh --select path:models/predictit {window}")
    with warehouse.connect() as sql:
        days = sql.execute(f"{QUOTES} order by all").fetchall()
        assert [str(day) for day, *_ in days] == ["2026-03-03", "2026-03-04"]
        assert sql.execute("select count(*) from live.live_prices").fetchall() == [(1,)]
        assert sql.execute("select spread from core.fact_prices").fetchall() == [(None,)] * 2


def test_staging_tables_have_the_types_that_their_schemas_say(empty: Settings) -> None:
    """So that what is migrated is only what has changed."""
    warehouse = factory.warehouse(empty)
    assert isinstance(warehouse, DuckDBWarehouse)
    for dataset in [one for source in map(load, SOURCES) for one in source.datasets]:
        tables = {name: sql_types(ibis_schema(of)) for name, of in all_tables(dataset).items()}
        before = warehouse_columns(warehouse)
        warehouse.migrate("staging", tables)
        assert warehouse_columns(warehouse) == before


def warehouse_columns(warehouse: DuckDBWarehouse) -> list[tuple[Any, ...]]:
    with warehouse.connect() as sql:
        return sql.execute(
            "select schema_name, table_name, column_name, data_type from duckdb_columns()"
        ).fetchall()
