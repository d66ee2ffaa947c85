"""The shape of the graph, as the code location shows it."""

import ast
import gc
import os
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine
from conftest import NOON, predictit
from contract.rivers import RIVERS, RiverSettings
from pydantic import SecretStr

from predictit_assets import build
from predictit_assets.build import build_definitions
from predictit_assets.contract.payload import Payload
from predictit_assets.instance.lineage import trace
from predictit_assets.instance.loading import load_definitions
from predictit_assets.settings import PROJECT_DIR, Settings
from predictit_assets.sources import Enabled
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.storage.payloads import PayloadStore

PARENTS = {
    "predictit/api": set(),
    "landing/predictit/market_data": {"predictit/api"},
    "raw/predictit/market_data": {"landing/predictit/market_data"},
    "curated/predictit/market_snapshots": {"raw/predictit/market_data"},
    "curated/predictit/contract_snapshots": {"raw/predictit/market_data"},
    "staging/predictit/market_snapshots": {"curated/predictit/market_snapshots"},
    "staging/predictit/contract_snapshots": {"curated/predictit/contract_snapshots"},
    "landing/predictit/closed_markets": {"predictit/api"},
    "raw/predictit/closed_markets": {"landing/predictit/closed_markets"},
    "curated/predictit/closed_contracts": {"raw/predictit/closed_markets"},
    "staging/predictit/closed_contracts": {"curated/predictit/closed_contracts"},
    "core/predictit/fact_prices": {"staging/predictit/contract_snapshots"},
    "core/predictit/market_attribute_runs": {"staging/predictit/market_snapshots"},
    "core/predictit/contract_attribute_runs": {"staging/predictit/contract_snapshots"},
    "core/predictit/dim_markets": {"core/predictit/market_attribute_runs"},
    "core/predictit/dim_contracts": {
        "core/predictit/contract_attribute_runs",
        "core/predictit/market_attribute_runs",
    },
    "core/predictit/dim_markets_history": {"core/predictit/market_attribute_runs"},
    "core/predictit/dim_contracts_history": {"core/predictit/contract_attribute_runs"},
    "marts/predictit/odds_1h": {"core/predictit/fact_prices"},
    "marts/predictit/odds_1d": {"core/predictit/fact_prices"},
    "marts/predictit/close_reconciliation": {"marts/predictit/odds_1d"},
    "marts/predictit/movers_1d": {"marts/predictit/odds_1d"},
    "marts/predictit/fees": set(),
    "marts/predictit/market_books": {"core/predictit/fact_prices", "marts/predictit/fees"},
    "marts/predictit/market_board": {
        "core/predictit/dim_contracts",
        "core/predictit/dim_markets",
        "core/predictit/fact_prices",
    },
    "marts/predictit/market_life": {
        "core/predictit/dim_contracts",
        "core/predictit/dim_markets",
        "core/predictit/dim_markets_history",
        "core/predictit/market_attribute_runs",
    },
    "marts/predictit/outcome_overrides": set(),
    "marts/predictit/resolutions": {
        "core/predictit/dim_contracts",
        "core/predictit/dim_markets",
        "marts/predictit/outcome_overrides",
        "staging/predictit/closed_contracts",
    },
    "marts/predictit/calibration": {"marts/predictit/odds_1h", "marts/predictit/resolutions"},
    "marts/predictit/feed_health": {"core/predictit/fact_prices"},
    "report/predictit": {
        "marts/predictit/calibration",
        "marts/predictit/close_reconciliation",
        "marts/predictit/feed_health",
        "marts/predictit/market_board",
        "marts/predictit/market_books",
        "marts/predictit/movers_1d",
        "marts/predictit/odds_1h",
        "marts/predictit/resolutions",
    },
    # It leads to the pages of all sources that are on.
    "report/index": {"report/predictit"},
    "live/predictit/live_prices": {
        "core/predictit/dim_markets",
        "core/predictit/fact_prices",
        "staging/predictit/contract_snapshots",
    },
    "live/predictit/live_board": {
        "core/predictit/dim_contracts",
        "core/predictit/dim_markets",
        "core/predictit/fact_prices",
        "staging/predictit/contract_snapshots",
        "staging/predictit/market_snapshots",
    },
}

STAGES = {
    "core": "core",
    "marts": "marts",
    "live": "marts",
    "report": "marts",
}
"""The end of a group's name by layer, where it isn't `ingest`."""
ORIGIN = dg.AssetKey(["predictit", "api"])
"""Whom the payloads are from: nobody's to make."""
REPORT = dg.AssetKey(["report", "predictit"])
INDEX = dg.AssetKey(["report", "index"])
PAGES = {REPORT, INDEX}
"""Pages and no tables: they have no columns, and are made anew whatever days were built."""


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Any:
    settings = Settings(home=tmp_path_factory.mktemp("home"))
    return build_definitions(settings).resolve_asset_graph()


