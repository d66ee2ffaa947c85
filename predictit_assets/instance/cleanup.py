"""The memory of the Dagster instance: runs and events that nothing depends on go after some days.

Dagster purges ticks by itself (dagster.yaml), but neither runs nor events. Here the newest event
of each kind stays, of each day of each asset, and so does the newest result of each check: they
are what partitions, freshness, automation and alerts look at. A run stays whole while one of them
is its own. This leans on the tables of Dagster's event log, which tests/test_upstream.py pins.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

EVALUATIONS_DAYS = 1
"""Days for which it can be looked up why automation asked for something, or didn't.

Dagster keeps that for 30 days, and each poll adds 158 kB to it.
"""
RUNLESS = ""
"""What Dagster calls the run of an event that a sensor reported."""
ROWS_A_STATEMENT = 500
"""A writer shuts out the others: it had better be quick."""

events = SqlEventLogStorageTable.c
results = AssetCheckExecutionsTable.c


@dataclass(frozen=True)
class Pruned:
    """What went, or would go."""

    runs: int
    events: int
    """Reported without a run, as each poll is."""
    results: int
    """Of checks."""

    def __str__(self) -> str:
        return (
            f"{self.runs} runs, {self.events} events without a run and {self.results} results of "
            "checks that nothing depends on any more"
        )


def prune(instance: dg.DagsterInstance, days: int, dry_run: bool = False) -> Pruned:
    """Make a Dagster instance forget what is older than so many days and was superseded.

    Safe to interrupt and to repeat.
    """
    before = datetime.now(UTC) - timedelta(days=days)
    storage = cast(SqlEventLogStorage, instance.event_log_storage)
    runs = _superseded_runs(instance, storage, before)
    with storage.index_connection() as index:
        old_events = _ids(index, _superseded_events(before))
        old_results = _ids(index, _superseded_results(before))
    if not dry_run:
        for run_id in runs:
            _forget_run(instance, storage, run_id)
        _forget_results(storage, old_results)
        _forget_events(storage.index_connection, old_events)
        # SQLite keeps a second copy of them, under ids of its own.
        with storage.run_connection(RUNLESS) as shard:
            copies = _ids(shard, _superseded_events(before))
        _forget_events(lambda: storage.run_connection(RUNLESS), copies)
        if schedules := instance.schedule_storage:
            looked_up = datetime.now(UTC) - timedelta(days=min(days, EVALUATIONS_DAYS))
            schedules.purge_asset_evaluations(looked_up.timestamp())
    return Pruned(len(runs), len(old_events), len(old_results))


def _superseded_runs(
    instance: dg.DagsterInstance, storage: SqlEventLogStorage, before: datetime
) -> list[str]:
    """The runs that ended before a moment, and of which nothing is the newest of its kind."""
    ended = instance.get_runs(dg.RunsFilter(statuses=FINISHED_STATUSES, updated_before=before))
    with storage.index_connection() as index:
        needed = {
            *_ids(index, sql.select(events.run_id).where(events.id.in_(_newest_events()))),
            *_ids(index, sql.select(results.run_id).where(results.id.in_(_newest_results()))),
        }
    return [run.run_id for run in ended if run.run_id not in needed]


def _newest_events() -> Any:
    """Ids of the newest event of each kind, of each day of each asset, and of the newest of all.

    SQLite would give the id of a deleted last row to the next one: cursors would miss that.
    """
    of_assets = (
        sql.select(sql.func.max(events.id))
        .where(events.asset_key.is_not(None))
        .group_by(events.asset_key, events.partition, events.dagster_event_type)
    )
    return sql.union_all(of_assets, sql.select(sql.func.max(events.id)))


def _newest_results() -> Any:
    """Ids of the newest result of each kind (planned, succeeded, failed) of each check."""
    return sql.select(sql.func.max(results.id)).group_by(
        results.asset_key, results.check_name, results.execution_status
    )


def _superseded_events(before: datetime) -> Any:
    """Ids of the events without a run that are older than a moment, and not the newest."""
    return sql.select(events.id).where(
        events.run_id == RUNLESS,
        events.timestamp < before.replace(tzinfo=None),
        events.id.not_in(_newest_events()),
    )


def _superseded_results(before: datetime) -> Any:
    return sql.select(results.id).where(
        results.evaluation_event_timestamp < before.replace(tzinfo=None),
        results.id.not_in(_newest_results()),
    )


def _ids(connection: Any, query: Any) -> list[Any]:
    return [row[0] for row in connection.execute(query)]


def _forget_run(instance: dg.DagsterInstance, storage: SqlEventLogStorage, run_id: str) -> None:
    """Delete a run with its events and logs; the run itself last, or else nobody finds the rest."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage.delete_events(run_id)
    instance.run_storage.delete_run(run_id)
    if isinstance(storage, SqliteEventLogStorage):
        for file in _files(Path(storage.path_for_shard(run_id))):
            file.unlink(missing_ok=True)


def _files(database: Path) -> Iterator[Path]:
    """A SQLite database and what lies beside it."""
    for suffix in ("", "-wal", "-shm"):
        yield database.with_name(database.name + suffix)


def _batches(ids: list[int]) -> Iterator[list[int]]:
    for start in range(0, len(ids), ROWS_A_STATEMENT):
        yield ids[start : start + ROWS_A_STATEMENT]


def _forget_events(connect: Any, ids: list[int]) -> None:
    for some in _batches(ids):
        with connect() as connection:
            connection.execute(
                sql.delete(AssetEventTagsTable).where(AssetEventTagsTable.c.event_id.in_(some))
            )
            connection.execute(sql.delete(SqlEventLogStorageTable).where(events.id.in_(some)))


def _forget_results(storage: SqlEventLogStorage, ids: list[int]) -> None:
    for some in _batches(ids):
        with storage.index_connection() as index:
            index.execute(sql.delete(AssetCheckExecutionsTable).where(results.id.in_(some)))
