"""Clean-up of the Dagster instance: old runs and events that nothing depends on are deleted.

Dagster purges ticks itself (dagster.yaml), but neither runs nor events. Kept is the newest event
of each kind, of each day of each asset, and the newest result of each kind of each check: they
decide partitions, freshness, automation and alerts. A run is kept whole while one of them is its
own. What other code locations have in the same instance isn't touched. The SQL relies on tables of
Dagster's event log that tests/instance/test_upstream.py pins.
"""

from collections.abc import Callable, Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.schedules.schema import AssetDaemonAssetEvaluationsTable
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage

from predictit_assets.instance.location import LOCATION, is_own
from predictit_assets.instance.names import RUNLESS

EVALUATIONS_DAYS = 1
"""Days for which the UI can say why automation requested something; each poll adds 158 kB.

Dagster's own limit is 30 days.
"""
MAX_ROWS = 500
"""Rows that one statement deletes: it locks out all other writers."""
FINISHED = [
    dg.DagsterRunStatus.SUCCESS,
    dg.DagsterRunStatus.FAILURE,
    dg.DagsterRunStatus.CANCELED,
]

Connect = Callable[[], AbstractContextManager[sql.Connection]]
events = SqlEventLogStorageTable.c
results = AssetCheckExecutionsTable.c
evaluations = AssetDaemonAssetEvaluationsTable.c

# The last event of all is kept too: SQLite would give its id to the next event, and cursors
# would miss that one.
NEWEST_EVENTS = sql.union_all(
    sql.select(sql.func.max(events.id))
    .where(events.asset_key.is_not(None))
    .group_by(events.asset_key, events.partition, events.dagster_event_type),
    sql.select(sql.func.max(events.id)),
)
NEWEST_RESULTS = sql.select(sql.func.max(results.id)).group_by(
    results.asset_key, results.check_name, results.execution_status
)


@dataclass(frozen=True)
class Pruned:
    """What was deleted, or would be."""

    runs: int
    events: int
    """Reported without a run, as each poll is."""
    results: int
    """Of checks."""
    refusal: str = ""
    """Why nothing is ever deleted."""

    def __str__(self) -> str:
        return self.refusal or (
            f"{self.runs} runs, {self.events} events without a run and {self.results} results of "
            "checks"
        )


def prune(
    instance: dg.DagsterInstance,
    days: int,
    keys: Collection[dg.AssetKey],
    dry_run: bool = False,
    location: str = LOCATION,
) -> Pruned:
    """Delete what is more than `days` days old and superseded. Safe to interrupt and to repeat.

    Only runs of this code location and what is about the assets of `keys`, which are its own.
    """
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        kind = type(storage).__name__
        return Pruned(0, 0, 0, f"its storage is {kind}, which looks after what is old by itself")
    before = datetime.now(UTC) - timedelta(days=days)
    index: Connect = storage.index_connection
    own = [key.to_string() for key in keys]
    old_events = sql.select(events.id).where(
        events.run_id == RUNLESS,
        events.asset_key.in_(own),
        events.timestamp < before.replace(tzinfo=None),
        events.id.not_in(NEWEST_EVENTS),
    )
    old_results = sql.select(results.id).where(
        results.asset_key.in_(own),
        results.evaluation_event_timestamp < before.replace(tzinfo=None),
        results.id.not_in(NEWEST_RESULTS),
    )
    needed = set(_column(index, sql.select(events.run_id).where(events.id.in_(NEWEST_EVENTS))))
    needed |= set(_column(index, sql.select(results.run_id).where(results.id.in_(NEWEST_RESULTS))))
    runs = [
        run.run_id
        for run in instance.get_runs(dg.RunsFilter(statuses=FINISHED, updated_before=before))
        if run.run_id not in needed and is_own(run, location)
    ]
    event_ids, result_ids = _column(index, old_events), _column(index, old_results)
    if not dry_run:
        for run_id in runs:
            _delete_run(instance, run_id)
        _delete(index, results.id, result_ids)
        _delete(index, AssetEventTagsTable.c.event_id, event_ids)
        _delete(index, events.id, event_ids)
        # SQLite has a second copy of them, under other ids.
        copies: Connect = lambda: storage.run_connection(RUNLESS)  # noqa: E731
        _delete(copies, events.id, _column(copies, old_events))
        schedules = instance.schedule_storage
        if isinstance(schedules, SqlScheduleStorage):
            evaluated = datetime.now(UTC) - timedelta(days=min(days, EVALUATIONS_DAYS))
            old_evaluations = sql.select(evaluations.id).where(
                evaluations.asset_key.in_([key.to_db_string() for key in keys]),
                evaluations.create_timestamp < evaluated,
            )
            connect: Connect = schedules.connect
            _delete(connect, evaluations.id, _column(connect, old_evaluations))
    return Pruned(len(runs), len(event_ids), len(result_ids))


def _delete_run(instance: dg.DagsterInstance, run_id: str) -> None:
    """Delete a run, its events and its logs; the run last, as without it nothing finds the rest."""
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    storage.delete_events(run_id)
    instance.delete_run(run_id)
    if isinstance(storage, SqliteEventLogStorage):  # which leaves the file of the run
        file = Path(storage.path_for_shard(run_id))
        for suffix in ("", "-wal", "-shm"):
            file.with_name(file.name + suffix).unlink(missing_ok=True)


def _column(connect: Connect, query: Any) -> list[Any]:
    with connect() as connection:
        return list(connection.execute(query).scalars())


def _delete(connect: Connect, column: Any, values: list[int]) -> None:
    for start in range(0, len(values), MAX_ROWS):
        some = column.in_(values[start : start + MAX_ROWS])
        with connect() as connection:
            connection.execute(sql.delete(column.table).where(some))
