"""What dbt makes of hits, by made-up staged rows and an oracle that knows no SQL: all rows."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import clickstream_oracle as oracle
import pytest
from made_up_hits import Shop, examples
from staged import assert_same, home_of, run_dbt, stage, table

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.source import all_tables
from predictit_assets.settings import Settings
from predictit_assets.sources import load

Row = dict[str, Any]
Rows = dict[str, list[Row]]
Built = tuple[Settings, Rows]

FIRST, DAYS = date(2026, 3, 1), 7
LAST = FIRST + timedelta(days=DAYS - 1)
SCHEMAS: dict[str, Schema] = {
    name: schema
    for dataset in load("clickstream").datasets
    for name, schema in all_tables(dataset).items()
}
TABLES = sorted(oracle.tables([], []))
LIVE = [name for name in TABLES if name.startswith("live.")]


def days(first: int, last: int) -> DayRange:
    """Days of the shop, by their numbers."""
    return DayRange(FIRST + timedelta(days=first - 1), FIRST + timedelta(days=last - 1))


def rejected(dice_of_days: Sequence[int]) -> list[Row]:
    """Rejected rows: so many of a day."""
    return [
        {
            "partition_date": FIRST + timedelta(days=day),
            "captured_at": datetime.combine(FIRST, datetime.min.time()) + timedelta(days=day),
            "payload": "p",
            "position": number,
            "reason": ("empty body", "not JSON")[number % 2],
            "path": "$",
            "content": "",
        }
        for day, times in enumerate(dice_of_days)
        for number in range(times)
    ]


def all_of_them() -> Rows:
    return {"hits": Shop(7, FIRST, DAYS).rows(), "rejected_hits": rejected([0, 3, 1])}


def arrived(rows: Rows, window: DayRange) -> Rows:
    return {
        name: [row for row in own if row["partition_date"] in window] for name, own in rows.items()
    }


def differing(settings: Settings, names: Sequence[str], expected: Rows) -> dict[str, str]:
    """The tables that aren't what the oracle says, and how."""
    found = {}
    for name in names:
        try:
            assert_same(table(settings, name), expected[name])
        except AssertionError as error:
            found[name] = str(error)[:1500]
    return found


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """A home whose days were built in no order, some twice; what staging holds."""
    settings = home_of(tmp_path_factory.mktemp("clicks") / "home", "clickstream")
    rows = all_of_them()
    stage(settings, SCHEMAS, arrived(rows, days(1, 5)))
    for window in (days(4, 4), days(1, 3), days(5, 5)):
        run_dbt(settings, window, "clickstream")
    stage(settings, SCHEMAS, arrived(rows, days(6, 7)))
    before = differing(settings, LIVE, oracle.tables(rows["hits"], rows["rejected_hits"]))
    assert not before, "live isn't exact before a build"
    for window in (days(7, 7), days(6, 6), days(7, 7)):
        run_dbt(settings, window, "clickstream.core", "clickstream.marts")
    return settings, rows


@pytest.fixture(scope="module")
def expected(built: Built) -> Rows:
    _, rows = built
    return oracle.tables(rows["hits"], rows["rejected_hits"])


@pytest.mark.parametrize("name", TABLES)
def test_every_row_and_column_is_what_the_oracle_says(
    built: Built, expected: Rows, name: str
) -> None:
    assert expected[name]
    assert_same(table(built[0], name), expected[name])


def test_the_sessions_of_the_readme(built: Built) -> None:
    wanted = Counter(
        (fields["cid"], session)
        for fields, _, session in examples(datetime.combine(FIRST, datetime.min.time()))
    )
    found = {
        (row["client_id"], f"{row['started_at'].day} {row['started_at']:%H:%M}"): row["hits"]
        for row in table(built[0], "core.sessions")
        if row["client_id"] in ("ann", "bot")
    }
    assert found == wanted
    assert [*wanted.values()] == [2, 1, 3, 240, 144, 73]
