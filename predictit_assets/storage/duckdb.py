"""The warehouse at home: a DuckDB file.

A process that writes shuts out every other one, so a connection is opened late and closed at
once, and a busy file is waited for.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import NothingPublished, WarehouseBusy, WarehouseUnusable
from predictit_assets.interrupts import calling_on_interrupt
from predictit_assets.storage.migrations import Columns, due
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import (
    LOAD_LOG,
    LOAD_LOG_COLUMNS,
    STAGING,
    CuratedObject,
    LoadedObject,
    Query,
    identify,
    selected,
    staging_columns,
)

# The board only reads, and is to answer at once; a load asks nothing: see loading.
if TYPE_CHECKING:
    import duckdb
    import ibis
    import pyarrow

    from predictit_assets.contract.schema import Schema

LOCKED = "Could not set lock"
"""What DuckDB says of a file that another process holds."""
BATCH_ROWS = 50_000
"""Rows that are given at a time, where somebody reads them all."""
MEMORY_MB = 400
"""What DuckDB may take; beyond it, it uses the disk."""


@contextmanager
def scratch() -> "Iterator[duckdb.DuckDBPyConnection]":
    """DuckDB without a file, for what lies elsewhere, within the same bounds as the warehouse."""
    import duckdb

    with TemporaryDirectory(prefix="predictit-") as folder:
        bounds: dict[str, Any] = {"memory_limit": f"{MEMORY_MB}MB", "temp_directory": folder}
        with duckdb.connect(config=bounds) as connection, _interruptible(connection):
            yield connection


def _interruptible(connection: "duckdb.DuckDBPyConnection") -> AbstractContextManager[None]:
    """With several threads DuckDB itself may notice an interrupt when the query is done."""
    return calling_on_interrupt(connection.interrupt)


class DuckDBWarehouse:
    """The DuckDB file, for as many processes as wait for their turn."""

    kind = "duckdb"

    def __init__(self, file: Path, lock_timeout: float, memory_mb: int = MEMORY_MB) -> None:
        self.file = file
        self._memory_mb = memory_mb
        self._lock_timeout = lock_timeout

    @contextmanager
    def connect(self, *, only_read: bool = False) -> "Iterator[duckdb.DuckDBPyConnection]":
        """A connection that reads and writes; whoever only reads may lack the right to write.

        Raises WarehouseBusy after the lock timeout, WarehouseUnusable at once.
        """
        self.file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        connection = self._opened(only_read)
        try:
            connection.execute("set timezone = 'UTC'")
            connection.execute(f"set memory_limit = '{self._memory_mb}MB'")
            with _interruptible(connection):
                yield connection
        finally:
            connection.close()

    def _opened(self, only_read: bool) -> "duckdb.DuckDBPyConnection":
        import duckdb

        retrying = Retrying(
            retry=retry_if_exception_message(match=rf"(?s).*{LOCKED}.*"),
            stop=stop_after_delay(self._lock_timeout),
            wait=wait_random(0.05, 0.3),
            reraise=True,
        )
        try:
            try:
                return retrying(duckdb.connect, str(self.file))
            except duckdb.IOException as error:
                if not only_read or LOCKED in str(error) or not self.file.exists():
                    raise
                # Not at first: in one process all connections to a file have to be of one kind.
                return retrying(duckdb.connect, str(self.file), read_only=True)
        except duckdb.Error as error:
            said = str(error).splitlines()[0]
            if LOCKED in said:
                raise WarehouseBusy(
                    f"the warehouse {self.file} can't be opened, after {self._lock_timeout:.0f} s "
                    f"of trying: {said}"
                ) from None
            raise WarehouseUnusable(f"the warehouse {self.file} can't be opened: {said}") from None

    @contextmanager
    def hold_open(self) -> Iterator[None]:
        """Hold the file: whatever opens it in this process meanwhile shares what is open.

        Otherwise the last to close it writes everything out, and the next reads it in again.
        """
        with self.connect():
            yield

    @contextmanager
    def read_connection(self) -> Iterator[Query]:
        """A connection for queries. Raises NothingPublished when there is nothing to ask."""
        import duckdb

        if not self.file.exists():
            raise NothingPublished(
                f"there is no warehouse at {self.file} yet: `predictit build` makes it of what is "
                "held (the demo keeps its own: PREDICTIT_HOME=data/sample)"
            )
        try:
            with self.connect(only_read=True) as connection:
                yield lambda query, *values: connection.execute(query, values).fetchall()
        except duckdb.CatalogException:
            raise NothingPublished(
                "nothing is published yet: `predictit build` does that"
            ) from None

    @contextmanager
    def table(self, schema: str, name: str) -> "Iterator[ibis.Table]":
        """A table as an Ibis expression, for as long as the context lasts."""
        import ibis

        with self.connect() as connection:
            yield ibis.duckdb.from_connection(connection).table(name, database=schema)

    @contextmanager
    def batches(
        self,
        schema: str,
        table: str,
        columns: Sequence[str],
        days: Collection[date] | None,
        variants: Collection[str] = (),
    ) -> "Iterator[Iterator[pyarrow.RecordBatch]]":
        """The rows of a table, of some days or all of them, some at a time."""
        told = [
            f"cast(cast({one} as json) as varchar) as {one}" if one in variants else one
            for one in columns
        ]
        with self.connect(only_read=True) as connection:
            query = selected(schema, table, told, days)
            yield connection.sql(query, params=list(days or ())).to_arrow_reader(BATCH_ROWS)

    def prepare(self, tables: "Mapping[str, Schema]") -> None:
        """Make the staging tables that aren't there yet, empty; bring the others up to date."""
        with self.connect() as connection:
            _migrate(connection, STAGING, staging_columns(tables))
            for table, schema in tables.items():
                _create(connection, table, schema)

    def migrate(self, schema: str, tables: Mapping[str, Columns]) -> None:
        """Bring tables, as far as they are there, to the columns of this release, or none."""
        with self.connect() as connection:
            _migrate(connection, schema, tables)

    def replace_window(
        self,
        tables: "Mapping[str, Schema]",
        window: DayRange,
        objects: ObjectStore,
        curated: Sequence[CuratedObject],
        run_id: str,
    ) -> list[LoadedObject]:
        """Make staging tables hold, of the window, exactly what is curated; log it."""
        import pyarrow

        from predictit_assets.contract.schema import ibis_schema

        bounds: list[Any] = [window.first, window.last]
        # The files come first: nobody waits for the warehouse while they are fetched.
        with objects.files([one.key for one in curated]) as files:
            loaded = [
                identify(one, file, tables[one.table])
                for one, file in zip(curated, files, strict=True)
            ]
            log = pyarrow.table(
                {
                    "table_name": [one.table for one in loaded],
                    "partition_date": [one.partition_date for one in loaded],
                    "object_key": [one.key for one in loaded],
                    "object_sha256": [one.sha256 for one in loaded],
                    "row_count": pyarrow.array([one.rows for one in loaded], pyarrow.int64()),
                    "run_id": [run_id] * len(loaded),
                }
            )
            with self.connect() as connection:
                # Closing writes everything to the file anyway: not to the log first.
                connection.execute("set checkpoint_threshold = '1KB'")
                _migrate(connection, STAGING, staging_columns(tables))
                connection.execute("begin")
                for table, schema in tables.items():
                    _create(connection, table, schema)
                    connection.execute(
                        f'delete from {STAGING}."{table}" where partition_date between ? and ?',
                        bounds,
                    )
                    held = [
                        file for one, file in zip(loaded, files, strict=True) if one.table == table
                    ]
                    if held:
                        names = ", ".join(f'"{name}"' for name in ibis_schema(schema))
                        connection.execute(
                            f'insert into {STAGING}."{table}" ({names}) select {names}'
                            " from read_parquet(?, hive_partitioning = false)",
                            [held],
                        )
                _write_load_log(connection, list(tables), bounds, log)
                connection.execute("commit")
        return loaded


