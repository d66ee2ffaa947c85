"""The warehouse in production: a database of Snowflake, which reads the Parquet from S3 itself.

`predictit setup-warehouse` makes what is used here: the staging tables, the load log, the stage.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import ibis

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema, ibis_schema
from predictit_assets.errors import ExpectedError, NothingPublished
from predictit_assets.storage.migrations import Columns, due, spelled
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import (
    LOAD_LOG,
    STAGING,
    CuratedObject,
    LoadedObject,
    Query,
    identify,
    selected,
    staging_columns,
)

if TYPE_CHECKING:
    import pyarrow
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor

CURATED = "curated"
"""The folder of the bucket that the stage shows: Snowflake sees no other."""
STAGE = f"{STAGING}.{CURATED}"
FILE_FORMAT = f"{STAGING}.parquet_as_typed"
MAX_FILES = 1000
"""Files that one COPY takes by name."""
COLUMNS = """
select table_name, column_name, data_type, numeric_precision, numeric_scale
from information_schema.columns
where table_schema = ?
"""
TOLD_AS = {
    "BIGINT": "NUMBER(38, 0)",
    "DECIMAL": "NUMBER",
    "DOUBLE": "FLOAT",
    "INTEGER": "NUMBER(38, 0)",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "VARCHAR": "TEXT",
}
"""What the information schema calls the types that it doesn't call by the names that we use."""
DOES_NOT_EXIST = 2003
"""Snowflake's error: the object doesn't exist, or the role may not see it."""


class Purpose(StrEnum):
    """What a connection is for: it decides the virtual warehouse and is told in the query tag."""

    LOAD = "load"
    MIGRATE = "migrate"
    CHECK = "check"
    READ = "read"
    SERVE = "serve"
    SETUP = "setup"


Connect = Callable[[Purpose, Mapping[str, str]], AbstractContextManager["SnowflakeConnection"]]
"""Opens a connection (`?` marks values) for a purpose; the rest of the query tag comes with it."""


def column_definitions(schema: Schema) -> str:
    """The columns of a staging table, with the types that they have in DuckDB."""
    return ", ".join(
        # Spelt out, as what TIMESTAMP means is a parameter of the session.
        f"{one.name} {one.kind.sql('snowflake').replace('TIMESTAMP(', 'TIMESTAMP_NTZ(')}"
        for one in ibis_schema(schema).to_sqlglot_column_defs("snowflake")
    )


