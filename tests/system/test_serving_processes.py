"""Serving from Snowflake, emulated, and by a process that is killed."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from deployment import Deployment, deployed, predictit, variables
from postgres_server import Database

from predictit_assets import factory
from predictit_assets.checks.model_schema import ModelColumn, ModelSchema
from predictit_assets.storage.objects import Bucket
from predictit_assets.storage.serving import Served, Serving

READER = "made_up_reader"
TYPES = {
    "partition_date": "date",
    "sale_id": "bigint",
    "paid": "decimal(18, 2)",
    "sold_at": "timestamp",
    "share": "double",
    "cash": "boolean",
    "number": "integer",
    "note": "varchar",
}
SALES = Served(
    ModelSchema(
        "shop",
        "core",
        "sales",
        "A row a sale.",
        tuple(
            ModelColumn(
                name, of, f"The {name}.", nullable=name not in ("partition_date", "sale_id")
            )
            for name, of in TYPES.items()
        ),
        ("sale_id", "partition_date"),
        "incremental",
    )
)
MONDAY, TUESDAY = date(2026, 3, 9), date(2026, 3, 10)


@pytest.fixture(scope="module")
def deployment(
    s3: str, new_bucket: Callable[[], Bucket], tmp_path_factory: Any
) -> Iterator[Deployment]:
    """A warehouse in Snowflake that is set up."""
    with deployed(s3, new_bucket(), tmp_path_factory.mktemp("served")) as made:
        with variables(made.environment):
            predictit(*made.setup)
        yield made


def test_snowflakes_tables_are_served_as_they_are(
    deployment: Deployment, database: Database
) -> None:
    columns = ", ".join(
        f"{name} {'timestamp_ntz(6)' if of == 'timestamp' else of}" for name, of in TYPES.items()
    )
    deployment.execute(
        f"create or replace table core.sales ({columns})",
        "insert into core.sales values"
        f" ('{MONDAY}', 9007199254740993, 90071992547409.93, '2026-03-09 06:59:59.999999', 0.1,"
        " true, -2147483648, 'a ü'),"
        f" ('{MONDAY}', 2, null, null, null, null, null, null),"
        f" ('{TUESDAY}', 3, -0.01, '1969-12-31 23:59:59.000001', 1e-300, false, 0, '')",
    )
    serving = Serving(database.url, READER, 20)
    warehouse = factory.warehouse(deployment.settings)
    served = "select * from core.sales order by sale_id desc"
    monday = (
        MONDAY,
        9007199254740993,
        Decimal("90071992547409.93"),
        datetime(2026, 3, 9, 6, 59, 59, 999999, tzinfo=UTC),
        0.1,
        True,
        -(2**31),
        "a ü",
    )
    blank = (MONDAY, 2, None, None, None, None, None, None)
    tuesday = (
        TUESDAY,
        3,
        Decimal("-0.01"),
        datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
        1e-300,
        False,
        0,
        "",
    )

    assert serving.publish("shop", [SALES], warehouse, [MONDAY]).rows == {"sales": 3}
    assert database.rows("set time zone 'UTC'", served) == [monday, tuesday, blank]

    deployment.execute(f"update core.sales set note = 'other' where partition_date = '{TUESDAY}'")
    assert serving.publish("shop", [SALES], warehouse, [MONDAY]).rows == {"sales": 2}
    assert database.rows("set time zone 'UTC'", served) == [monday, tuesday, blank]
    assert serving.publish("shop", [SALES], warehouse, [TUESDAY]).rows == {"sales": 1}
    (_, changed, _) = database.rows("set time zone 'UTC'", served)
    assert changed == (*tuesday[:-1], "other")

    # A day that is gone from the warehouse goes here too.
    deployment.execute("delete from core.sales")
    serving.publish("shop", [SALES], warehouse, [TUESDAY])
    assert database.rows(served) == []


PUBLISHER = """
import sys, time
from pathlib import Path
sys.path[:0] = [{tests!r}, {system!r}]
import test_serving_processes as made
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.serving import Serving, Session

real = Session.copy

def copy(session, *args):
    real(session, *args)
    print("copied", flush=True)
    time.sleep(600)

Session.copy = copy
serving = Serving({url!r}, made.READER, 20)
serving.publish("shop", [made.SALES], DuckDBWarehouse(Path({file!r}), 20), [made.MONDAY])
"""


def test_a_publisher_that_is_killed_leaves_the_old_rows_and_no_lock(
    database: Database, tmp_path: Path
) -> None:
    from predictit_assets.storage.duckdb import DuckDBWarehouse

    file = tmp_path / "warehouse.duckdb"
    serving, warehouse = Serving(database.url, READER, 20), DuckDBWarehouse(file, 20)
    with duckdb.connect(str(file)) as connection:
        connection.execute("create schema core")
        columns = ", ".join(f"{name} {of}" for name, of in TYPES.items())
        connection.execute(f"create table core.sales ({columns})")
        connection.execute(
            f"insert into core.sales (partition_date, sale_id) values ('{MONDAY}', 1)"
        )
    serving.publish("shop", [SALES], warehouse, [MONDAY])
    with duckdb.connect(str(file)) as connection:
        connection.execute("update core.sales set note = 'new'")

    here = Path(__file__).parent
    code = PUBLISHER.format(
        tests=str(here.parent), system=str(here), url=database.url, file=str(file)
    )
    publisher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert publisher.stdout
    assert publisher.stdout.readline() == "copied\n"
    assert database.rows("select note from core.sales") == [(None,)]
    publisher.kill()
    publisher.communicate()

    assert database.rows("select note from core.sales") == [(None,)]
    serving.publish("shop", [SALES], warehouse, [MONDAY])
    assert database.rows("select note from core.sales") == [("new",)]
