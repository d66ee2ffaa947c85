"""Dagster's event log at home keeps what Dagster's own does, with few files open."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from predictit_assets.instance.event_log import MAX_OPEN, EventLog
from predictit_assets.instance.runs import open_instance
from predictit_assets.settings import Settings

DAYS = dg.StaticPartitionsDefinition(["a", "b", "c"])


@dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
def prices() -> None: ...


@dg.asset_check(asset=prices)
def sound() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


DEFINITIONS = dg.Definitions(
    assets=[prices],
    asset_checks=[sound],
    jobs=[dg.define_asset_job("job", partitions_def=DAYS)],
    executor=dg.in_process_executor,
)
RANGE = {
    "dagster/asset_partition_range_start": "a",
    "dagster/asset_partition_range_end": "c",
}


@pytest.fixture
def instance(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    # Restored afterwards: opening the instance sets it.
    monkeypatch.setenv("DAGSTER_HOME", str(settings.dagster_home))
    with open_instance(settings) as opened:
        yield opened


def run(instance: dg.DagsterInstance) -> str:
    job = DEFINITIONS.resolve_job_def("job")
    return job.execute_in_process(instance=instance, tags=RANGE).run_id


def told(instance: dg.DagsterInstance, run_id: str) -> list[tuple[str, str | None]]:
    """What a log says of a run, and of the days of the asset."""
    return [
        (str(entry.dagster_event_type), entry.dagster_event and entry.dagster_event.partition)
        for entry in instance.all_logs(run_id)
    ]


def test_it_keeps_what_dagsters_own_log_keeps(instance: dg.DagsterInstance, tmp_path: Path) -> None:
    assert type(instance.event_log_storage) is EventLog
    with dg.DagsterInstance.local_temp(str(tmp_path)) as own:
        assert type(own.event_log_storage) is SqliteEventLogStorage
        assert sorted(told(instance, run(instance)), key=str) == sorted(
            told(own, run(own)), key=str
        )
        for one in (own, instance):
            days = one.get_materialized_partitions(prices.key)
            assert days == {"a", "b", "c"}
            key = dg.AssetCheckKey(prices.key, "sound")
            (record,) = one.event_log_storage.get_asset_check_execution_history(key, limit=9)
            assert record.status.value == "SUCCEEDED"


def test_another_process_reads_it_at_once(instance: dg.DagsterInstance) -> None:
    run_id = run(instance)
    with dg.DagsterInstance.from_ref(instance.get_ref()) as other:
        assert told(other, run_id) == told(instance, run_id)


def test_the_file_that_the_ui_watches_changes_with_each_event(
    instance: dg.DagsterInstance,
) -> None:
    run_id = run(instance)
    assert isinstance(instance.event_log_storage, EventLog)
    shard = Path(instance.event_log_storage.path_for_shard(run_id))
    before = shard.stat().st_mtime_ns
    instance.report_engine_event("a word", instance.get_run_by_id(run_id))
    assert shard.stat().st_mtime_ns > before


def test_a_table_that_a_migration_adds_is_seen(instance: dg.DagsterInstance) -> None:
    log = instance.event_log_storage
    assert isinstance(log, EventLog)
    assert not log.has_table("added")
    with log.index_connection() as connection:
        connection.exec_driver_sql("create table added (id integer)")
    assert log.has_table("added")


def test_few_files_stay_open(instance: dg.DagsterInstance) -> None:
    runs = [run(instance) for _ in range(MAX_OPEN + 1)]
    assert all(told(instance, one) for one in runs)
    folder = Path(instance.root_directory) / "history" / "runs"
    held = {Path(file.path) for file in psutil.Process().open_files()}
    assert len(held & set(folder.glob("*.db"))) == MAX_OPEN
