"""Another team's code location on the same Dagster instance: asset keys and pool of one's own."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from conftest import NOON, build, observe, stream_of
from pydantic import SecretStr

from predictit_assets import factory
from predictit_assets.alerts.incidents import Incident, Monitored, Scope
from predictit_assets.automation import good_days
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.names import AssetNames
from predictit_assets.errors import SettingsError
from predictit_assets.instance.runs import BuildFailed, ended_runs
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings, load_settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.payloads import PayloadStore

PREFIX = ("forecasts", "us")
DAYS = DayRange(NOON.date(), NOON.date() + timedelta(days=1))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """An empty home on an instance that others share."""
    return Settings(
        home=tmp_path / "home",
        lock_timeout=20,
        asset_key_prefix="/".join(PREFIX),
        pool="forecasts/warehouse",
        alerts=SecretStr("json://127.0.0.1:9/nobody"),
    )


@pytest.fixture
def two_days(payloads: PayloadStore, world: FakePredictIt) -> None:
    """A few polls on two days."""
    for first in (NOON, NOON + timedelta(days=1)):
        for payload in observe(world, first, 2, timedelta(minutes=1)):
            payloads.land(payload)


def without_prefix(key: dg.AssetKey) -> str:
    """What a key is at home; it has to begin with the prefix."""
    assert tuple(key.path[:2]) == PREFIX, key
    return "/".join(key.path[2:])


def graph_of(settings: Settings) -> Any:
    return build_definitions(settings).resolve_asset_graph()


def shape(graph: Any, name: Callable[[dg.AssetKey], str]) -> dict[str, Any]:
    """What the UI and automation know of each asset, by its name at home."""
    return {
        name(node.key): (
            {name(key) for key in node.parent_keys},
            {check.name for check in node.check_keys},
            node.group_name,
            dict(node.tags),
            node.automation_condition and node.automation_condition.get_label(),
            node.freshness_policy,
            sorted(
                f"{column}: {name(dep.asset_key)}.{dep.column_name}"
                for column, deps in getattr(
                    node.metadata.get("dagster/column_lineage"), "deps_by_column", {}
                ).items()
                for dep in deps
            ),
        )
        for node in graph.asset_nodes
    }


def test_every_key_has_the_prefix_and_nothing_else_differs(
    settings: Settings, tmp_path: Path
) -> None:
    alone = Settings(home=tmp_path / "alone")

    assert shape(graph_of(settings), without_prefix) == shape(
        graph_of(alone), dg.AssetKey.to_user_string
    )


def test_sensors_schedules_and_jobs_are_about_these_assets_only(settings: Settings) -> None:
    definitions = build_definitions(settings)
    graph = definitions.resolve_asset_graph()
    everything = set(graph.get_all_asset_keys())
    for sensor in definitions.sensors or ():
        if isinstance(sensor, dg.AssetSensorDefinition):
            without_prefix(sensor.asset_key)
        elif isinstance(sensor, dg.SensorDefinition) and sensor.asset_selection:
            assert sensor.asset_selection.resolve(graph) <= everything
    job = definitions.resolve_job_def(build_job_name("predictit"))
    assert {without_prefix(key) for key in job.asset_layer.executable_asset_keys}


def test_what_writes_to_the_warehouse_is_in_the_pool_that_is_named(settings: Settings) -> None:
    def pools(settings: Settings) -> dict[str, set[str]]:
        return {
            one.op.name: one.op.pools
            for one in build_definitions(settings).assets or ()
            if isinstance(one, dg.AssetsDefinition) and one.is_executable and one.op.pools
        }

    alone = pools(settings.model_copy(update={"pool": Settings().pool}))
    assert {pool for of_step in alone.values() for pool in of_step} == {"warehouse"}
    assert pools(settings) == {step: {"forecasts/warehouse"} for step in alone}


@pytest.mark.usefixtures("two_days")
def test_a_build_reports_these_assets_only_and_writes_where_it_always_does(
    settings: Settings,
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        build(settings, DAYS, instance)

        keys = instance.all_asset_keys()
        assert {without_prefix(key).split("/")[0] for key in keys} >= {"landing", "core", "report"}
        (run,) = instance.get_runs()
        checks = [
            entry.dagster_event.asset_check_evaluation_data
            for entry in instance.all_logs(
                run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION
            )
            if entry.dagster_event
        ]
        assert checks
        assert {without_prefix(check.asset_key) for check in checks}
        last = dg.AssetKey([*PREFIX, "core", "predictit", "fact_prices"])
        made = instance.fetch_materializations(last, limit=10).records
        assert {record.partition_key for record in made} == {str(day) for day in DAYS.days}
    # A home is a home: its objects and tables bear no prefix.
    folders = {path.name for path in settings.objects_dir.iterdir()}
    assert folders >= {"raw", "curated", "report"}
    assert "forecasts" not in folders
    with factory.warehouse(settings).read_connection() as query:
        assert query("select count(*) from core.fact_prices")[0][0] > 0


def test_a_poll_and_a_landed_payload_are_reported_of_these_assets(
    settings: Settings, feed: SampleServer, monkeypatch: pytest.MonkeyPatch, world: FakePredictIt
) -> None:
    monkeypatch.setenv("PREDICTIT_API_URL", feed.url)
    # It is always noon there.
    settings = settings.model_copy(update={"clock_minutes": 0})
    definitions = build_definitions(settings)
    (payload, *_more) = observe(world, NOON, 1, timedelta(minutes=1))
    stream_of(settings).payloads.land(payload)
    with dg.DagsterInstance.ephemeral() as instance:
        for name in ("report_landed_predictit", "poll_predictit", "watch"):
            sensor = definitions.get_sensor_def(name)
            tick = sensor.evaluate_tick(
                dg.build_sensor_context(instance=instance, definitions=definitions)
            )
            assert tick.asset_events
            for event in tick.asset_events:
                without_prefix(event.asset_key)


@pytest.mark.usefixtures("two_days")
def test_a_failure_is_told_by_source_and_mended_by_a_build_of_it(
    settings: Settings, payloads: PayloadStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    definitions, job_name = build_definitions(settings), build_job_name("predictit")
    source, day = "predictit", str(NOON.date())
    monitored = Monitored(
        [one for one in definitions.assets or () if isinstance(one, dg.AssetsDefinition)],
        {job_name: source},
        lambda _source: NOON.date(),
        "http://ui",
        settings.asset_names,
    )
    broken = factory.warehouse(settings)
    monkeypatch.setattr(type(broken), "replace_window", _refuse)
    with dg.DagsterInstance.ephemeral() as instance:
        with pytest.raises(BuildFailed):
            build(settings, DayRange(NOON.date(), NOON.date()), instance)
        (end,) = ended_runs(instance, None, 0.0)
        outcomes = monitored.outcomes_of(instance, end, "predictit_assets")
        (incident,) = [one for one in outcomes if isinstance(one, Incident)]
        assert incident.scope.parts == {source}
        assert incident.text.endswith(f"predictit build {source} --from {day} --to {day}")

        key = dg.AssetKey([*PREFIX, "core", source, "fact_prices"])
        scope = monitored._scope(
            dg.DagsterRun(job_name="__ASSET_JOB", asset_selection=frozenset({key}))
        )
        assert scope == Scope(frozenset({key.to_user_string()}))
        assert scope.after(monitored._succeeded(Scope(frozenset({source})))) is None


def _refuse(*_args: object) -> None:
    raise SettingsError("the warehouse refuses")


def test_a_run_of_a_part_of_the_graph_is_of_its_source(settings: Settings) -> None:
    names = settings.asset_names
    job = build_definitions(settings).resolve_job_def(build_job_name("predictit"))

    def source_of(*key: str) -> str | None:
        run = dg.DagsterRun(
            job_name="__ASSET_JOB", asset_selection=frozenset({dg.AssetKey([*key])})
        )
        return good_days._source(run, {"predictit": job}, names)

    assert source_of(*names.key("core", "predictit", "fact_prices")) == "predictit"
    assert source_of("core", "predictit", "fact_prices") is None


def test_names_are_read_where_they_are_made() -> None:
    for names in (AssetNames(), AssetNames(("team",)), AssetNames(PREFIX)):
        assert names.source_of(names.key("core", "tides", "levels")) == "tides"
        assert names.source_of(names.key("report", "tides")) == "tides"
        assert names.source_of([*names.prefix, "alone"]) is None
    assert AssetNames(("team",)).source_of(["core", "tides", "levels"]) is None


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("PREDICTIT_ASSET_KEY_PREFIX", "/team"),
        ("PREDICTIT_ASSET_KEY_PREFIX", "team//odds"),
        ("PREDICTIT_ASSET_KEY_PREFIX", "a team"),
        ("PREDICTIT_POOL", "two words"),
    ],
)
def test_a_name_that_dagster_would_take_otherwise_is_refused(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable):
        load_settings()
