"""The graph ends in PostgreSQL where the settings name one."""

import re
import shutil
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import pytest
import time_machine
from conftest import NOON, build, observe, predictit, stream_of
from postgres_server import Database
from pydantic import SecretStr
from shop import ALL, READER, Shop, expected, seen
from typer.testing import CliRunner

from predictit_assets import cli, factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.checks.model_schema import ModelColumn, ModelSchema, model_schemas
from predictit_assets.checks.publication import RULE, Publication
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.names import AssetNames
from predictit_assets.contract.source import Reference, Serving
from predictit_assets.errors import ExpectedError
from predictit_assets.instance.partitions import window_tags
from predictit_assets.layers.served import served_tables
from predictit_assets.layers.serving import publication, serving_assets, serving_checks
from predictit_assets.settings import ServingMode, Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage import serving as storage

FIRST = date(2026, 3, 4)
DAYS = DayRange(FIRST, FIRST + timedelta(days=1))
PASSWORD = "hunter2"  # noqa: S105
NOBODY = SecretStr(f"postgresql://me:{PASSWORD}@127.0.0.1:1/odds")
"""A database that nobody runs."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, world: FakePredictIt) -> Settings:
    """A home with two days that were built while no database was named."""
    settings = Settings(home=tmp_path_factory.mktemp("built") / "home", lock_timeout=20)
    for n in range(2):
        for payload in observe(world, NOON + timedelta(days=n), 2, timedelta(hours=1)):
            stream_of(settings).payloads.land(payload)
    build(settings, DAYS)
    return settings


@pytest.fixture
def home(tmp_path: Path, database: Database, built: Settings) -> Settings:
    """A copy of it with a database to serve from."""
    shutil.copytree(built.home, tmp_path / "home")
    # The server asks for no password, and takes one.
    url = database.url.replace("//postgres:@", f"//postgres:{PASSWORD}@")
    return Settings(home=tmp_path / "home", lock_timeout=20, serving_url=SecretStr(url))


def run(
    settings: Settings, instance: dg.DagsterInstance, window: DayRange, *layers: str
) -> dg.ExecuteInProcessResult:
    """Run layers of the graph over a window, with their checks."""
    selection = dg.AssetSelection.key_prefixes(*([layer] for layer in layers))
    definitions = dg.Definitions.merge(
        build_definitions(settings),
        dg.Definitions(jobs=[dg.define_asset_job("part", selection=selection)]),
    )
    return definitions.resolve_job_def("part").execute_in_process(
        instance=instance,
        tags=window_tags(window),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )


def publication_of(settings: Settings) -> Publication:
    """What of PredictIt is served."""
    serving = predictit().source.serving
    assert serving
    models = model_schemas(factory.dbt(settings).manifest())
    return publication(
        "predictit", served_tables("predictit", serving, models), settings.asset_names
    )


def same(settings: Settings, database: Database) -> list[str]:
    """Served tables, after it is shown that they hold the rows of the warehouse, every column."""
    serving = predictit().source.serving
    assert serving
    tables = served_tables("predictit", serving, model_schemas(factory.dbt(settings).manifest()))
    for one in tables:
        query = f"select {', '.join(one.model.types)} from {one.model.layer}.{one.table}"
        with duckdb.connect(str(settings.duckdb_file)) as connection:
            connection.execute("set timezone = 'UTC'")
            wanted = connection.execute(query).fetchall()
        found = [
            tuple(
                value.replace(tzinfo=None) if hasattr(value, "tzinfo") else value for value in row
            )
            for row in database.rows("set time zone 'UTC'", query)
        ]
        assert sorted(map(repr, found)) == sorted(map(repr, wanted)), one.table
    return [one.table for one in tables]


def test_a_run_publishes_and_checks_what_is_built(home: Settings, database: Database) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(home, instance, DAYS, "serving")
    assert result.success
    tables = same(home, database)
    assert {"odds_1h", "dim_markets", "fees", "market_board"} <= set(tables)
    assert database.value("select count(*) from marts.odds_1h") > 0
    steps = {one.step_key for one in result.get_step_success_events()}
    timed = publication_of(home).check.to_user_string().replace("/", "__").replace(":", "_")
    assert steps == {"serving_predictit", "check_serving_predictit", timed}
    passed = {one.asset_key.path[-1] for one in result.get_asset_check_evaluations() if one.passed}
    assert passed == set(tables)


def test_the_build_of_a_source_serves_it(home: Settings) -> None:
    definitions = build_definitions(home)
    job = definitions.resolve_job_def(build_job_name("predictit"))
    assert "serving_predictit" in {node.name for node in job.nodes}
    graph = definitions.resolve_asset_graph()
    node = graph.get(dg.AssetKey(["serving", "predictit", "odds_1h"]))
    assert node.parent_keys == {dg.AssetKey(["marts", "predictit", "odds_1h"])}
    assert node.group_name == "predictit_marts"
    assert node.automation_condition
    assert node.freshness_policy


def test_a_database_that_is_down_costs_serving_alone_and_the_next_run_catches_up(
    home: Settings, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictit_assets.instance.failures.FIRST_WAIT", 0.0)
    first, second = DayRange(FIRST, FIRST), DayRange(DAYS.last, DAYS.last)
    down = home.model_copy(update={"serving_url": NOBODY})
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(home, instance, DAYS, "serving").success
        # The first day gets other values, in as many rows.
        with duckdb.connect(str(home.duckdb_file)) as connection:
            connection.execute(
                "update core.fact_prices set last_trade_price = 0.1237 where partition_date = ?",
                [FIRST],
            )
        broken = run(down, instance, first, "marts", "serving")
        assert not broken.success
        (failure,) = [one for one in broken.all_events if one.is_step_failure]
        assert failure.step_key == "serving_predictit"
        assert failure.step_failure_data.user_failure_data
        said = str(failure.step_failure_data.user_failure_data.description)
        assert said.startswith("PostgreSQL (127.0.0.1:1/odds) can't be reached: ")
        assert len([one for one in broken.all_events if one.is_step_up_for_retry]) == 2
        waits = publication_of(home)
        assert waits.evaluate(instance).passed
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=3), tick=False):
            stale = waits.evaluate(instance)
        assert not stale.passed
        assert str(stale.description).startswith("PostgreSQL lacks what was made at ")
        old = "select count(*) from marts.odds_1h where trade_close = 0.1237"
        assert database.value(old) == 0

        caught_up = run(home, instance, second, "serving")
        assert caught_up.success
        assert database.value(old) > 0
        same(home, database)
        with time_machine.travel(datetime.now(UTC) + timedelta(hours=3), tick=False):
            assert waits.evaluate(instance).description == RULE
        assert str(FIRST) in partitions(caught_up)
        # Once published, a day is not published again.
        assert str(FIRST) not in partitions(run(home, instance, second, "serving"))


def partitions(result: dg.ExecuteInProcessResult) -> set[str | None]:
    """The days that a run published of a table by day."""
    return {
        one.partition
        for one in result.asset_materializations_for_node("serving_predictit")
        if one.asset_key and one.asset_key.path[-1] == "odds_1h"
    }


def test_the_check_finds_what_is_missing(home: Settings, database: Database) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(home, instance, DAYS, "serving").success
        database.rows(f"delete from marts.odds_1d where partition_date = '{FIRST}'")
        (check,) = [
            one
            for one in build_definitions(home).asset_checks or ()
            if "check_serving" in str(getattr(one, "op", one).name)
        ]
        job = dg.Definitions.merge(
            build_definitions(home),
            dg.Definitions(jobs=[dg.define_asset_job("look", dg.AssetSelection.checks(check))]),
        ).resolve_job_def("look")
        result = job.execute_in_process(instance=instance, raise_on_error=False)
        failed = [one for one in result.get_asset_check_evaluations() if not one.passed]
    assert [one.asset_key.path[-1] for one in failed] == ["odds_1d"]
    assert str(FIRST) in str(failed[0].description)


def test_replace_publishes_every_day(home: Settings, database: Database) -> None:
    second = DayRange(DAYS.last, DAYS.last)
    whole = home.model_copy(update={"serving_mode": ServingMode.REPLACE})
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(home, instance, DAYS, "serving").success
        # Nothing tells of this change: only who replaces all days sees it.
        with duckdb.connect(str(home.duckdb_file)) as connection:
            connection.execute(
                "update marts.odds_1h set trade_close = 0.1237 where partition_date = ?", [FIRST]
            )
        changed = "select count(*) from marts.odds_1h where trade_close = 0.1237"
        assert run(home, instance, second, "serving").success
        assert database.value(changed) == 0
        assert run(whole, instance, second, "serving").success
        assert database.value(changed) > 0
    same(home, database)


def test_url_and_password_are_in_nothing_that_is_written(
    home: Settings,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("predictit_assets.instance.failures.FIRST_WAIT", 0.0)
    down = home.model_copy(update={"serving_url": NOBODY})
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster")) as instance:
        assert run(home, instance, DAYS, "serving").success
        assert not run(down, instance, DAYS, "serving").success
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert any(b"PostgreSQL (127.0.0.1:1/odds)" in file.read_bytes() for file in written)
    for file in written:
        assert PASSWORD.encode() not in file.read_bytes(), file
    said = capfd.readouterr()
    assert PASSWORD not in said.out + said.err
    assert PASSWORD not in repr(home)


def test_tables_and_views_are_published_in_one_step_and_looked_at_again(
    database: Database, tmp_path: Path
) -> None:
    shop = Shop(tmp_path / "warehouse.duckdb")
    for day in (FIRST, DAYS.last):
        shop.sell(day, 3)
    served = storage.Serving(database.url, READER, 20)
    names = AssetNames(())
    tables = storage.in_order(ALL)
    assets = serving_assets(
        "shop",
        tables,
        served,
        shop.warehouse,
        dg.DailyPartitionsDefinition(str(FIRST)),
        lambda window: window.days,
        whole=False,
        owner="team:shop",
        names=names,
        pool="warehouse",
    )
    checks = serving_checks("shop", tables, served, shop.warehouse, names)
    with dg.DagsterInstance.ephemeral() as instance:

        def look(*chosen: dg.AssetsDefinition | dg.AssetChecksDefinition) -> Any:
            definitions = dg.Definitions(
                assets=[assets],
                asset_checks=[checks],
                jobs=[
                    dg.define_asset_job(
                        "part",
                        dg.AssetSelection.assets(assets)
                        if assets in chosen
                        else dg.AssetSelection.checks(checks),
                    )
                ],
            )
            return definitions.resolve_job_def("part").execute_in_process(
                instance=instance,
                tags=window_tags(DAYS) if assets in chosen else {},
                raise_on_error=False,
            )

        published = look(assets)
        assert published.success
        assert seen(database) == expected(shop)
        assert {one.asset_key.path[-1] for one in published.get_asset_check_evaluations()} == {
            "sales",
            "lines",
            "tills",
            "daily",
        }
        assert all(one.passed for one in published.get_asset_check_evaluations())
        assert database.rows("select * from live.daily order by 1") == [
            (FIRST, Decimal("3.75")),
            (DAYS.last, Decimal("3.75")),
        ]

        database.rows(
            "delete from core.lines where units = 3 and line_id = 0", "delete from marts.tills"
        )
        failed = {
            one.asset_key.path[-1]: str(one.description)
            for one in look(checks).get_asset_check_evaluations()
            if not one.passed
        }
        assert failed.keys() == {"lines", "tills"}
        assert "10 rows of 2026-03-04 to 2026-03-05, and the warehouse 12" in failed["lines"]

        database.rows("drop view live.daily")
        gone = look(checks)
        assert not gone.success
        (failure,) = [one for one in gone.all_events if one.is_step_failure]
        assert 'has no "live"."daily"' in str(failure.step_failure_data)


def test_status_says_where_from_without_the_password(
    built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTIT_HOME", str(built.home))
    assert "served from" not in CliRunner().invoke(cli.app, ["status"]).output
    monkeypatch.setenv("PREDICTIT_SERVING_URL", NOBODY.get_secret_value())
    said = CliRunner().invoke(cli.app, ["status"]).output
    assert "served from PostgreSQL (127.0.0.1:1/odds)" in said
    assert PASSWORD not in said


def test_without_a_database_nothing_is_served(settings: Settings) -> None:
    keys = build_definitions(settings).resolve_asset_graph().get_all_asset_keys()
    assert not [key for key in keys if key.path[0] == "serving"]


# --- What is served ---


def model(table: str, layer: str = "core", view: bool = False) -> ModelSchema:
    """A made-up model with the key `id` and a day."""
    columns = tuple(
        ModelColumn(name, kind, f"The {name}.")
        for name, kind in (("partition_date", "date"), ("id", "bigint"), ("paid", "decimal(6,2)"))
    )
    kind = "view" if view else "table"
    return ModelSchema("shop", layer, table, f"The {table}.", columns, ("id",), kind)


MODELS = {
    (one.source, one.layer, one.table): one
    for one in (model("facts"), model("lines"), model("books", "marts"), model("now", "live", True))
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A dbt project with macros of the house and of the source, and a served view."""
    for name, text in {
        "macros/house.sql": (
            "{% macro halved(x) %}{{ adapter.dispatch('halved')(x) }}{% endmacro %}"
            "{% macro duckdb__halved(x) %}{{ x }} // 2{% endmacro %}"
            "{% macro postgres__halved(x) %}div({{ x }}, 2){% endmacro %}"
            "{% macro rounded(x) %}{{ adapter.dispatch('rounded')(x) }}{% endmacro %}"
            "{% macro duckdb__rounded(x) %}round({{ x }}){% endmacro %}"
        ),
        "macros/shop/measures.sql": (
            "{% macro paid() %}sum({{ halved('paid') }}) as paid{% endmacro %}"
        ),
        "serving/shop/now.sql": (
            "select partition_date, max(id) as id, {{ paid() }}\n"
            "from {{ ref('facts') }} group by partition_date\n"
        ),
    }.items():
        file = tmp_path / "project" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return tmp_path / "project"