class SnowflakeWarehouse:
    """The database, through connections that somebody else knows how to open."""

    kind = "snowflake"

    def __init__(self, connect: Connect, database: str) -> None:
        self._connect = connect
        self._database = database.upper()

    def hold_open(self) -> AbstractContextManager[None]:
        """Nothing to hold: sessions share nothing, and each says what it is for."""
        return nullcontext()

    @contextmanager
    def read_connection(self) -> Iterator[Query]:
        """A connection for queries. Raises NothingPublished when there is nothing to ask."""
        from snowflake.connector.errors import ProgrammingError

        with self._connect(Purpose.READ, {}) as connection:

            def ask(query: str, *values: Any) -> list[tuple[Any, ...]]:
                with closing(connection.cursor()) as cursor:
                    cursor.execute(query, values or None)
                    return cursor.fetchall()

            try:
                yield ask
            except ProgrammingError as error:
                if error.errno != DOES_NOT_EXIST:
                    raise
                raise NothingPublished(
                    f"nothing that this role may read is published in {self._database} yet: "
                    "`predictit build` does that"
                ) from None

    @contextmanager
    def table(self, schema: str, name: str) -> Iterator[ibis.Table]:
        """A table as an Ibis expression, for as long as the context lasts."""
        with self._connect(Purpose.CHECK, {"table": f"{schema}.{name}"}) as connection:
            backend = ibis.snowflake.from_connection(connection, create_object_udfs=False)
            table = backend.table(name.upper(), database=(self._database, schema.upper()))
            yield _as_at_home(table)

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
        told = [f"to_json({one}) as {one}" if one in variants else one for one in columns]
        tag = {"table": f"{schema}.{table}"}
        with (
            self._connect(Purpose.SERVE, tag) as connection,
            closing(connection.cursor()) as cursor,
        ):
            cursor.execute(selected(schema, table, told, days), list(days or ()) or None)
            # Snowflake shouts names.
            yield (
                batch.rename_columns(list(columns))
                for chunk in cursor.fetch_arrow_batches()
                for batch in chunk.to_batches()
            )

    def prepare(self, tables: Mapping[str, Schema]) -> None:
        """Nothing: the loader may fill the staging tables, but an administrator makes them."""

    def migrate(self, schema: str, tables: Mapping[str, Columns]) -> None:
        """Bring tables, as far as they are there, to the columns of this release.

        Snowflake commits each change at once. One that was made is not due the next time.
        """
        with (
            self._connect(Purpose.MIGRATE, {"table": ", ".join(tables)}) as connection,
            closing(connection.cursor()) as cursor,
        ):
            for statement in _due(_columns(cursor, schema), schema, tables):
                cursor.execute(statement)

    def replace_window(
        self,
        tables: Mapping[str, Schema],
        window: DayRange,
        objects: ObjectStore,
        curated: Sequence[CuratedObject],
        run_id: str,
    ) -> list[LoadedObject]:
        """Make staging tables hold, of the window, exactly what is curated; log it."""
        from snowflake.connector.errors import Error

        loaded = []
        for one in curated:
            # Snowflake reads the bucket itself: here an object is only counted and hashed.
            with objects.files([one.key]) as (file,):
                loaded.append(identify(one, file, tables[one.table]))
        with (
            self._connect(Purpose.LOAD, {"table": ", ".join(tables), "run": run_id}) as connection,
            closing(connection.cursor()) as cursor,
        ):
            held = _columns(cursor, STAGING)
            # The loader may fill the tables, but an administrator makes them.
            if missing := [one for one in (*tables, LOAD_LOG) if one not in held]:
                raise ExpectedError(
                    f"`predictit setup-warehouse` has to make {', '.join(missing)} in {STAGING}: "
                    "they aren't there, or this role may not see them"
                )
            if pending := _due(held, STAGING, staging_columns(tables)):
                raise ExpectedError(
                    f"`predictit setup-warehouse` has to bring {STAGING} to this release: "
                    + "; ".join(pending)
                )
            cursor.execute("begin")
            try:
                for table in tables:
                    self._replace(cursor, table, window, loaded, run_id)
                cursor.execute("commit")
            except BaseException:
                # Snowflake keeps a failed transaction open: a later DDL would commit half of it.
                # Where the session is gone, so is what it left open.
                with suppress(Error):
                    cursor.execute("rollback")
                raise
        return loaded

    @staticmethod
    def _replace(
        cursor: "SnowflakeCursor",
        table: str,
        window: DayRange,
        loaded: Sequence[LoadedObject],
        run_id: str,
    ) -> None:
        cursor.execute(
            f"delete from {STAGING}.{table} where partition_date between ? and ?",
            (window.first, window.last),
        )
        cursor.execute(
            f"delete from {STAGING}.{LOAD_LOG}"
            " where table_name = ? and partition_date between ? and ?",
            (table, window.first, window.last),
        )
        held = [one for one in loaded if one.table == table]
        for start in range(0, len(held), MAX_FILES):
            some = held[start : start + MAX_FILES]
            cursor.execute(copy_statement(table, [one.key for one in some]))
            cursor.executemany(
                f"insert into {STAGING}.{LOAD_LOG} values (?, ?, ?, ?, ?, ?)",
                [
                    (table, one.partition_date, one.key, one.sha256, one.rows, run_id)
                    for one in some
                ],
            )


def snowflake_type(data_type: str) -> str:
    """A type as DuckDB spells it, as Snowflake tells it of a column."""
    name, bracket, precision = spelled(data_type).partition("(")
    return TOLD_AS.get(name, name) + bracket + precision


def _columns(cursor: "SnowflakeCursor", schema: str) -> dict[str, dict[str, str]]:
    """The tables of a schema that the role sees, with the types of their columns."""
    cursor.execute(COLUMNS, (schema.upper(),))
    found: dict[str, dict[str, str]] = {}
    for table, column, data_type, precision, scale in cursor.fetchall():
        held = f"NUMBER({precision}, {scale})" if data_type == "NUMBER" else data_type
        found.setdefault(table.lower(), {})[column] = held
    return found


def _due(
    found: Mapping[str, Mapping[str, str]], schema: str, tables: Mapping[str, Columns]
) -> list[str]:
    """The statements that bring tables, as far as they are there, to this release."""
    wanted = {
        table: {column: snowflake_type(of) for column, of in columns.items()}
        for table, columns in tables.items()
    }
    return due(schema, found, wanted)


def copy_statement(table: str, keys: Sequence[str]) -> str:
    """The COPY of exactly these objects, whether or not Snowflake remembers having loaded them."""
    files = ", ".join(f"'{key.removeprefix(f'{CURATED}/')}'" for key in keys)
    return (
        f"copy into {STAGING}.{table} from @{STAGE} files = ({files})"
        f" file_format = (format_name = '{FILE_FORMAT}')"
        " match_by_column_name = case_insensitive on_error = abort_statement force = true"
    )


def _as_at_home(table: ibis.Table) -> ibis.Table:
    """Names and types as in the schemas: Snowflake shouts names and counts nanoseconds."""
    table = table.rename(str.lower)
    moments = [name for name, kind in table.schema().items() if kind.is_timestamp()]
    return table.cast(dict.fromkeys(moments, "timestamp(6)"))