def made(graph: Any) -> list[Any]:
    """The assets that somebody makes."""
    return [node for node in graph.asset_nodes if node.is_materializable]


def test_where_a_source_is_from_is_the_root_of_its_lineage(
    settings: Settings, tmp_path: Path
) -> None:
    """It says where to read about it, and what may be done with the data."""
    rivers = Enabled(RIVERS, RiverSettings(folder=tmp_path))
    both = build_definitions(settings, [predictit(), rivers]).resolve_asset_graph()
    for source in (predictit().source, RIVERS):
        node = both.get(dg.AssetKey([source.name, "api"]))
        assert node.is_external
        assert node.kinds == {"api"}
        assert node.metadata["homepage"].value == source.homepage
        assert node.metadata["licence"] == source.licence
        landing = {dg.AssetKey(["landing", source.name, one.name]) for one in source.datasets}
        assert node.child_keys == landing
        assert all(both.get(key).parent_keys >= {node.key} for key in landing)


def test_each_check_has_a_plain_name_and_a_sentence(graph: Any) -> None:
    for key in graph.asset_check_keys:
        assert graph.get_check_spec(key).description, key
        assert key.asset_key.path[-1] not in key.name, key
        assert len(key.name) < 40, key
        assert re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", key.name), key


def test_columns_say_which_columns_they_are_made_of(graph: Any) -> None:
    """Down to the Parquet files; seeds are made of nothing."""

    def made_of(layer: str, table: str, column: str) -> set[str]:
        lineage = graph.get(dg.AssetKey([layer, "predictit", table])).metadata[
            "dagster/column_lineage"
        ]
        return {
            f"{dep.asset_key.path[0]}.{dep.asset_key.path[2]}.{dep.column_name}"
            for dep in lineage.deps_by_column[column]
        }

    quotes = ("best_buy_yes_cost", "best_sell_yes_cost")
    staged = {f"staging.contract_snapshots.{one}" for one in quotes}
    assert made_of("core", "fact_prices", "spread") == staged
    assert made_of("live", "live_prices", "spread") == {*staged, "core.fact_prices.spread"}
    assert made_of("marts", "market_books", "fee_on_profit") == {"marts.fees.fee_on_profit"}
    assert made_of("staging", "contract_snapshots", "status") == {
        "curated.contract_snapshots.status"
    }
    for node in made(graph):
        if node.key.path[0] in ("staging", "core", "marts", "live") and "seed" not in node.kinds:
            lineage = node.metadata["dagster/column_lineage"]
            columns = {one.name for one in node.metadata["dagster/column_schema"].columns}
            assert set(lineage.deps_by_column) == columns, node.key
            for deps in lineage.deps_by_column.values():
                assert {dep.asset_key for dep in deps} <= node.parent_keys


def test_a_model_beyond_the_parser_has_no_lineage_and_harms_nobody() -> None:
    def node(name: str) -> dict[str, Any]:
        columns = {"a": {"data_type": "bigint"}}
        return {"name": name, "relation_name": f'"w"."core"."{name}"', "columns": columns}

    manifest = {
        "metadata": {"adapter_type": "duckdb"},
        "sources": {},
        "nodes": {name: node(name) for name in ("one", "two", "three")},
    }
    compiled = {"two": 'select a from "w"."core"."one"', "three": "select ((( from where"}
    assert trace(manifest, compiled, {}) == {"two": {"a": [("one", "a")]}}


def test_nothing_that_nobody_reads_is_shown(graph: Any) -> None:
    for node in made(graph):
        assert not {"dagster_dbt/project", "dagster_dbt/project_id"} & set(node.metadata), node.key


def test_datasets_are_told_apart(graph: Any) -> None:
    for layer in ("landing", "raw"):
        told = [node.description for node in made(graph) if node.key.path[0] == layer]
        assert len(set(told)) == len(told) == 2


def test_lineage_goes_from_the_payload_to_the_fact(graph: Any) -> None:
    found = {
        node.key.to_user_string(): {parent.to_user_string() for parent in node.parent_keys}
        for node in graph.asset_nodes
    }
    assert found == PARENTS


def test_every_asset_says_what_it_is(graph: Any) -> None:
    for node in graph.asset_nodes:
        assert node.description
        assert node.owners
        assert node.kinds
        if node.key not in {*PAGES, ORIGIN}:
            columns = node.metadata["dagster/column_schema"].columns
            assert all(column.description for column in columns)