def _write_load_log(
    connection: "duckdb.DuckDBPyConnection", tables: list[str], bounds: list[Any], log: Any
) -> None:
    connection.execute(f"create table if not exists {STAGING}.{LOAD_LOG} ({LOAD_LOG_COLUMNS})")
    connection.execute(
        f"delete from {STAGING}.{LOAD_LOG}"
        " where list_contains(?, table_name) and partition_date between ? and ?",
        [tables, *bounds],
    )
    connection.register("log_rows", log)
    connection.execute(f"insert into {STAGING}.{LOAD_LOG} from log_rows")


def _migrate(
    connection: "duckdb.DuckDBPyConnection", schema: str, tables: Mapping[str, Columns]
) -> None:
    """Bring tables, as far as they are there, to the columns of this release, or none."""
    found: dict[str, dict[str, str]] = {}
    for table, column, data_type in connection.execute(
        "select table_name, column_name, data_type from duckdb_columns()"
        " where database_name = current_database() and schema_name = ? and not internal",
        [schema],
    ).fetchall():
        found.setdefault(table, {})[column] = data_type
    pending = due(schema, found, tables)
    if not pending:
        return
    connection.execute("begin")
    for statement in pending:
        connection.execute(statement)
    connection.execute("commit")


def _create(connection: "duckdb.DuckDBPyConnection", table: str, schema: "Schema") -> None:
    from predictit_assets.contract.schema import ibis_schema

    # DuckDB takes the types from Arrow: the same that the Parquet files have.
    connection.register("no_rows", ibis_schema(schema).to_pyarrow().empty_table())
    connection.execute(f"create schema if not exists {STAGING}")
    connection.execute(f'create table if not exists {STAGING}."{table}" as from no_rows')