def test_layers_and_models_are_served_in_the_order_of_what_they_refer_to(project: Path) -> None:
    serving = Serving(
        ("core", "now"),
        private={"facts": ["paid"]},
        references={"facts": [Reference(("id", "partition_date"), "lines")]},
    )
    tables = served_tables("shop", serving, MODELS, project)
    assert [one.table for one in tables] == ["lines", "facts", "now"]
    lines, facts, now = tables
    assert facts.private == {"paid"}
    assert facts.references[0].of == lines
    assert now.reads == {"facts"}
    assert now.sql == (
        "select partition_date, max(id) as id, sum(div(paid, 2)) as paid\n"
        'from "core"."facts" group by partition_date'
    )


def test_a_view_may_be_copied_whole_whatever_it_is_made_of(project: Path) -> None:
    (now,) = served_tables("shop", Serving(("now",), copies=("now",)), MODELS, project)
    assert (now.is_view, now.by_day, now.sql) == (False, False, "")
    assert now.key == ("id",)
    assert "create table" in now.structure()[0]


@pytest.mark.parametrize(
    ("serving", "told"),
    [
        (Serving(("core", "now"), copies=("facts",)), "copies.* no model of: facts"),
        (Serving(("core", "nothing")), "no model of: nothing"),
        (Serving(("core",), private={"facts": ["secret"]}), "private facts.* no model of: secret"),
        (Serving(("core",), private={"books": ["paid"]}), "private.* no model of: books"),
        (
            Serving(("core",), references={"facts": [Reference(("id",), "books")]}),
            "serves no books that facts could refer to",
        ),
        (
            Serving(("core",), references={"facts": [Reference(("id",), "lines")]}),
            "refers to lines by id, and its key is id, partition_date",
        ),
        (
            Serving(
                ("core",), references={"facts": [Reference(("id", "partition_date"), "facts")]}
            ),
            "serves no facts that facts could refer to",
        ),
        (Serving(("marts", "now")), "refers to facts, which isn't served"),
    ],
)
def test_a_declaration_that_does_not_fit_is_refused(
    project: Path, serving: Serving, told: str
) -> None:
    with pytest.raises(ExpectedError, match=told):
        served_tables("shop", serving, MODELS, project)


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        (None, "there is no dbt_project/serving/shop/now.sql"),
        ("select {{ rounded('1') }}", "write postgres__rounded"),
        ("select {{ unheard_of }}", "can't be rendered: 'unheard_of' is undefined"),
        ("select {% if %}", "can't be rendered"),
    ],
)
def test_a_view_that_cannot_be_made_is_refused(project: Path, sql: str | None, told: str) -> None:
    file = project / "serving/shop/now.sql"
    file.unlink()
    if sql:
        file.write_text(sql)
    with pytest.raises(ExpectedError, match=re.escape(told)):
        served_tables("shop", Serving(("core", "now")), MODELS, project)
