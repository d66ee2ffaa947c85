"""The warehouse at home: a DuckDB file.

A process that writes shuts out every other one, so a connection is opened late and closed at
once, and a busy file is waited for.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb
import ibis
import pyarrow
from ibis.backends.sql.datatypes import DuckDBType
from tenacity import Retrying, retry_if_exception_message, stop_after_delay, wait_random

from predictit_assets.errors import WarehouseBusy
from predictit_assets.schemas.types import Schema, ibis_schema
from predictit_assets.trading_day import Window

STAGING = "staging"
LOAD_LOG = "load_log"
"""What is staged now and where it came from: one row per staging table and day."""
LOAD_LOG_DDL = f"""
    create table if not exists {STAGING}.{LOAD_LOG} (
        table_name varchar, snapshot_date date, object_key varchar, object_sha256 varchar,
        row_count bigint, run_id varchar
    )"""


@dataclass(frozen=True)
class LoadedObject:
    """A curated object: the rows of one day of one table."""

    snapshot_date: date
    key: str
    sha256: str
    rows: int
    address: str
    """Where DuckDB reads it."""


class Warehouse:
    """The DuckDB file, for as many processes as wait for their turn."""

    def __init__(self, file: Path, lock_timeout: float) -> None:
        self.file = file
        self._lock_timeout = lock_timeout

    @contextmanager
    def connect(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection that reads and writes. Raises WarehouseBusy after the lock timeout."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        retrying = Retrying(
            retry=retry_if_exception_message(match=r"(?s).*lock.*"),
            stop=stop_after_delay(self._lock_timeout),
            wait=wait_random(0.05, 0.3),
            reraise=True,
        )
        try:
            connection = retrying(duckdb.connect, str(self.file))
        except duckdb.IOException as error:
            raise WarehouseBusy(
                f"the warehouse {self.file} can't be opened, after {self._lock_timeout:.0f} s of "
                f"trying: {str(error).splitlines()[0]}"
            ) from None
        try:
            connection.execute("set timezone = 'UTC'")
            yield connection
        finally:
            connection.close()

    @contextmanager
    def table(self, schema: str, name: str) -> Iterator[ibis.Table]:
        """A table as an Ibis expression, for as long as the context lasts."""
        with self.connect() as connection:
            yield ibis.duckdb.from_connection(connection).table(name, database=schema)

    def has(self, schema: str, table: str) -> bool:
        """Whether there is such a table or view."""
        with self.connect() as connection:
            found = connection.execute(
                "select 1 from information_schema.tables where table_schema = ? and table_name = ?",
                [schema, table],
            )
            return found.fetchone() is not None

    def prepare(self, tables: Mapping[str, Schema]) -> None:
        """Make the staging tables that aren't there yet, empty."""
        with self.connect() as connection:
            for table, schema in tables.items():
                _create(connection, table, schema)

    def rows_by_day(self, schema: str, table: str, window: Window) -> dict[date, int]:
        """Rows of a table by day of the window; all under the last day when it has no days."""
        with self.connect() as connection:
            rows = connection.table(f'"{schema}"."{table}"')
            if "snapshot_date" not in rows.columns:
                return {window.last: len(rows)}
            counted = connection.execute(
                f'select snapshot_date, count(*) from "{schema}"."{table}"'
                " where snapshot_date between ? and ? group by all",
                [window.first, window.last],
            )
            return dict(counted.fetchall())

    def replace_window(
        self,
        table: str,
        schema: Schema,
        window: Window,
        objects: Sequence[LoadedObject],
        run_id: str,
    ) -> None:
        """Make a staging table hold exactly `objects` in the window, and the load log say so.

        One transaction, a constant number of statements, however many days there are.
        """
        names = ", ".join(f'"{name}"' for name in ibis_schema(schema))
        log = pyarrow.table(
            {
                "table_name": [table] * len(objects),
                "snapshot_date": [loaded.snapshot_date for loaded in objects],
                "object_key": [loaded.key for loaded in objects],
                "object_sha256": [loaded.sha256 for loaded in objects],
                "row_count": pyarrow.array([loaded.rows for loaded in objects], pyarrow.int64()),
                "run_id": [run_id] * len(objects),
            }
        )
        bounds = [window.first, window.last]
        with self.connect() as connection:
            connection.execute("begin")
            _create(connection, table, schema)
            connection.execute(LOAD_LOG_DDL)
            connection.execute(
                f'delete from {STAGING}."{table}" where snapshot_date between ? and ?', bounds
            )
            connection.execute(
                f"delete from {STAGING}.{LOAD_LOG}"
                " where table_name = ? and snapshot_date between ? and ?",
                [table, *bounds],
            )
            if objects:
                connection.execute(
                    f'insert into {STAGING}."{table}" ({names}) select {names}'
                    " from read_parquet(?, hive_partitioning = false)",
                    [[loaded.address for loaded in objects]],
                )
                connection.register("log_rows", log)
                connection.execute(f"insert into {STAGING}.{LOAD_LOG} from log_rows")
            connection.execute("commit")


def _create(connection: duckdb.DuckDBPyConnection, table: str, schema: Schema) -> None:
    columns = ", ".join(
        f'"{name}" {DuckDBType.to_string(kind)}' for name, kind in ibis_schema(schema).items()
    )
    connection.execute(f"create schema if not exists {STAGING}")
    connection.execute(f'create table if not exists {STAGING}."{table}" ({columns})')
