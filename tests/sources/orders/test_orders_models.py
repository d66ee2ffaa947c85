"""Orders: what dbt makes of three dumps, against an oracle, in either order, and twice."""

import json
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from orders_oracle import Dump, Row, tables

from predictit_assets import factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.calendar import DayRange
from predictit_assets.instance.runs import BuildFailed, run_build
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.orders.fake import traps, zips
from predictit_assets.sources.orders.fake.shop import came_at, dump, write_dump
from predictit_assets.sources.orders.settings import OrdersSettings

ORDERS = load("orders")
(FILES,) = ORDERS.datasets
ON = Enabled(ORDERS, OrdersSettings(start=date(2024, 3, 1)))
DUMPS = (traps.FIRST, traps.SECOND, traps.THIRD)
WINDOW = DayRange(traps.CLOSED, date(2024, 3, 19))


def land(settings: Settings, folder: Path, *dumps: date) -> None:
    """Import the zips of these days."""
    folder.mkdir(exist_ok=True)
    intake = factory.intake(settings, ON, FILES)
    for dumped in dumps:
        assert list(intake.import_path(write_dump(folder, dumped)))


def build(settings: Settings, *windows: DayRange) -> list[str]:
    """Build windows of days one after the other; what the checks of the last warn about."""
    definitions = build_definitions(settings, [ON])
    warnings: list[str] = []
    with dg.DagsterInstance.ephemeral() as instance:
        for window in windows:
            job = build_job_name(ORDERS.name)
            warnings = list(run_build(definitions, instance, job, window, lambda _: None).warnings)
    return warnings


def rows_of(settings: Settings, table: str, columns: Sequence[str] = ()) -> list[Row]:
    """The rows of a table, by some or all columns."""
    schema, name = table.split(".")
    with factory.warehouse(settings).read_connection() as query:
        names = columns or [
            column
            for (column,) in query(
                "select column_name from information_schema.columns"
                f" where table_schema = '{schema}' and table_name = '{name}'"
            )
        ]
        found = query(f"select {', '.join(names)} from {table}")
    return [dict(zip(names, row, strict=True)) for row in found]


def in_order(rows: Sequence[Row]) -> list[Row]:
    """Rows as they compare: the columns by name, the rows by what they hold."""
    return sorted((dict(sorted(row.items())) for row in rows), key=repr)


def dumps_as_bytes(*dumped: date) -> list[Dump]:
    """What the oracle is given."""
    return [
        (
            came_at(one),
            {name: zips.content(name, file) for name, file in dump(one).items()},
        )
        for one in dumped
    ]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Settings, list[str]]]:
    """A home with three dumps, built; and what the checks warned about."""
    folder = tmp_path_factory.mktemp("orders")
    settings = Settings(home=folder / "home", lock_timeout=20)
    land(settings, folder / "dumps", *DUMPS)
    return settings, build(settings, WINDOW)


EXPECTED = tables(dumps_as_bytes(*DUMPS))


@pytest.mark.parametrize("table", sorted(EXPECTED.keys() - {"staging.rejected_orders"}))
def test_every_row_and_column_is_what_the_oracle_says(
    built: tuple[Settings, list[str]], table: str
) -> None:
    assert EXPECTED[table]
    assert in_order(rows_of(built[0], table)) == in_order(EXPECTED[table])


def test_what_the_oracle_refuses_is_rejected(built: tuple[Settings, list[str]]) -> None:
    found = rows_of(built[0], "staging.rejected_orders", ("captured_at", "position"))
    refused = [
        {"captured_at": row["captured_at"], "position": row["position"]}
        for row in EXPECTED["staging.rejected_orders"]
    ]
    assert in_order(found) == in_order(refused)


def facts(built: tuple[Settings, list[str]], day: date, *columns: str) -> dict[int, Any]:
    """Columns of the orders of a day, by the number that the fake gave them."""
    found = rows_of(built[0], "core.fact_orders", ("order_id", "partition_date", *columns))
    first = traps.order_id(day, 0)
    return {
        row["order_id"] - first: row[columns[0]] if len(columns) == 1 else row
        for row in found
        if row["partition_date"] == day
    }


def test_odd_days_come_out_as_the_fake_says(built: tuple[Settings, list[str]]) -> None:
    for day, must_be in traps.MUST_BE.items():
        totals = facts(built, day, "total")
        assert {number: totals[number] for number in must_be.totals} == must_be.totals
        withdrawn = facts(built, day, "is_withdrawn")
        assert [one for one, gone in sorted(withdrawn.items()) if gone] == [*must_be.withdrawn]


def test_a_day_that_became_empty_has_orders_that_count_no_more(
    built: tuple[Settings, list[str]],
) -> None:
    (row,) = (
        row
        for row in rows_of(built[0], "live.live_order_summary")
        if row["order_date"] == traps.EMPTIED
    )
    assert (row["orders"], row["withdrawn_orders"], row["average_order"]) == (0, 3, None)


def test_there_and_back_again_is_three_versions(built: tuple[Settings, list[str]]) -> None:
    back = traps.order_id(traps.CHANGES, 1)
    history = [row for row in rows_of(built[0], "core.orders_history") if row["order_id"] == back]
    history.sort(key=lambda row: row["valid_from"])
    assert [row["tags"] for row in history] == ["", "wrong", ""]
    assert [row["is_current"] for row in history] == [False, False, True]
    assert history[0]["valid_to"] == history[1]["valid_from"]