def test_every_asset_is_grouped_and_tagged_by_source_and_layer(graph: Any) -> None:
    origin = graph.get(ORIGIN)
    assert (origin.group_name, origin.tags["source"]) == ("predictit_ingest", "predictit")
    index = graph.get(INDEX)  # of no source
    assert index.group_name == "reports"
    assert (index.tags["layer"], index.tags.get("source")) == ("report", None)
    for node in made(graph):
        if node.key == INDEX:
            continue
        layer, source, *_ = node.key.path
        assert node.group_name == f"{source}_{STAGES.get(layer, 'ingest')}", node.key
        assert (node.tags["layer"], node.tags["source"]) == (layer, source)
    layers = {node.key.path[0] for node in made(graph)}
    assert layers == {*STAGES, "landing", "raw", "curated", "staging"}


def test_what_dbt_builds_is_described_in_words(graph: Any) -> None:
    for node in graph.asset_nodes:
        if node.key.path[0] in ("core", "marts", "live"):
            assert "select" not in node.description.lower()
            assert node.kinds & {"table", "view", "seed"}


def names(definitions: dg.Definitions) -> dict[str, set[str]]:
    """The names of jobs, sensors and schedules."""
    repository = definitions.get_repository_def()
    return {
        "jobs": {name for name in repository.job_names if not name.startswith("__")},
        "sensors": {sensor.name for sensor in repository.sensor_defs},
        "schedules": {schedule.name for schedule in repository.schedule_defs},
    }


PREDICTIT = {
    "jobs": {"build_predictit", "fetch_predictit_closed_markets"},
    "sensors": {
        "poll_predictit",
        "report_landed_predictit",
        "fetch_pending_predictit_closed_markets",
        "automate_predictit",
    },
    "schedules": {"close_predictit"},
}
INDEX_OWN: dict[str, set[str]] = {"jobs": set(), "sensors": {"automate_index"}, "schedules": set()}
"""Where a source that is on has a report."""
SHARED = {
    "jobs": {"housekeeping"},
    "sensors": {"watch", "retry_good_days", "end_dead_runs"},
    "schedules": {"housekeeping"},
}
RIVERS_OWN = {
    "jobs": {"build_rivers", "fetch_rivers_flows", "fetch_rivers_gauges"},
    "sensors": {
        "poll_rivers",
        "report_landed_rivers",
        "fetch_pending_rivers_gauges",
        "take_files_rivers_surveys",
        "automate_rivers",
    },
    "schedules": {"close_rivers", "fetch_due_rivers_flows"},
}


def together(*parts: dict[str, set[str]]) -> dict[str, set[str]]:
    return {kind: set().union(*(part[kind] for part in parts)) for kind in SHARED}


def test_each_source_has_jobs_sensors_and_schedules_of_its_own(
    settings: Settings, tmp_path: Path
) -> None:
    """Beside what all share. A source of the tests, with all five ways in, is the second one."""
    rivers = Enabled(RIVERS, RiverSettings(folder=tmp_path))
    assert names(build_definitions(settings, [predictit()])) == together(
        PREDICTIT, INDEX_OWN, SHARED
    )
    assert names(build_definitions(settings, [rivers])) == together(RIVERS_OWN, SHARED)
    both = build_definitions(settings, [predictit(), rivers])
    assert names(both) == together(PREDICTIT, RIVERS_OWN, INDEX_OWN, SHARED)
    for source in ("predictit", "rivers"):
        job = both.resolve_job_def(f"build_{source}")
        sources = {key.path[1] for key in job.asset_layer.executable_asset_keys}
        assert sources == {source}
        assert job.tags["source"] == source


def test_those_who_are_notified_add_a_sensor_each(settings: Settings) -> None:
    told = settings.model_copy(update={"alerts": SecretStr("json://127.0.0.1:9")})
    found = names(build_definitions(told, [predictit()]))["sensors"]
    own = together(PREDICTIT, INDEX_OWN, SHARED)["sensors"]
    assert found - own == {"alerts", "alert_moves_predictit"}


def test_who_lets_others_poll_has_no_sensor_that_does(settings: Settings) -> None:
    found = names(build_definitions(settings, [predictit(poller="others")]))["sensors"]
    assert together(PREDICTIT, SHARED)["sensors"] - found == {"poll_predictit"}


def test_every_asset_is_partitioned_by_eastern_day_with_today(graph: Any) -> None:
    (partitions,) = {node.partitions_def for node in made(graph) if node.key not in PAGES}
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    assert partitions.timezone == "America/New_York"
    assert partitions.end_offset == 1


def test_every_asset_takes_a_range_in_one_run(graph: Any) -> None:
    policies = {node.backfill_policy for node in made(graph)}
    assert policies == {dg.BackfillPolicy.single_run()}


