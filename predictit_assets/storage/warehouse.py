"""What a warehouse is to the layers, whichever engine it runs on, and what all of them share."""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import ExpectedError
from predictit_assets.storage.migrations import Columns
from predictit_assets.storage.objects import ObjectStore

if TYPE_CHECKING:  # who only reads needs neither
    import ibis
    import pyarrow

    from predictit_assets.contract.schema import Schema

STAGING = "staging"
MODEL_LAYERS = ("stg", "core", "marts", "live")
"""The layers that dbt builds, in their order: each is a schema, and a folder below its source's."""
LOAD_LOG = "load_log"
"""What is staged now and where it came from: one row per staging table and day."""
LOAD_LOG_COLUMNS = """
    table_name varchar, partition_date date, object_key varchar, object_sha256 varchar,
    row_count bigint, run_id varchar
"""

Query = Callable[..., list[tuple[Any, ...]]]
"""Runs a query (with `?` for each value that follows it) and gives its rows."""


def staging_columns(tables: "Mapping[str, Schema]") -> dict[str, Columns]:
    """The columns that staging tables and the load log have in this release."""
    from predictit_assets.contract.schema import ibis_schema
    from predictit_assets.storage.migrations import sql_types

    log = dict(one.split() for one in LOAD_LOG_COLUMNS.split(","))
    return {
        LOAD_LOG: log,
        **{table: sql_types(ibis_schema(schema)) for table, schema in tables.items()},
    }


class CuratedObject(NamedTuple):
    """The Parquet file of one day of one table."""

    table: str
    day: date
    key: str


@dataclass(frozen=True)
class LoadedObject:
    """A curated object whose rows are staged."""

    table: str
    partition_date: date
    key: str
    sha256: str
    rows: int


def identify(curated: CuratedObject, file: str, schema: "Schema") -> LoadedObject:
    """What the load log says of a curated object, read from its file. Raises ExpectedError."""
    import pyarrow.parquet

    from predictit_assets.contract.schema import ibis_schema

    with Path(file).open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    metadata = pyarrow.parquet.read_metadata(file)
    missing = set(ibis_schema(schema)) - set(metadata.schema.to_arrow_schema().names)
    if missing:
        raise ExpectedError(
            f"{curated.key} was written by another release and lacks {', '.join(sorted(missing))}: "
            f"`predictit build --from {curated.day} --to {curated.day}` writes it anew"
        )
    return LoadedObject(curated.table, curated.day, curated.key, digest, metadata.num_rows)


class Warehouse(Protocol):
    """Tables in schemas. Connections are opened per call unless `hold_open()` is active."""

    kind: str
    """The engine, in a word."""

    def hold_open(self) -> AbstractContextManager[None]:
        """Makes the many connections of one piece of work, dbt's too, as cheap as one."""
        ...

    def read_connection(self) -> AbstractContextManager[Query]:
        """A connection for queries that both engines understand.

        Raises NothingPublished when the warehouse, or a table that is asked for, isn't there.
        """
        ...

    def table(self, schema: str, name: str) -> "AbstractContextManager[ibis.Table]":
        """A table as an Ibis expression, its columns named and typed as the schemas do."""
        ...

    def batches(
        self,
        schema: str,
        table: str,
        columns: Sequence[str],
        days: Collection[date] | None,
        variants: Collection[str] = (),
    ) -> "AbstractContextManager[Iterator[pyarrow.RecordBatch]]":
        """The rows of a table, of some days or all of them, some at a time.

        Columns among `variants` come as JSON texts.
        """
        ...

    def prepare(self, tables: "Mapping[str, Schema]") -> None:
        """See to it that the staging tables are there, be they empty."""
        ...

    def migrate(self, schema: str, tables: Mapping[str, Columns]) -> None:
        """Bring tables of a schema, as far as they are there, to the columns of this release.

        `tables` are the types of the columns by table. Raises TableOutdated where it can't be done.
        """
        ...

    def replace_window(
        self,
        tables: "Mapping[str, Schema]",
        window: DayRange,
        objects: ObjectStore,
        curated: Sequence[CuratedObject],
        run_id: str,
    ) -> list[LoadedObject]:
        """Make staging tables hold, of the window, exactly what is `curated`; log it.

        `objects` keeps the Parquet. One transaction for all tables, a number of statements that
        doesn't grow with the days.
        """
        ...


def selected(schema: str, table: str, columns: Sequence[str], days: Collection[date] | None) -> str:
    """The query of some columns of some days (a `?` each), or of all rows."""
    query = f"select {', '.join(columns)} from {schema}.{table}"
    return query if days is None else f"{query} where {among(days)}"


def among(days: Collection[date]) -> str:
    """The condition that a row is of one of these days: a `?` each."""
    return f"partition_date in ({', '.join('?' * len(days)) or 'null'})"


def rows_by_day(
    query: Query, schema: str, table: str, window: DayRange, by_day: bool
) -> dict[date, int]:
    """Rows of a table by day of the window; all under the last day when it has no days."""
    if not by_day:
        ((rows,),) = query(f"select count(*) as row_count from {schema}.{table}")
        return {window.last: rows}
    counted = query(
        f"select partition_date, count(*) as row_count from {schema}.{table}"
        " where partition_date between ? and ? group by partition_date",
        window.first,
        window.last,
    )
    return dict(counted)
