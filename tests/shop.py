"""A made-up shop: models of which a source could serve, and a DuckDB file that holds them."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
from postgres_server import Database

from predictit_assets.checks.model_schema import ModelColumn, ModelSchema
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.serving import ForeignKey, Served

READER = "made_up_reader"
FIRST = date(2026, 3, 4)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]


def model(
    table: str, columns: str, unique: tuple[str, ...] = (), layer: str = "core", **more: Any
) -> ModelSchema:
    """A model; a column with `?` at its end may be NULL."""
    listed = []
    for one in columns.split(", "):
        name, data_type = one.split(" ", 1)
        described = f"What {name} is: it's \\ said."
        listed.append(ModelColumn(name, data_type.rstrip("?"), described, data_type.endswith("?")))
    return ModelSchema("shop", layer, table, f"Grain of {table}.", tuple(listed), unique, **more)


SALES = Served(
    model(
        "sales",
        "partition_date date, sale_id bigint, till_id bigint?, paid decimal(12,2), "
        "sold_at timestamp, share double?, cash boolean?, number integer?, note varchar?, "
        "phone varchar?",
        ("partition_date", "sale_id"),
        materialized="incremental",
    ),
    private=frozenset({"phone"}),
)
LINES = Served(
    model(
        "lines",
        "partition_date date, line_id bigint, sale_id bigint, units bigint",
        ("line_id",),
        materialized="incremental",
    ),
    references=(ForeignKey(("sale_id", "partition_date"), SALES),),
)
TILLS = Served(
    model("tills", "till_id bigint?, sales bigint, paid decimal(18,2)?", ("till_id",), "marts")
)
DAILY = Served(
    model(
        "daily",
        "partition_date date, paid decimal(18,2)",
        ("partition_date",),
        "live",
        materialized="view",
    ),
    sql='select partition_date, sum(paid) as paid from "core"."sales" group by partition_date',
    reads=frozenset({"sales"}),
)
ALL = [DAILY, LINES, TILLS, SALES]


class Shop:
    """A warehouse of which tests say what it holds."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.warehouse = DuckDBWarehouse(file, 20)
        self.run("create schema core", "create schema marts", "create schema live")
        for one in (SALES, LINES, TILLS):
            columns = ", ".join(f"{name} {of}" for name, of in one.model.types.items())
            self.run(f"create table {one.name} ({columns})")

    def run(self, *statements: str) -> None:
        """Run statements."""
        with duckdb.connect(str(self.file)) as connection:
            connection.execute("set timezone = 'UTC'")
            for statement in statements:
                connection.execute(statement)

    def sell(self, day: date, sales: int, paid: str = "1.25") -> None:
        """Make a day hold so many sales of two lines each; the marts follow."""
        self.run(
            f"delete from core.sales where partition_date = '{day}'",
            f"delete from core.lines where partition_date = '{day}'",
            f"insert into core.sales select '{day}', n, n % 2, {paid}, "
            f"timestamp '{day} 12:00:00.000001', 0.5, n % 2 = 0, 7, 'note', '555' "
            f"from range({sales}) as sold(n)",
            f"insert into core.lines select '{day}', n, n // 2, 3 from range({2 * sales}) as l(n)",
            "delete from marts.tills",
            "insert into marts.tills"
            " select till_id, count(*), sum(paid) from core.sales group by 1",
        )


SEEN = {
    "sales": "select partition_date, count(*), sum(paid) from core.sales group by 1 order by 1",
    "lines": "select partition_date, count(*) from core.lines group by 1 order by 1",
    "tills": "select till_id, sales, paid from marts.tills order by 1",
}


def seen(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What readers see."""
    return {table: database.rows(query) for table, query in SEEN.items()}


def expected(shop: Shop) -> dict[str, list[tuple[Any, ...]]]:
    """The same of the warehouse."""
    with duckdb.connect(str(shop.file)) as connection:
        return {table: connection.execute(query).fetchall() for table, query in SEEN.items()}
