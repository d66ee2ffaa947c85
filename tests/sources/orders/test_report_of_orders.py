"""The report of orders: its figures are those of the warehouse, whatever texts the files send."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pages import (
    ask,
    assert_asset_reads,
    assert_card_says_what_the_page_does,
    assert_is_sql_of_snowflake,
    cells,
    change,
    faults,
    markup,
    section,
)
from test_orders_models import built  # noqa: F401  # a fixture

from predictit_assets.errors import NothingHeld
from predictit_assets.layers import report
from predictit_assets.settings import Settings
from predictit_assets.sources.orders.fake import traps
from predictit_assets.sources.orders.products import card
from predictit_assets.sources.orders.products.previews import PREVIEWS
from predictit_assets.sources.orders.products.report import charts, page, queries
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.objects import ObjectStore

SCRIPT = "<script>alert('orders')</script><!--"
Built = tuple[Settings, list[str]]
Render = Callable[[], str]


@pytest.fixture
def warehouse(built: Built, tmp_path: Path) -> DuckDBWarehouse:  # noqa: F811
    """A copy of the built warehouse, to be changed at will."""
    copy = tmp_path / "warehouse.duckdb"
    shutil.copyfile(built[0].duckdb_file, copy)
    return DuckDBWarehouse(copy, lock_timeout=20)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    """Where the JavaScript of the charts is kept: bundling it takes seconds."""
    return ObjectStore(tmp_path_factory.mktemp("objects"))


@pytest.fixture
def rendered(warehouse: DuckDBWarehouse, libraries: ObjectStore) -> Render:
    """Renders the page about the warehouse as it is now."""
    return lambda: page.render(warehouse, libraries).decode()


def data_of(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows that a chart draws."""
    rows: list[dict[str, Any]] = spec["datasets"][spec["data"]["name"]]
    return rows


def date_text(day: date) -> str:
    return f"{day.day} {day:%b %Y}"


def test_the_page_is_whole_loads_nothing_and_is_the_same_each_time(rendered: Render) -> None:
    text = rendered()
    assert faults(text.encode()) == []
    assert report.faults(text.encode()) == []
    assert "default-src 'none'" in text
    assert "These orders are made up." in text
    assert rendered() == text
    assert set(re.findall(r'id="spec-(\w+)"', text)) == {"net", "average", "discounts", "hours"}


def test_sums_are_those_of_the_orders(warehouse: DuckDBWarehouse, rendered: Render) -> None:
    # By hand: from the facts instead of the mart.
    expected = {
        currency or "not told": [orders, money(gross), money(off), money(net), money(each)]
        for currency, orders, gross, off, net, each in (
            (*row, rounded(row[4], row[1]))
            for row in ask(
                warehouse,
                "select currency, count(*) filter (counts), sum(line_items_total) filter (counts),"
                " sum(line_items_total - subtotal) filter (counts),"
                " sum(subtotal) filter (counts) from core.fact_orders group by 1",
            )
        )
    }
    rows = cells(section(rendered(), "currencies"))[1:]
    assert {row[0]: [int(row[1].replace(",", "")), *row[2:6]] for row in rows} == expected
    ((tests, gone),) = ask(
        warehouse,
        "select count(*) filter (is_test and not is_withdrawn), count(*) filter (is_withdrawn)"
        " from core.fact_orders",
    )
    assert tests
    assert gone
    assert sum(int(row[8]) for row in rows) == tests
    assert sum(int(row[10]) for row in rows) == gone