def test_a_line_that_was_removed_is_gone_and_its_order_counts_one_less(
    built: tuple[Settings, list[str]],
) -> None:
    shorter = traps.order_id(traps.CHANGES, 3)
    lines = rows_of(built[0], "core.fact_order_lines", ("order_id", "line_number"))
    assert [row["line_number"] for row in lines if row["order_id"] == shorter] == [1]
    assert facts(built, traps.CHANGES, "lines")[3] == 1


def test_an_order_that_cannot_be_read_any_more_is_not_withdrawn(
    built: tuple[Settings, list[str]],
) -> None:
    assert facts(built, traps.HIDDEN, "is_withdrawn") == {0: False, 1: False}


def test_an_order_that_moves_to_another_file_is_one_order(
    built: tuple[Settings, list[str]],
) -> None:
    found = facts(built, traps.TWO_FILES, "part", "is_withdrawn", "note")
    assert found[1]["part"] == f"{traps.TWO_FILES}_store2.json"
    assert not any(row["is_withdrawn"] for row in found.values())


def test_the_wall_clock_tells_day_and_hour_when_clocks_change(
    built: tuple[Settings, list[str]],
) -> None:
    found = facts(built, traps.SPRING, "created_at", "order_hour", "created_at_offset_minutes")
    assert found[2]["created_at"] == datetime(2024, 3, 10, 6, 30)
    assert found[3]["created_at"] == datetime(2024, 3, 10, 7, 0, 1)
    assert found[4]["created_at"] == datetime(2024, 3, 11, 3, 59, 59)
    assert [found[n]["order_hour"] for n in range(5)] == [0, 0, 1, 3, 23]
    assert [found[n]["created_at_offset_minutes"] for n in range(5)] == [-300] * 3 + [-240] * 2


def test_what_is_odd_is_warned_about(built: tuple[Settings, list[str]]) -> None:
    told = "\n".join(built[1])
    for part in (
        "lack a key",
        "quarantined",
        "unknown fields",
        "rejected rows",
        "a total or a discount below 0",
        "no order is withdrawn",
        "has staff and a location",
        "no variant is of two products",
    ):
        assert part in told


def test_dumps_in_turns_are_live_before_they_are_built_and_any_order_of_days_gives_the_same(
    built: tuple[Settings, list[str]], tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home", lock_timeout=20)
    land(settings, tmp_path / "dumps", DUMPS[0])
    build(settings, WINDOW)
    land(settings, tmp_path / "dumps", *DUMPS[1:])
    staged = dg.AssetSelection.key_prefixes(*(["landing"], ["raw"], ["curated"], ["staging"]))
    definitions = dg.Definitions.merge(
        build_definitions(settings, [ON]),
        dg.Definitions(jobs=[dg.define_asset_job("stage", selection=staged)]),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        run_build(definitions, instance, "stage", WINDOW, lambda _: None)
    live = rows_of(settings, "live.live_order_summary")
    assert in_order(live) == in_order(EXPECTED["live.live_order_summary"])
    assert in_order(rows_of(settings, "marts.staff_summary")) != in_order(
        EXPECTED["marts.staff_summary"]
    )

    middle = date(2024, 3, 10)
    early = DayRange(WINDOW.first, date(2024, 3, 9))
    build(settings, DayRange(middle, WINDOW.last), early, early)
    for table in EXPECTED:
        assert in_order(rows_of(settings, table)) == in_order(rows_of(built[0], table)), table


def test_halves_are_rounded_away_from_zero(tmp_path: Path) -> None:
    """Two orders of 0.01 and 0.02, and two of -0.01 and -0.02, in two currencies."""
    settings = Settings(home=tmp_path / "home", lock_timeout=20)
    day = traps.CHANGES
    orders = [
        traps.priced(day, n, price, currency=currency)
        for n, (price, currency) in enumerate(
            [("0.01", "USD"), ("0.02", "USD"), ("-0.01", "CAD"), ("-0.02", "CAD")]
        )
    ]
    file = tmp_path / f"{day}.json"
    file.write_text(json.dumps({"orders": orders}))
    assert list(factory.intake(settings, ON, FILES).import_path(file))
    build(settings, DayRange(day, day))
    found = {
        row["currency"]: row["average_order"]
        for row in rows_of(settings, "live.live_order_summary")
    }
    assert found == {"USD": Decimal("0.02"), "CAD": Decimal("-0.02")}


def import_days(settings: Settings, folder: Path, days: dict[date, list[Row]]) -> None:
    """Land a file of orders a day."""
    for day, orders in days.items():
        file = folder / f"{day}.json"
        file.write_text(json.dumps({"orders": orders}))
        assert [one.landed for one in factory.intake(settings, ON, FILES).import_path(file)]


def test_gaps_ids_on_two_days_and_other_discounts_are_warned_about(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", lock_timeout=20)
    first, last = date(2024, 4, 1), date(2024, 4, 5)
    order = traps.record(first, 0) | {"total_discounts": "54.0"}
    again = traps.record(last, 0) | {"id": order["id"]}
    import_days(settings, tmp_path, {first: [order], last: [again]})
    told = "\n".join(build(settings, DayRange(first, last)))
    assert "no three days in a row without a file" in told
    assert "no order is on two days" in told
    assert "the discounts that the shop sends" in told


def test_a_total_that_is_not_subtotal_and_tax_blocks_what_is_made_of_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", lock_timeout=20)
    day = date(2024, 4, 1)
    import_days(settings, tmp_path, {day: [traps.record(day, 0) | {"total_price": "0.01"}]})
    with pytest.raises(BuildFailed, match="subtotal and tax"):
        build(settings, DayRange(day, day))
    with factory.warehouse(settings).read_connection() as query:
        tables_there = query(
            "select table_name from information_schema.tables where table_schema = 'marts'"
        )
    assert ("order_summary_1d",) not in tables_there
