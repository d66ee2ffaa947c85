"""Tables of an earlier release get the columns of this one, or it is said how to rebuild them."""

from pathlib import Path

import pytest

from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.migrations import (
    Add,
    Rename,
    TableOutdated,
    changes,
    spelled,
    statements,
)
from predictit_assets.storage.snowflake import snowflake_type

WANTED = {"partition_date": "date", "id": "bigint", "price": "decimal(6, 4)"}


def test_a_table_as_it_should_be_is_left_alone() -> None:
    existing = {"price": "DECIMAL(6,4)", "PARTITION_DATE": "DATE", "id": "BIGINT"}
    assert changes("core.prices", existing, WANTED) == []


def test_an_old_name_is_replaced_and_what_is_new_is_added() -> None:
    existing = {"snapshot_date": "DATE", "id": "BIGINT"}
    made = changes("core.prices", existing, WANTED)
    assert made == [Rename("snapshot_date", "partition_date"), Add("price", "decimal(6, 4)")]
    assert list(statements("core.prices", made)) == [
        "alter table core.prices rename column snapshot_date to partition_date",
        "alter table core.prices add column price decimal(6, 4)",
    ]


def test_a_table_that_wants_the_old_name_keeps_it() -> None:
    columns = {"snapshot_date": "date"}
    assert changes("core.prices", columns, columns) == []


@pytest.mark.parametrize(
    ("existing", "says"),
    [
        ({"price": "DOUBLE"}, ["price", "core.prices", "DOUBLE", "DECIMAL(6,4)"]),
        ({"snapshot_date": "TIMESTAMP"}, ["partition_date", "core.prices", "TIMESTAMP", "DATE"]),
        ({"volume": "BIGINT"}, ["volume", "core.prices"]),
    ],
)
def test_what_can_t_be_decided_says_how_to_rebuild(
    existing: dict[str, str], says: list[str]
) -> None:
    with pytest.raises(TableOutdated) as error:
        changes("core.prices", existing, WANTED)
    for word in [*says, "drop the table", "predictit build"]:
        assert word in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("bigint", "NUMBER(38, 0)"),
        ("decimal(6, 4)", "NUMBER(6, 4)"),
        ("varchar", "TEXT"),
        ("TEXT", "TEXT"),
        ("timestamp", "TIMESTAMP_NTZ"),
        ("TIMESTAMP(6)", "TIMESTAMP_NTZ"),
        ("boolean", "BOOLEAN"),
        ("date", "DATE"),
        ("double", "FLOAT"),
    ],
)
def test_snowflake_has_its_own_words_for_types(wanted: str, told: str) -> None:
    assert spelled(snowflake_type(wanted)) == spelled(told)


@pytest.fixture
def warehouse(tmp_path: Path) -> DuckDBWarehouse:
    """Two tables of the release before."""
    warehouse = DuckDBWarehouse(tmp_path / "warehouse.duckdb", lock_timeout=5)
    with warehouse.connect() as sql:
        sql.execute("create schema core")
        for table in ("prices", "others"):
            sql.execute(f"create table core.{table} (snapshot_date date, id bigint)")
            sql.execute(f"insert into core.{table} values ('2026-03-04', 1)")
    return warehouse


def test_duckdb_keeps_the_rows(warehouse: DuckDBWarehouse) -> None:
    for _ in range(2):
        warehouse.migrate("core", {"prices": WANTED, "absent": WANTED})
    with warehouse.connect() as sql:
        columns = [name for name, *_ in sql.execute("describe core.prices").fetchall()]
        assert columns == ["partition_date", "id", "price"]
        assert sql.execute("select id, price from core.prices").fetchall() == [(1, None)]
        others = [name for name, *_ in sql.execute("describe core.others").fetchall()]
        assert others == ["snapshot_date", "id"]


def test_one_table_that_can_t_be_used_leaves_the_others_as_they_were(
    warehouse: DuckDBWarehouse,
) -> None:
    retyped = {"partition_date": "date", "id": "varchar"}
    with pytest.raises(TableOutdated, match=r"core\.others"):
        warehouse.migrate("core", {"prices": WANTED, "others": retyped})
    with warehouse.connect() as sql:
        columns = [name for name, *_ in sql.execute("describe core.prices").fetchall()]
    assert columns == ["snapshot_date", "id"]