def test_every_asset_has_a_blocking_check_of_its_schema(graph: Any) -> None:
    blocking = {key for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    schemas = {key.asset_key for key in blocking if key.name == "schema"}
    assert schemas == {node.key for node in made(graph)} - PAGES
    assert {dg.AssetCheckKey(page, "page") for page in PAGES} <= blocking


def test_steps_share_one_process(settings: Settings) -> None:
    assert build_definitions(settings).executor is dg.in_process_executor


def test_partitions_begin_with_the_first_day_of_a_home_that_has_no_start(
    settings: Settings, payloads: PayloadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREDICTIT_START")

    def first_partition() -> str | None:
        graph = build_definitions(settings).resolve_asset_graph()
        partitions = graph.get(dg.AssetKey(["raw", "predictit", "market_data"])).partitions_def
        assert partitions
        return partitions.get_first_partition_key()

    assert first_partition() == str(EASTERN.today())
    before_there_was_any = datetime(1970, 1, 1, 12, tzinfo=UTC)
    for at in (NOON, NOON - timedelta(days=400), before_there_was_any):
        payloads.land(Payload(EASTERN.day_of(at), at, b"{}"))
    assert first_partition() == str(EASTERN.day_of(NOON - timedelta(days=400)))
    monkeypatch.setenv("PREDICTIT_START", "2026-01-02")
    assert first_partition() == "2026-01-02"
    # A clock that is behind, or a start that is to come, leaves the partition of today.
    monkeypatch.setenv("PREDICTIT_START", "2999-01-01")
    assert first_partition() == str(EASTERN.today())
    monkeypatch.delenv("PREDICTIT_START")
    with time_machine.travel(NOON - timedelta(days=1000)):
        for day in payloads.days():
            if day < EASTERN.today():
                shutil.rmtree(settings.objects_dir / f"landing/predictit/market_data/date={day}")
        assert first_partition() == str(EASTERN.today())


def test_building_definitions_touches_nothing(settings: Settings) -> None:
    build_definitions(settings)
    assert not (settings.home / "warehouse.duckdb").exists()
    assert not (settings.home / "dagster").exists()


def test_garbage_is_looked_for_again_after_a_load(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(settings: Settings) -> dg.Definitions:
        assert not gc.isenabled()
        raise ValueError("no good")

    monkeypatch.setattr(build, "build_definitions", fails)
    with pytest.raises(ValueError, match="no good"):
        load_definitions(settings)
    gc.unfreeze()  # this process lives on, with all that the other tests made
    assert gc.isenabled()


def test_a_load_needs_nothing_of_the_second_home_nor_duckdb(settings: Settings) -> None:
    """Importing dagster-snowflake alone takes ten seconds, and is not installed everywhere."""
    script = (
        "import sys\n"
        "import predictit_assets.definitions\n"
        "foreign = {'boto3', 'dagster_aws', 'dagster_snowflake', 'snowflake.connector', 'duckdb'}\n"
        "sys.exit(', '.join(foreign & {*sys.modules}) or None)\n"
    )
    env = {"PATH": os.environ["PATH"], "PREDICTIT_HOME": str(settings.home)}
    run = subprocess.run(
        [sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_dg_can_check_and_list_the_definitions(tmp_path: Path) -> None:
    dg_command = str(Path(sys.executable).with_name("dg"))
    for args in (["check", "defs"], ["list", "defs", "--json"]):
        run = subprocess.run(
            [dg_command, *args],
            cwd=PROJECT_DIR,
            env={"PATH": str(Path(sys.executable).parent), "PREDICTIT_HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert run.returncode == 0, run.stdout + run.stderr
    assert "core/predictit/fact_prices" in run.stdout


def imports_on_load(module: Path) -> set[str]:
    """The modules that a module imports as it is loaded, not those that its functions do."""
    nodes = ast.parse(module.read_text()).body
    found = {name.name for node in nodes if isinstance(node, ast.Import) for name in node.names}
    return found | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


def test_contract_fetch_storage_and_sources_know_no_dagster() -> None:
    package = PROJECT_DIR / "predictit_assets"
    for folder in ("contract", "fetch", "storage", "sources"):
        for module in (package / folder).rglob("*.py"):
            if "products" not in module.parts:
                assert not {one for one in imports_on_load(module) if "dagster" in one}, module


def test_models_know_no_source() -> None:
    package = PROJECT_DIR / "predictit_assets"
    for module in (package / "layers" / "models.py", *(package / "checks").glob("model_*.py")):
        assert not {one for one in imports_on_load(module) if ".sources." in one}, module
