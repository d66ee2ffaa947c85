"""What is odd in the dumps, a day each, and a list of what must come out."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

from predictit_assets.sources.orders.fake.records import (
    PRODUCTS,
    STAFF,
    ZONE,
    Json,
    changed,
    line,
    priced,
    record,
)

CLOSED = date(2024, 3, 4)
"""There is no file."""
EMPTY = date(2024, 3, 5)
EMPTIED = date(2024, 3, 6)
"""Has orders in the first dump, and none in later ones."""
CHANGES = date(2024, 3, 7)
MONEY = date(2024, 3, 8)
NULLS = date(2024, 3, 9)
SPRING = date(2024, 3, 10)
"""The hour from two to three is left out."""
BAD_ROWS = date(2024, 3, 11)
TWO_FILES = date(2024, 3, 12)
NO_JSON = date(2024, 3, 13)
"""In the first dump the file can't be read."""
HIDDEN = date(2024, 3, 14)
"""An order that can't be read in the second dump vanishes, and isn't withdrawn."""
AUTUMN = date(2024, 11, 3)
"""The hour from one to two happens twice."""
FIRST, SECOND, THIRD = date(2024, 3, 18), date(2024, 3, 19), date(2024, 3, 20)
"""Days of dumps between which the orders change."""
FORTNIGHT = 14

File = bytes | list[Json]
"""The orders of a file, or what it holds instead."""
Files = Mapping[str, File]


def order_id(day: date, number: int) -> int:
    """The id of an order that `record` makes."""
    found: int = record(day, number)["id"]
    return found


def _emptied(day: date, dumped: date) -> list[Json]:
    return [record(day, n) for n in range(3)] if dumped < SECOND else []


def _changes(day: date, dumped: date) -> list[Json]:
    paid, back, gone, shorter, still = (
        record(day, n, products=PRODUCTS[n : n + 2]) for n in range(5)
    )
    noon = datetime.combine(day, time(12), ZONE)
    if dumped == FIRST:
        return [paid, back, gone, shorter, still]
    later, latest = noon + timedelta(days=11), noon + timedelta(days=12)
    paid = changed(paid, later, financial_status="refunded", note="brought back")
    wrong = changed(back, later, tags="wrong")
    back = wrong if dumped == SECOND else changed(back, latest)
    shorter = changed(shorter, later, line_items=shorter["line_items"][:1])
    return [still, shorter, back, paid]


def _money(day: date, _dumped: date) -> list[Json]:
    prices: Sequence[str | float] = (
        "52.260000000000005",
        "0.005",
        "2.675",
        "0.015",
        58.8,
        1.005,
        "1e2",
        "9999999999.99",
        "-3.5",
    )
    orders = [priced(day, n, price) for n, price in enumerate(prices)]
    free = priced(day, len(prices), "0.0", gateway="", total_discounts="54.0")
    over = {"total_line_items_price": "1.0"}
    return [*orders, free, record(day, len(prices) + 1) | over]


def _nulls(day: date, _dumped: date) -> list[Json]:
    lost = record(day, 0, test=True)
    lost["line_items"][0] |= {"variant_id": None, "product_id": None}
    noon = datetime.combine(day, time(12), ZONE)
    twin = record(day, 7, products=PRODUCTS[:1])
    return [
        lost,
        record(day, 1, user_id=None),
        record(day, 2, location_id=None, device_id=None, user_id=STAFF[11]),
        changed(record(day, 3), noon + timedelta(days=1), cancelled_at=noon.isoformat()),
        record(day, 4, checkout_id=None, source_name="web", gateway=None, processing_method=""),
        record(day, 5, currency="CAD", products=PRODUCTS[:3]),
        # The same variant under another product.
        record(day, 6, products=[PRODUCTS[0]._replace(product_id=9_080_000_999)]),
        twin,
        changed(twin, noon + timedelta(hours=12), note="the same order once more"),
    ]


def _clocks(day: date, _dumped: date) -> list[Json]:
    hours = [time(0, 0, 0), time(0, 59, 59), time(1, 30), time(3, 0, 1), time(23, 59, 59)]
    orders = [record(day, n, at=at) for n, at in enumerate(hours)]
    again = datetime.combine(day, time(1, 30), timezone(timedelta(hours=-5)))
    return [*orders, record(day, len(hours), at=again)]


