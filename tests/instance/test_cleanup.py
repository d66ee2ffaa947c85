"""What the clean-up deletes, and that whoever looks at the instance sees the same state after."""

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import time_machine

from predictit_assets.automation import conditions
from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.instance.cleanup import EVALUATIONS_DAYS, prune
from predictit_assets.instance.location import LOCATION
from predictit_assets.instance.names import LOCATION_TAG
from predictit_assets.instance.partitions import PARTITION_TAG, daily_partitions

TODAY = UTC_CALENDAR.today()
DAYS = [str(TODAY - timedelta(days=n)) for n in (2, 1, 0)]
PARTITIONS = daily_partitions(UTC_CALENDAR, TODAY - timedelta(days=5))
LANDING, RAW, CURATED = (dg.AssetKey([layer, "odds"]) for layer in ("landing", "raw", "curated"))
CHECK = dg.AssetCheckKey(CURATED, "schema")
QUIET = {"telemetry": {"enabled": False}}
KEYS = [LANDING, RAW, CURATED]
NOW = 0
"""Days: everything that was superseded is old enough."""


@dg.asset(key=LANDING, partitions_def=PARTITIONS)
def landing() -> None: ...


@dg.asset(
    key=RAW,
    deps=[LANDING],
    partitions_def=PARTITIONS,
    automation_condition=conditions.payloads_to_validate(UTC_CALENDAR),
)
def raw() -> None: ...


@dg.asset(
    key=CURATED,
    deps=[RAW],
    partitions_def=PARTITIONS,
    automation_condition=conditions.parents_made_anew(),
)
def curated(context: dg.AssetExecutionContext) -> None:
    if context.run.tags.get("fail"):
        raise RuntimeError


@dg.asset_check(asset=CURATED, name=CHECK.name, blocking=True)
def schema(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed="suspicious" not in context.run.tags)


@dg.job
def idle() -> None:
    @dg.op(out=dg.Out(dg.Nothing))
    def nothing() -> None: ...

    nothing()


DEFINITIONS = dg.Definitions(
    [landing, raw, curated],
    asset_checks=[schema],
    jobs=[dg.define_asset_job("job", [raw, curated], partitions_def=PARTITIONS)],
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(folder), overrides=QUIET) as made:
        yield made


def poll(instance: dg.DagsterInstance, day: str, times: int = 1) -> None:
    for n in range(times):
        event = dg.AssetMaterialization(LANDING, partition=day, metadata={"payloads": n})
        instance.report_runless_asset_event(event)


def run(instance: dg.DagsterInstance, day: str, **tags: str) -> str:
    return (
        DEFINITIONS.resolve_job_def("job")
        .execute_in_process(
            instance=instance,
            tags={LOCATION_TAG: LOCATION, PARTITION_TAG: day} | tags,
            raise_on_error=False,
        )
        .run_id
    )


def ids(instance: dg.DagsterInstance) -> set[str]:
    return {one.run_id for one in instance.get_runs()}


def state(instance: dg.DagsterInstance) -> Any:
    """What the UI, automation and alerts go by."""
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([CHECK])[CHECK]
    return {
        "made": {key: instance.get_materialized_partitions(key) for key in (LANDING, RAW, CURATED)},
        "status": {
            key: instance.get_status_by_partition(key, DAYS, PARTITIONS)
            for key in (LANDING, RAW, CURATED)
        },
        "newest": {
            key: instance.event_log_storage.get_latest_storage_id_by_partition(
                key, dg.DagsterEventType.ASSET_MATERIALIZATION
            )
            for key in (LANDING, RAW, CURATED)
        },
        "check": (latest.id, latest.run_id, latest.status),
    }


def wanted(
    instance: dg.DagsterInstance, cursor: Any = None
) -> dg.EvaluateAutomationConditionsResult:
    return dg.evaluate_automation_conditions(DEFINITIONS, instance, cursor=cursor)


def test_superseded_runs_and_polls_go_and_nothing_looks_different(
    instance: dg.DagsterInstance, folder: Path
) -> None:
    cold = wanted(instance)
    for day in DAYS:
        poll(instance, day, times=20)
    old = [run(instance, day, suspicious="") for day in DAYS]
    new = [run(instance, day) for day in DAYS]
    # Two looks: the first is told of what happened, the second that nothing did since.
    cursor = wanted(instance, wanted(instance, cold.cursor).cursor).cursor
    before = state(instance)
    assert all(len(days) == 3 for days in before["made"].values())

    told = prune(instance, NOW, KEYS, dry_run=True)
    assert ids(instance) == {*old, *new}
    assert prune(instance, NOW, KEYS) == told

    # A check's last failure is remembered too, with its run.
    assert ids(instance) == {*new, old[-1]}
    assert (told.runs, told.events) == (2, 3 * 19)
    assert state(instance) == before
    assert wanted(instance, cursor).total_requested == 0
    assert not list((folder / "history" / "runs").glob(f"{old[0]}*"))
    assert not (folder / "storage" / old[0]).exists()

    with dg.DagsterInstance.local_temp(str(folder), overrides=QUIET) as restarted:
        assert state(restarted) == before
        assert wanted(restarted, cursor).total_requested == 0
    assert prune(instance, NOW, KEYS) == type(told)(0, 0, 0)


