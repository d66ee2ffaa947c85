"""What we lean on in Dagster, dagster-dbt and Pandera without their promise: pinned here."""

import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import ibis
import pandera.ibis as pa
import pytest
import sqlalchemy
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.errors import DagsterAssetCheckFailedError
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage import tags
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster_dbt.asset_utils import get_updated_cli_invocation_params_for_context
from dagster_dbt.core.dbt_cli_event import DbtCoreCliEventMessage
from dbt.cli.main import cli

from predictit_assets.errors import ExpectedError
from predictit_assets.instance.cleanup import FINISHED
from predictit_assets.instance.dbt_runner import ANY_FLAG
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.names import (
    CHECK_FAILED_ERROR,
    HIDDEN_TAG_PREFIX,
    RUNLESS,
    WILL_RETRY_TAG,
)
from predictit_assets.instance.partitions import RANGE_END_TAG, RANGE_START_TAG, mark_days
from predictit_assets.settings import PROJECT_DIR
from predictit_assets.storage.duckdb import scratch

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
LONG = "select count(distinct hash(n)) from range(6000000000) as t(n)"
"""A query in which DuckDB looks for no signal when it has two threads."""
QUIET = {"telemetry": {"enabled": False}}


def test_a_range_run_materializes_every_day_with_metadata_of_its_own() -> None:
    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def counted(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
        for day in context.partition_keys:
            context.add_asset_metadata({"day": day}, partition_key=day)
        return dg.MaterializeResult()

    job = dg.define_asset_job("job", [counted], partitions_def=DAYS)
    defs = dg.Definitions([counted], jobs=[job])
    tags = {RANGE_START_TAG: "2026-01-02", RANGE_END_TAG: "2026-01-04"}
    run = defs.resolve_job_def("job").execute_in_process(tags=tags)

    told = [(m.partition, m.metadata["day"].value) for m in _materializations(run)]
    assert told == [(day, day) for day in ("2026-01-02", "2026-01-03", "2026-01-04")]


def test_of_a_range_run_only_the_marked_days_are_materialized() -> None:
    @dg.multi_asset(
        specs=[dg.AssetSpec("counted"), dg.AssetSpec("after", deps=["counted"])],
        partitions_def=DAYS,
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def both(context: dg.AssetExecutionContext) -> Iterator[Any]:
        context.add_asset_metadata({"day": "second"}, "counted", "2026-01-02")
        for key in ("counted", "after"):
            result = dg.MaterializeResult(asset_key=key, metadata={"of": key})
            yield from mark_days(context, [result], [date(2026, 1, 2), date(2026, 1, 4)])

    job = dg.define_asset_job("job", [both], partitions_def=DAYS)
    defs = dg.Definitions([both], jobs=[job])
    tags = {RANGE_START_TAG: "2026-01-02", RANGE_END_TAG: "2026-01-04"}
    with dg.DagsterInstance.ephemeral() as instance:
        run = defs.resolve_job_def("job").execute_in_process(instance=instance, tags=tags)
        made = instance.get_materialized_partitions(dg.AssetKey("after"))

    assert made == {"2026-01-02", "2026-01-04"}
    told = [
        (m.asset_key.to_user_string(), m.partition, {k: v.value for k, v in m.metadata.items()})
        for m in _materializations(run)
    ]
    assert told == [
        ("counted", "2026-01-02", {"of": "counted", "day": "second"}),
        ("counted", "2026-01-04", {"of": "counted"}),
        ("after", "2026-01-02", {"of": "after"}),
        ("after", "2026-01-04", {"of": "after"}),
    ]


def _materializations(run: dg.ExecuteInProcessResult) -> list[dg.AssetMaterialization]:
    return [event.materialization for event in run.get_asset_materialization_events()]


def test_an_instance_tells_its_listeners_of_a_run() -> None:
    @dg.asset
    def one() -> None: ...

    heard: list[str] = []
    instance = dg.DagsterInstance.ephemeral()
    instance.add_event_listener("11111111-1111-1111-1111-111111111111", heard.append)
    dg.Definitions([one]).resolve_implicit_global_asset_job_def().execute_in_process(
        instance=instance, run_id="11111111-1111-1111-1111-111111111111"
    )
    assert heard


def test_the_names_that_dagster_keeps_to_itself_are_these() -> None:
    assert RUNLESS_RUN_ID == RUNLESS
    assert tags.WILL_RETRY_TAG == WILL_RETRY_TAG
    assert tags.HIDDEN_TAG_PREFIX == HIDDEN_TAG_PREFIX
    assert DagsterAssetCheckFailedError.__name__ == CHECK_FAILED_ERROR
    assert set(FINISHED_STATUSES) == set(FINISHED)


def test_a_run_that_is_interrupted_in_a_query_starts_no_further_step() -> None:
    """DuckDB makes an error of its own of an interrupt, and with two threads notices none.

    Whoever asks to terminate a run is told so by its status.
    """
    given_up = []

    @dg.asset
    def asks(context: dg.AssetExecutionContext) -> None:
        run = context.instance.get_run_by_id(context.run_id)
        assert run
        context.instance.report_run_canceling(run)
        with (
            fail_on_expected_error(context.op_execution_context),
            scratch() as connection,
        ):
            connection.execute("set threads = 2")

            def give_up() -> None:
                given_up.append("nobody noticed")
                connection.interrupt()

            last = threading.Timer(60, give_up)
            last.start()
            threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
            try:
                connection.execute(LONG)
            except Exception as error:
                raise ExpectedError("made of an interrupt") from error
            finally:
                last.cancel()

    @dg.asset
    def unrelated() -> None: ...

    job = dg.define_asset_job("job")
    definitions = dg.Definitions([asks, unrelated], jobs=[job], executor=dg.in_process_executor)
    # Whoever started the tests in the background made them ignore interrupts.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    with dg.DagsterInstance.ephemeral() as instance, ExitStack() as stack:
        stack.callback(signal.signal, signal.SIGINT, before)
        with suppress(KeyboardInterrupt):
            definitions.resolve_job_def("job").execute_in_process(
                instance=instance, raise_on_error=False
            )
        (run,) = instance.get_runs()
        begun = instance.all_logs(run.run_id, of_type={dg.DagsterEventType.STEP_START})
        assert [entry.step_key for entry in begun] == ["asks"]
        assert run.status is dg.DagsterRunStatus.CANCELED
        assert given_up == []


def test_dagster_dbt_has_what_runs_dbt_in_this_process() -> None:
    assert callable(get_updated_cli_invocation_params_for_context)
    assert callable(DbtCoreCliEventMessage.to_default_asset_events)


def test_each_variable_that_dbt_takes_for_a_flag_begins_alike() -> None:
    commands = [cli, *cli.commands.values()]
    variables = [one.envvar for command in commands for one in command.params if one.envvar]
    names = {name for one in variables for name in ([one] if isinstance(one, str) else one)}
    assert len(names) > 40
    assert {name for name in names if not name.startswith(ANY_FLAG)} == set()


def test_pandera_marks_the_rules_that_warn_and_gives_their_rows() -> None:
    class Prices(pa.DataFrameModel):
        price: int

        @pa.dataframe_check(raise_warning=True, description="is positive")
        def positive(cls, data: pa.IbisData) -> ibis.Value:  # noqa: N805
            return data.table.price > 0

    (check,) = Prices.to_schema().checks
    connection = duckdb.connect()
    connection.execute("create table prices as select * from (values (1), (-1)) as t(price)")
    table = ibis.duckdb.from_connection(connection).table("prices")
    assert (check.name, check.raise_warning) == ("positive", True)
    assert table.filter(~check(table).check_output).count().execute() == 1


def test_the_partition_of_a_range_run_is_not_one_key() -> None:
    @dg.asset(partitions_def=DAYS, backfill_policy=dg.BackfillPolicy.single_run())
    def asks(context: dg.AssetExecutionContext) -> None:
        with pytest.raises(dg.DagsterInvariantViolationError):
            _ = context.partition_key
        assert context.partition_key_range == dg.PartitionKeyRange("2026-01-02", "2026-01-03")

    job = dg.define_asset_job("job", [asks], partitions_def=DAYS)
    tags = {RANGE_START_TAG: "2026-01-02", RANGE_END_TAG: "2026-01-03"}
    defs = dg.Definitions([asks], jobs=[job])
    assert defs.resolve_job_def("job").execute_in_process(tags=tags).success


def test_a_sensor_s_event_lies_in_the_index_and_once_more_under_no_run(tmp_path: Path) -> None:
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIET) as instance:
        storage = instance.event_log_storage
        assert isinstance(storage, SqliteEventLogStorage)
        for _ in range(2):
            instance.report_runless_asset_event(dg.AssetMaterialization("odds", partition="day"))
        query = sqlalchemy.select(
            SqlEventLogStorageTable.c.run_id, SqlEventLogStorageTable.c.partition
        )
        for connect in (storage.index_connection, lambda: storage.run_connection(RUNLESS)):
            with connect() as connection:
                assert connection.execute(query).fetchall() == [(RUNLESS, "day")] * 2


def test_deleting_a_run_of_sqlite_leaves_its_file(tmp_path: Path) -> None:
    """And the results of its checks: so both are ours to delete."""

    @dg.asset
    def odds() -> None: ...

    @dg.asset_check(asset=odds)
    def sound() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=QUIET) as instance:
        job = dg.Definitions([odds], asset_checks=[sound]).resolve_implicit_global_asset_job_def()
        run_id = job.execute_in_process(instance=instance).run_id
        storage = instance.event_log_storage
        assert isinstance(storage, SqliteEventLogStorage)
        instance.delete_run(run_id)
        assert Path(storage.path_for_shard(run_id)).exists()
        with storage.index_connection() as index:
            count = sqlalchemy.func.count()
            events = sqlalchemy.select(count).where(SqlEventLogStorageTable.c.run_id == run_id)
            results = sqlalchemy.select(count).where(AssetCheckExecutionsTable.c.run_id == run_id)
            assert index.execute(events).scalar() == 0
            assert index.execute(results).scalar() == 1


def test_ticks_are_kept_as_long_as_dagster_yaml_says(tmp_path: Path) -> None:
    shutil.copy(PROJECT_DIR / "dagster.yaml", tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        for kind in (InstigatorType.SENSOR, InstigatorType.AUTO_MATERIALIZE):
            kept = instance.get_tick_retention_settings(kind)
            # Dagster's own defaults keep all but the skipped ones for ever.
            assert {status.value: days for status, days in kept.items()} == {
                "SKIPPED": 1, "SUCCESS": 3, "FAILURE": 30, "STARTED": 1,
            }  # fmt: skip
        assert not instance.telemetry_enabled
        assert instance.run_monitoring_enabled