def _bad_rows(day: date, _dumped: date) -> list[Json]:
    wall = f"{day}T12:00:00"
    without_id, without_key, bad_line = (record(day, n) for n in (0, 1, 2))
    del without_id["id"]
    del without_key["tags"]
    bad_line["line_items"] = [
        line(bad_line["id"], 0, PRODUCTS[0], 1),
        {"id": 1, "variant_id": 2, "product_id": 3},
        {"id": "one", "quantity": 1, "variant_id": 2, "product_id": 3},
    ]
    return [
        without_id,
        without_key,
        bad_line,
        record(day - timedelta(days=1), 3),
        record(day, 4, created_at="yesterday"),
        record(day, 5, updated_at=wall),
        record(day, 6, total_price="12,50"),
        record(day, 7, total_tax=None),
        record(day, 8, subtotal_price="10000000000"),
        record(day, 9, test="no"),
        record(day, 10, line_items={}),
        record(day, 11, user_id="192000001"),
        record(day, 12, note="\ud800"),
        record(day, 13, note="a\0b"),
        record(day, 14, loyalty_points=3),
        record(day, 15, id=2**63),
        record(day, 16, closed_at="0001-01-01T00:00:00+05:00"),
    ]


def _hidden(day: date, dumped: date) -> list[Json]:
    seen, kept = record(day, 0), record(day, 1)
    return [seen, kept] if dumped < SECOND else [seen | {"test": None}, kept]


def _two_files(day: date, dumped: date) -> Files:
    here, moves, there = (record(day, n) for n in range(3))
    if dumped < SECOND:
        return {f"{day}_store1.json": [here, moves], f"{day}_store2.json.gz": [there]}
    moved = changed(moves, datetime.combine(day, time(20), ZONE), note="moved")
    return {f"{day}_store1.json": [here], f"{day}_store2.json.gz": [there, moved]}


def _no_json(day: date, dumped: date) -> Files:
    if dumped < SECOND:
        return {f"{day}.json": b'{"orders": [{"id": 1}, '}
    return {f"{day}.json": [record(day, n) for n in range(2)]}


DAYS: Mapping[date, Callable[[date, date], list[Json]]] = {
    EMPTY: lambda _day, _dumped: [],
    EMPTIED: _emptied,
    CHANGES: _changes,
    MONEY: _money,
    NULLS: _nulls,
    SPRING: _clocks,
    BAD_ROWS: _bad_rows,
    HIDDEN: _hidden,
    AUTUMN: _clocks,
}
"""The orders of odd days with one file."""
FILES: Mapping[date, Callable[[date, date], Files]] = {
    CLOSED: lambda _day, _dumped: {},
    TWO_FILES: _two_files,
    NO_JSON: _no_json,
}
"""The files of days with none, or some."""


class MustBe(NamedTuple):
    """What must come out of an odd day."""

    totals: Mapping[int, Decimal] = {}
    """What was paid, by the number of the order."""
    rejected: Mapping[int, str] = {}
    """A part of the reason, by the position of the order in its file."""
    withdrawn: Sequence[int] = ()
    """Numbers of orders that the second dump lacks."""


MUST_BE: Mapping[date, MustBe] = {
    EMPTIED: MustBe(withdrawn=(0, 1, 2)),
    CHANGES: MustBe(withdrawn=(2,)),
    MONEY: MustBe(
        totals={
            0: Decimal("52.26"),
            1: Decimal("0.00"),
            2: Decimal("2.68"),
            3: Decimal("0.02"),
            4: Decimal("58.80"),
            5: Decimal("1.00"),
            6: Decimal("100.00"),
            7: Decimal("9999999999.99"),
            8: Decimal("-3.50"),
            9: Decimal("0.00"),
        }
    ),
    BAD_ROWS: MustBe(
        rejected={
            0: "missing required field `id`",
            3: "not of this day",
            4: "no time with an offset",
            5: "no time with an offset",
            6: "no money",
            7: "it is null",
            8: "too much money",
            9: "Expected `bool`",
            10: "Expected `array`",
            11: "Expected `int | null`",
            12: "half a character",
            15: "Expected `int`",
            16: "no time with an offset",
        }
    ),
}
