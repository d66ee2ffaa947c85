"""Orders on S3 and Snowflake, both emulated behind real sockets: the rows that the oracle says."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from deployment import deployed, predictit, variables
from orders_oracle import tables
from snowflake_grammar import faults
from test_orders_models import DUMPS, WINDOW, build, dumps_as_bytes, in_order, land

from predictit_assets import factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.settings import Settings
from predictit_assets.storage.objects import Bucket

EXPECTED = tables(dumps_as_bytes(*DUMPS))


@dataclass(frozen=True)
class Cloud:
    """A home in the cloud, built, and what Snowflake was told meanwhile."""

    settings: Settings
    statements: list[str]


@pytest.fixture(scope="module")
def cloud(
    s3: str,
    new_bucket: Callable[[], Bucket],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Cloud]:
    """Two overlapping windows are built, the first of them before the last two dumps came."""
    folder: Path = tmp_path_factory.mktemp("cloud")
    with deployed(s3, new_bucket(), folder) as made:
        with variables({**made.environment, "PREDICTIT_SOURCES": "orders"}):
            predictit(*made.setup)
        land(made.settings, folder / "dumps", DUMPS[0])
        build(made.settings, DayRange(WINDOW.first, DUMPS[0]))
        land(made.settings, folder / "dumps", *DUMPS[1:])
        build(made.settings, WINDOW)
        yield Cloud(made.settings, [*made.emulator.statements])


def rows_of(cloud: Cloud, table: str, columns: list[str]) -> list[dict[str, Any]]:
    with factory.warehouse(cloud.settings).read_connection() as query:
        found = query(f"select {', '.join(columns)} from {table}")
    return [dict(zip(columns, row, strict=True)) for row in found]


@pytest.mark.parametrize("table", sorted(EXPECTED.keys() - {"staging.rejected_orders"}))
def test_snowflake_holds_what_the_oracle_says(cloud: Cloud, table: str) -> None:
    expected = EXPECTED[table]
    assert in_order(rows_of(cloud, table, sorted(expected[0]))) == in_order(expected)


def test_every_statement_about_orders_is_snowflakes(cloud: Cloud) -> None:
    about = re.compile(r"\b(fact_order|order_|orders|dim_|staff_summary|product_sales)", re.I)
    told = {one for one in cloud.statements if about.search(one)}
    assert len(told) > 20
    assert {one: wrong for one in told if (wrong := faults(one))} == {}
