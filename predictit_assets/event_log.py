"""Dagster's event log at home: the SQLite files of Dagster, with fewer trips to the disk.

Dagster opens and closes a connection for each of the hundreds of events of a run, and SQLite tidies
its files up at each close. Here connections stay open, and what comes together is kept together.
It leans on two insides of Dagster's class; tests/test_event_log.py holds them to what is expected.
"""

import os
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import RLock
from typing import Any

import dagster as dg
import sqlalchemy as sql
from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
    INDEX_SHARD_NAME,
    SqliteEventLogStorage,
)
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._serdes import ConfigurableClassData
from sqlalchemy.engine import Connection, Engine

MOST_OPEN = 4
"""Databases kept open: the index, the events without a run, and the newest runs."""
EVENTS_A_BATCH = 500


class EventLog(SqliteEventLogStorage):
    """The event log in the folder of the instance, where Dagster has it by default."""

    def __init__(self, inst_data: ConfigurableClassData | None = None) -> None:
        self._inst_data = inst_data
        self._lock = RLock()
        self._engines: OrderedDict[str, Engine] = OrderedDict()
        self._joined: dict[str, Connection] = {}
        # Otherwise Dagster stores a batch (the planned events of a run, the days of a range of one
        # asset) event by event.
        os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", str(EVENTS_A_BATCH))

    @classmethod
    def config_type(cls) -> Any:
        """Nothing can be set."""
        return {}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Any) -> Any:  # noqa: ARG003
        """Made by Dagster, as dagster.yaml says."""
        return cls(inst_data)

    def register_instance(self, instance: dg.DagsterInstance) -> None:
        """Open the log of an instance; only now it is known where that is."""
        folder = Path(instance.root_directory) / "history" / "runs"
        super().__init__(str(folder), self._inst_data)
        super().register_instance(instance)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Keep an event."""
        super().store_event(event)
        # The UI follows a run by this file, which SQLite no longer writes to at each event.
        os.utime(self.path_for_shard(event.run_id))

    def store_event_batch(self, events: Sequence[dg.EventLogEntry]) -> None:
        """Keep events of one run in one transaction."""
        run_id = events[0].run_id
        with self._connect(run_id) as run, self._connect(INDEX_SHARD_NAME) as index:
            self._joined = {run_id: run, INDEX_SHARD_NAME: index}
            try:
                super().store_event_batch(events)
            finally:
                self._joined = {}

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with self._lock:
            if joined := self._joined.get(shard):
                yield joined
                return
            with self._engine(shard).connect() as connection, connection.begin():
                yield connection

    def _engine(self, shard: str) -> Engine:
        engine = self._engines.pop(shard, None)
        # Whoever deletes a run deletes its file.
        if engine is None or not Path(self.path_for_shard(shard)).exists():
            engine = sql.create_engine(
                self.conn_string_for_shard(shard),
                connect_args={"timeout": SQLITE_BUSY_TIMEOUT_SECONDS},
            )
            sql.event.listen(engine, "connect", _sync_less)
            self._initdb(engine)
        self._engines[shard] = engine
        if len(self._engines) > MOST_OPEN:
            _, oldest = self._engines.popitem(last=False)
            oldest.dispose()
        return engine


def _sync_less(connection: Any, _record: Any) -> None:
    # Nothing is lost when a process is killed. A power cut may take the last events of the log, but
    # leaves it whole; what the pipeline made lies elsewhere.
    connection.execute("pragma synchronous = normal")
