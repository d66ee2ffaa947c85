"""What a warehouse is to the layers, whichever engine it runs on, and what all of them share."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Protocol

from predictit_assets.contract.calendar import DayRange
from predictit_assets.storage.migrations import Columns
from predictit_assets.storage.objects import ObjectStore

if TYPE_CHECKING:  # who only reads needs neither
    import ibis

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

Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs a query (with `?` for each value that follows it) and gives its rows."""


@dataclass(frozen=True)
class LoadedObject:
    """A curated object: the rows of one day of one table."""

    table: str
    partition_date: date
    key: str
    sha256: str
    rows: int


class Warehouse(Protocol):
    """Tables in schemas. Nothing is kept open between two calls, unless it is said."""

    kind: str
    """The engine, in a word."""

    def hold_open(self) -> AbstractContextManager[None]:
        """Makes the many connections of one piece of work, dbt's too, as cheap as one."""
        ...

    def reading(self) -> AbstractContextManager[Ask]:
        """A connection for queries that both engines understand.

        Raises NothingPublished when the warehouse, or a table that is asked for, isn't there.
        """
        ...

    def table(self, schema: str, name: str) -> "AbstractContextManager[ibis.Table]":
        """A table as an Ibis expression, its columns named and typed as the schemas do."""
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
        loaded: Sequence[LoadedObject],
        run_id: str,
    ) -> None:
        """Make staging tables hold exactly what was `loaded` of the window; log it.

        `objects` keeps the Parquet. One transaction for all tables, a number of statements that
        doesn't grow with the days.
        """
        ...


def rows_by_day(
    ask: Ask, schema: str, table: str, window: DayRange, by_day: bool
) -> dict[date, int]:
    """Rows of a table by day of the window; all under the last day when it has no days."""
    if not by_day:
        ((rows,),) = ask(f"select count(*) as row_count from {schema}.{table}")
        return {window.last: rows}
    counted = ask(
        f"select partition_date, count(*) as row_count from {schema}.{table}"
        " where partition_date between ? and ? group by partition_date",
        window.first,
        window.last,
    )
    return dict(counted)
