"""How tables that exist are brought to the columns of this release, before anything is written.

A column that was renamed is renamed, and one that is new is added, empty. What can't be decided
without knowing the rows (another type, a column that is gone) is an error that says how to rebuild:
every table of the warehouse can be made again from what the store keeps.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from predictit_assets.errors import ExpectedError

if TYPE_CHECKING:
    import ibis

RENAMED = {"snapshot_date": "partition_date"}
"""Columns that an earlier release named otherwise, in any table: the old name, and the new one."""

ALIASES = {"TEXT": "VARCHAR", "TIMESTAMP(6)": "TIMESTAMP"}
"""Names of one type."""

Columns = Mapping[str, str]
"""Names and SQL types, as DuckDB spells them."""


class TableOutdated(ExpectedError):
    """A table has columns that this release can't use."""


@dataclass(frozen=True)
class Rename:
    """A column gets another name."""

    old: str
    new: str


@dataclass(frozen=True)
class Add:
    """A column that is new: NULL in the rows that are there."""

    column: str
    data_type: str


Change = Rename | Add


def changes(table: str, existing: Columns, wanted: Columns) -> list[Change]:
    """What has to be done to a table for it to have the wanted columns, in whatever order.

    `table` is named with its schema. Both must spell their types alike: see spelled. Raises
    TableOutdated where columns can't be told to be the same.
    """
    columns = {name.lower(): spelled(data_type) for name, data_type in existing.items()}
    made: list[Change] = []
    for old, new in RENAMED.items():
        if new in wanted and old not in wanted and old in columns and new not in columns:
            made.append(Rename(old, new))
            columns[new] = columns.pop(old)
    for name, data_type in wanted.items():
        if name not in columns:
            made.append(Add(name, data_type))
        elif columns[name] != spelled(data_type):
            raise TableOutdated(
                f"the column {name} of {table} is {columns[name]}, and {spelled(data_type)} in "
                f"this release: {_rebuild(table)}"
            )
    for name in columns:
        if name not in wanted:
            raise TableOutdated(
                f"{table} has the column {name}, which this release doesn't know: {_rebuild(table)}"
            )
    return made


def sql_types(schema: "ibis.Schema") -> dict[str, str]:
    """The SQL type of each column, in order."""
    columns = schema.to_sqlglot_column_defs("duckdb")
    return {column.name: column.args["kind"].sql("duckdb") for column in columns}


def _rebuild(table: str) -> str:
    return f"drop the table ({table}), and `predictit build` makes it again"


def statements(table: str, made: Iterable[Change]) -> Iterator[str]:
    """The changes in SQL that both engines understand."""
    for change in made:
        match change:
            case Rename(old, new):
                yield f"alter table {table} rename column {old} to {new}"
            case Add(column, data_type):
                yield f"alter table {table} add column {column} {data_type}"


def due(schema: str, found: Mapping[str, Columns], wanted: Mapping[str, Columns]) -> list[str]:
    """The statements that bring tables, as far as they are there, to the wanted columns.

    All tables are looked at before the first statement is given. Raises TableOutdated.
    """
    return [
        statement
        for table in wanted.keys() & found.keys()
        for statement in statements(
            f"{schema}.{table}", changes(f"{schema}.{table}", found[table], wanted[table])
        )
    ]


def spelled(data_type: str) -> str:
    """A type in one spelling: `decimal(6, 4)` is `DECIMAL(6,4)`, `text` is `VARCHAR`."""
    one = data_type.upper().replace(" ", "")
    return ALIASES.get(one, one)