def test_what_others_have_in_the_instance_stays(instance: dg.DagsterInstance) -> None:
    """They have the same names of jobs, and the same age."""
    others = dg.AssetKey("payroll")
    for _ in range(3):
        run(instance, DAYS[0], **{LOCATION_TAG: "of_others"})
        idle.execute_in_process(instance=instance)
        instance.report_runless_asset_event(dg.AssetMaterialization(others))
        instance.report_runless_asset_event(
            dg.AssetCheckEvaluation(asset_key=others, check_name="schema", passed=True)
        )
    evaluated = wanted(instance).results[0].serializable_evaluation.with_run_ids(set())
    schedules = instance.schedule_storage
    assert schedules
    schedules.add_auto_materialize_asset_evaluations(1, [evaluated])
    with time_machine.travel(datetime.now(UTC) + timedelta(days=40)):
        told = prune(instance, 30, [LANDING])
    assert (told.runs, told.events, told.results) == (0, 0, 0)
    assert len(ids(instance)) == 6
    assert len(instance.fetch_materializations(others, limit=10).records) == 3
    results = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(others, "schema"), limit=10
    )
    assert len(results) == 3
    assert schedules.get_auto_materialize_evaluations_for_evaluation_id(1)


def test_where_dagster_keeps_nothing_in_sql_it_says_so(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(instance, DAYS[0])
    monkeypatch.setattr(instance, "_event_storage", object())
    assert "object" in str(prune(instance, NOW, KEYS))


def test_the_ui_counts_the_same_partitions_without_its_cache(
    instance: dg.DagsterInstance,
) -> None:
    for _ in range(2):
        run(instance, DAYS[0])
    run(instance, DAYS[1])
    before = instance.get_status_by_partition(RAW, DAYS, PARTITIONS)
    prune(instance, NOW, KEYS)
    instance.event_log_storage.wipe_asset_cached_status(RAW)
    assert instance.get_status_by_partition(RAW, DAYS, PARTITIONS) == before


def test_a_day_that_failed_last_stays_failed(instance: dg.DagsterInstance) -> None:
    run(instance, DAYS[0])
    failed = run(instance, DAYS[0], fail="yes")
    before = instance.get_status_by_partition(CURATED, DAYS, PARTITIONS)
    assert before
    assert before[DAYS[0]].value == "FAILED"
    prune(instance, NOW, KEYS)
    instance.event_log_storage.wipe_asset_cached_status(CURATED)
    assert instance.get_status_by_partition(CURATED, DAYS, PARTITIONS) == before
    assert failed in ids(instance)


def test_a_new_update_after_the_clean_up_is_noticed(instance: dg.DagsterInstance) -> None:
    cursor = wanted(instance).cursor
    for _ in range(3):
        poll(instance, DAYS[0])
        run(instance, DAYS[0])
        cursor = wanted(instance, cursor).cursor
    cursor = wanted(instance, cursor).cursor
    prune(instance, NOW, KEYS)
    poll(instance, DAYS[0])
    asked = wanted(instance, cursor)
    assert asked.get_requested_partitions(RAW) == {DAYS[0]}
    assert asked.get_requested_partitions(CURATED) == {DAYS[0]}


def test_old_evaluations_of_conditions_go(instance: dg.DagsterInstance) -> None:
    evaluated = wanted(instance).results[0].serializable_evaluation.with_run_ids(set())
    schedules = instance.schedule_storage
    assert schedules
    schedules.add_auto_materialize_asset_evaluations(1, [evaluated])

    def kept() -> int:
        return len(schedules.get_auto_materialize_evaluations_for_evaluation_id(1))

    prune(instance, 30, KEYS)
    assert kept() == 1
    with time_machine.travel(datetime.now(UTC) + timedelta(days=EVALUATIONS_DAYS, minutes=1)):
        prune(instance, 30, KEYS)
    assert kept() == 0


def test_what_is_young_stays(instance: dg.DagsterInstance) -> None:
    poll(instance, DAYS[0], times=5)
    for _ in range(3):
        run(instance, DAYS[0])
    told = prune(instance, 1, KEYS)
    assert (told.runs, told.events, told.results) == (0, 0, 0)
    assert len(ids(instance)) == 3


def test_ids_of_events_are_never_given_twice(instance: dg.DagsterInstance, folder: Path) -> None:
    """The newest event may be no asset's: SQLite would give its id to the next one."""

    def newest() -> int:
        with sqlite3.connect(folder / "history" / "runs" / "index.db") as index:
            return int(index.execute("select max(id) from event_logs").fetchone()[0])

    run(instance, DAYS[0])
    idle.execute_in_process(instance=instance)
    last = newest()
    prune(instance, NOW, KEYS)
    assert newest() == last
    run(instance, DAYS[0])
    assert newest() > last


def test_a_deletion_that_is_killed_is_ended_by_the_next(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = run(instance, DAYS[0]), run(instance, DAYS[0])

    def killed(run_id: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(instance.run_storage, "delete_run", killed)
        with pytest.raises(KeyboardInterrupt):
            prune(instance, NOW, KEYS)
    assert first in ids(instance)
    assert prune(instance, NOW, KEYS).runs == 1
    assert ids(instance) == {second}


def test_a_run_that_runs_stays(instance: dg.DagsterInstance) -> None:
    job = DEFINITIONS.resolve_job_def("job")
    running = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    prune(instance, NOW, KEYS)
    assert running.run_id in ids(instance)