def test_days_locations_and_discounts_are_charted(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    expected = {
        (str(day), f"location {place}" if place else "no location"): (orders, float(net))
        for day, place, orders, net in ask(
            warehouse,
            "select order_date, location_id, count(*), sum(subtotal) from core.fact_orders"
            " where counts and currency = ? group by 1, 2",
            contents.main.currency,
        )
    }
    assert len({place for _, place in expected}) > 2
    rows = data_of(charts.net(contents))
    assert {(row["date"], row["location"]): (row["orders"], row["net"]) for row in rows} == expected
    for row in data_of(charts.average_order(contents)):
        orders, net = expected[row["date"], row["location"]]
        assert row["average"] == float(rounded(Decimal(str(net)), orders) or 0)
    shares = {row["date"]: row["share"] for row in data_of(charts.discounts(contents))}
    assert any(shares.values())
    for day, share in ask(
        warehouse,
        "select order_date, sum(line_items_total - subtotal)::double / sum(line_items_total)"
        " from core.fact_orders where counts and currency = ? group by 1"
        " having sum(line_items_total) <> 0",
        contents.main.currency,
    ):
        assert shares.pop(str(day)) == pytest.approx(share, abs=1e-6)
    assert shares == {}


def test_locations_beyond_the_colours_share_one() -> None:
    day = date(2024, 3, 7)
    one = Decimal(1)
    days = [queries.Day(day, place, 10 - place, one, one, one) for place in range(1, 8)]
    own = [f"location {place}" for place in range(1, 5)]
    assert charts.locations(days) == [*own, charts.OTHERS]
    others = [row for row in charts.by_location(days) if row["location"] == charts.OTHERS]
    assert [(row["orders"], row["net"], row["average"]) for row in others] == [(12, 3.0, 0.25)]
    assert charts.locations(days[:5]) == [*own, "location 5"]


def test_hours_are_counted_by_weekday(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    found = ask(warehouse, "select order_date, order_hour from core.fact_orders where counts")
    orders = Counter((f"{day:%a}", hour) for day, hour in found)
    days = Counter(f"{day:%a}" for day in {day for day, _ in found})
    rows = data_of(charts.hours(contents.hours))
    assert {(row["weekday"], row["hour"]): row["orders"] for row in rows} == orders
    for row in rows:
        assert row["days"] == days[row["weekday"]]
        assert row["a_day"] == round(row["orders"] / row["days"], 2)
    assert max(days.values()) > 1


def test_staff_and_products_are_those_who_and_that_sold_most(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    text = rendered()
    staff = [
        [str(who), f"{orders:,}", money(net), currency or "not told"]
        for who, currency, orders, net in ask(
            warehouse,
            "select staff_id, currency, count(*), sum(subtotal) from core.fact_orders"
            " where counts and staff_id is not null group by 1, 2 order by 3 desc, 1, 2 limit ?",
            queries.STAFF,
        )
    ]
    assert len(staff) > 5
    shown = cells(section(text, "staff"))[1:]
    assert [[row[0], row[1], row[3], row[4]] for row in shown] == staff
    sold = [
        [str(product or "–"), str(variant or "–"), f"{units:,}", f"{orders:,}"]
        for product, variant, units, orders in ask(
            warehouse,
            "select product_id, variant_id, sum(quantity), count(distinct order_id)"
            " from core.fact_order_lines join core.fact_orders using (partition_date, order_id)"
            " where counts group by 1, 2 order by 3 desc, 1 nulls last, 2 nulls last limit ?",
            queries.PRODUCTS,
        )
    ]
    assert len(sold) > 5
    assert [row[:4] for row in cells(section(text, "products"))[1:]] == sold


def test_changes_are_told_by_what_changed(warehouse: DuckDBWarehouse, rendered: Render) -> None:
    columns = sorted({column for found in queries.KINDS.values() for column in found})
    versions: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for day, order, at, *values in ask(
        warehouse,
        f"select partition_date, order_id, valid_from, {', '.join(columns)}"
        " from core.orders_history order by valid_from",
    ):
        found = dict(zip(columns, values, strict=True)) | {"at": at}
        versions.setdefault((day, order), []).append(found)
    kinds: Counter[str] = Counter()
    changes = []
    for (day, order), history in versions.items():
        for before, after in pairwise(history):
            differing = [
                kind
                for kind, of_kind in queries.KINDS.items()
                if any(before[column] != after[column] for column in of_kind)
            ]
            kinds.update(differing)
            changes.append((after["at"], day, order, ", ".join(differing)))
    assert len(kinds) > 1
    text = section(rendered(), "changes")
    told = cells(text)
    changed = len({(day, order) for _, day, order, _ in changes})
    assert f"{changed} orders, {len(changes)} changes" in text
    assert told[1 : len(queries.KINDS) + 1] == [[kind, str(kinds[kind])] for kind in queries.KINDS]
    newest = sorted(changes, key=lambda one: (one[0], one[1], -one[2]), reverse=True)
    shown = told[len(queries.KINDS) + 2 :]
    assert [row[2] for row in shown] == [what for *_, what in newest[: queries.CHANGES]]
    for row, (_, day, *_) in zip(shown, newest[: queries.CHANGES], strict=True):
        assert row[0].endswith(date_text(day))


def test_days_without_files_and_empty_ones_are_told(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    change(warehouse, f"delete from staging.order_dumps where partition_date = '{traps.MONEY}'")
    held = {day for (day,) in ask(warehouse, "select partition_date from staging.order_dumps")}
    rows = {row[0]: row[1:] for row in cells(section(rendered(), "coverage"))[1:]}
    assert rows["with a file"][0] == str(len(held))
    missing = [
        day
        for n in range((max(held) - min(held)).days)
        if (day := min(held) + timedelta(days=n)) not in held
    ]
    assert missing == [traps.MONEY]
    assert rows["without a file"] == [str(len(missing)), ", ".join(map(date_text, missing))]
    empty = rows["whose files hold no order"][1]
    assert date_text(traps.EMPTY) in empty
    assert date_text(traps.EMPTIED) in empty
    assert date_text(traps.CHANGES) not in empty
    assert date_text(traps.CHANGES) in rows["told again by a later file"][1]
    assert date_text(traps.EMPTY) not in rows["told again by a later file"][1]


def test_texts_of_the_files_stay_texts(warehouse: DuckDBWarehouse, rendered: Render) -> None:
    hostile = SCRIPT.replace("'", "''")
    change(
        warehouse,
        f"update core.fact_orders set name = '{hostile}', order_status_url = '{hostile}'",
        f"update core.orders_history set financial_status = '{hostile}' || valid_from",
        f"update marts.order_summary_1d set currency = '{hostile}'",
        f"update marts.staff_summary set currency = '{hostile}'",
    )
    text = rendered()
    assert faults(text.encode()) == []
    assert SCRIPT not in text
    for place in ("currencies", "staff", "changes"):
        assert "&lt;script&gt;alert(&#39;orders&#39;)" in section(text, place)
    assert "made up" not in markup(text)


def test_orders_without_a_currency_location_or_staff_are_a_page(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    change(
        warehouse,
        "update marts.order_summary_1d set currency = null, location_id = null",
        "delete from marts.staff_summary",
        "delete from marts.product_sales_1d",
        "delete from core.orders_history",
    )
    text = rendered()
    assert faults(text.encode()) == []
    for words in ("no location", "No order names who sold", "No line was sold", "No order changed"):
        assert words in markup(text)
    assert cells(section(text, "currencies"))[1][0] == "not told"


@pytest.mark.parametrize(
    ("part", "whole", "says"),
    [("12.5", "100", "12.5%"), ("0.01", "100", "<0.1%"), ("0", "100", "0.0%"), ("0", "0", "–")],
)
def test_a_share_that_isnt_none_doesnt_look_like_it(part: str, whole: str, says: str) -> None:
    assert page.share(Decimal(part), Decimal(whole)) == says


def test_no_address_of_a_buyer_is_on_the_page(warehouse: DuckDBWarehouse, rendered: Render) -> None:
    emails = {one for (one,) in ask(warehouse, "select distinct email from core.fact_orders")}
    assert len(emails) > 5
    text = rendered()
    assert not [one for one in emails if one and one in text]


def test_before_any_order_one_sentence_says_what_to_do(
    warehouse: DuckDBWarehouse, rendered: Render
) -> None:
    change(warehouse, "delete from marts.order_summary_1d")
    with pytest.raises(NothingHeld, match="predictit import orders"):
        rendered()
    change(warehouse, "delete from staging.order_dumps")
    with pytest.raises(NothingHeld, match="predictit import orders"):
        rendered()


def test_each_mart_is_previewed_in_the_ui(warehouse: DuckDBWarehouse) -> None:
    assert set(PREVIEWS) == {name for layer, name in queries.TABLES if layer == "marts"}
    with warehouse.read_connection() as query:
        shown = {name: preview(query) for name, preview in PREVIEWS.items()}
    for name, value in shown.items():
        assert isinstance(value, dg.TableMetadataValue), name
        assert value.records
    ((most,),) = ask(warehouse, "select max(orders) from marts.staff_summary")
    staff = shown["staff_summary"]
    assert isinstance(staff, dg.TableMetadataValue)
    assert staff.records[0].data["orders"] == most


def test_the_command_writes_the_page(built: Built) -> None:  # noqa: F811
    run = subprocess.run(
        [sys.executable, "-c", "from predictit_assets.cli import main; main()", "report", "orders"],
        env={
            "PREDICTIT_HOME": str(built[0].home),
            "PREDICTIT_SOURCES": "orders",
            "PATH": str(Path(sys.executable).parent),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert faults(Path(run.stdout.strip()).read_bytes()) == []


def test_the_asset_reads_what_the_page_names_and_nothing_else(tmp_path: Path) -> None:
    assert_asset_reads(queries, "orders", tmp_path)


def test_what_is_asked_is_sql_of_snowflake_too() -> None:
    assert_is_sql_of_snowflake(queries, 10)


def money(amount: Decimal | None) -> str:
    return "–" if amount is None else f"{amount:,.2f}"


def rounded(amount: Decimal, orders: int) -> Decimal | None:
    if not orders:
        return None
    return (amount / orders).quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def test_its_card_in_the_index_says_what_the_page_does(warehouse: DuckDBWarehouse) -> None:
    contents = queries.read(warehouse)
    assert_card_says_what_the_page_does(
        card.CARD,
        warehouse,
        newest=contents.told_at,
        orders=f"{contents.main.orders:,}",
        net=f"{contents.main.net:,.0f}",
        average_order=f"{contents.main.average:,.2f}",
    )
    assert_is_sql_of_snowflake(card, 3)
