"""Files of the dump as rows: each order by itself, in the order sent, a few at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec
import pyarrow
from msgspec import UNSET

from predictit_assets.contract.payload import InvalidPayload, Payload, RejectedRow
from predictit_assets.contract.rejected import RejectedRows, rejected_batch
from predictit_assets.contract.schema import Schema, ibis_schema, record_batch
from predictit_assets.sources.orders.api import (
    MARK,
    NOT_OF_THIS_DAY,
    TIMES,
    Line,
    Order,
    amounts,
    dump,
    line,
    lines_of,
    missing,
    moment,
    order,
)
from predictit_assets.sources.orders.schemas import OrderDumps, OrderLines, Orders
from predictit_assets.text import printable

ORDERS_AT_ONCE = 1_000
"""Orders that are held as Python objects: many more of them take many times their JSON."""
ITS_ORDER = "its order is rejected"
RENAMED = {"id": "order_id"}
"""Keys of an order whose column has another name."""
READ_APART = {"line_items", *TIMES}
SCALARS = tuple(name for name in Order.__struct_fields__ if name not in READ_APART)
"""Keys of an order whose values are taken as they are, or as amounts."""


class ReadOrder(NamedTuple):
    """An order of a file: its row, or why it has none; and its lines."""

    row: dict[str, Any] | None
    lines: list[dict[str, Any]]
    rejected: list[RejectedRow]
    """The order itself, where it has no row."""
    rejected_lines: list[RejectedRow]
    lines_sent: int
    new_keys: set[str]
    is_incomplete: bool


@dataclass
class Seen:
    """What is known of a file once all its orders are read."""

    orders: int = 0
    lines: int = 0
    incomplete: int = 0
    rejected: int = 0
    new_fields: set[str] = field(default_factory=set)

    def add(self, read: ReadOrder) -> None:
        """Count an order."""
        self.orders += 1
        self.lines += read.lines_sent
        self.incomplete += read.is_incomplete
        self.rejected += len(read.rejected) + len(read.rejected_lines)
        self.new_fields |= {printable(path) for path in read.new_keys}


def look_through(payload: Payload) -> Seen:
    """What a file holds. Raises InvalidPayload when it has no list of orders."""
    orders, new = dump(payload.read())
    seen = Seen(new_fields={printable(path) for path in new})
    for read in _read_all(payload, orders):
        seen.add(read)
    return seen


def batches(payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
    """The rows of all tables, by payload and position."""
    made: dict[str, list[pyarrow.RecordBatch]] = {table: [] for table in TABLES}
    dumps = []
    for payload in payloads:
        orders, _ = dump(payload.read())
        seen = Seen()
        chunk: list[ReadOrder] = []
        for read in _read_all(payload, orders):
            seen.add(read)
            chunk.append(read)
            if len(chunk) == ORDERS_AT_ONCE:
                _add(made, chunk)
                chunk = []
        _add(made, chunk)
        dumps.append(_of_file(payload) | {"order_count": seen.orders, "line_count": seen.lines})
    made["order_dumps"].append(_batch(OrderDumps, dumps))
    return {table: _joined(TABLES[table], some) for table, some in made.items()}


TABLES: dict[str, Schema] = {
    "orders": Orders,
    "rejected_orders": RejectedRows,
    "order_lines": OrderLines,
    "rejected_order_lines": RejectedRows,
    "order_dumps": OrderDumps,
}


def _add(made: dict[str, list[pyarrow.RecordBatch]], chunk: Sequence[ReadOrder]) -> None:
    made["orders"].append(_batch(Orders, [read.row for read in chunk if read.row]))
    made["order_lines"].append(_batch(OrderLines, [row for read in chunk for row in read.lines]))
    made["rejected_orders"].append(rejected_batch([one for read in chunk for one in read.rejected]))
    made["rejected_order_lines"].append(
        rejected_batch([one for read in chunk for one in read.rejected_lines])
    )


def _batch(schema: Schema, rows: Sequence[dict[str, Any]]) -> pyarrow.RecordBatch:
    return record_batch(
        schema, {name: [row[name] for row in rows] for name in ibis_schema(schema).names}
    )


def _joined(schema: Schema, some: Sequence[pyarrow.RecordBatch]) -> pyarrow.RecordBatch:
    target = ibis_schema(schema).to_pyarrow()
    whole = pyarrow.Table.from_batches(some, target).combine_chunks()
    return (whole.to_batches() or [pyarrow.RecordBatch.from_pylist([], target)])[0]


def _of_file(payload: Payload) -> dict[str, Any]:
    """The columns that all tables have."""
    return {
        "partition_date": payload.day,
        "captured_at": payload.captured_at.replace(tzinfo=None),
        "part": payload.part,
    }


def _read_all(payload: Payload, orders: Sequence[msgspec.Raw]) -> Iterator[ReadOrder]:
    of_file = _of_file(payload)
    lines_before = 0
    for position, raw in enumerate(orders):
        read = _read(payload, of_file, position, lines_before, raw)
        lines_before += read.lines_sent
        yield read


def _read(
    payload: Payload, of_file: dict[str, Any], position: int, lines_before: int, raw: msgspec.Raw
) -> ReadOrder:
    path = f"$.orders[{position}]"
    try:
        found, new = order(raw)
        row = _row(payload, of_file, position, found)
    except InvalidPayload as fault:
        return _rejected(payload, position, lines_before, raw, fault)
    read = ReadOrder(row, [], [], [], len(found.line_items), set(), missing(found))
    read.new_keys.update(f"$.orders[].{key}" for key in new)
    incomplete = read.is_incomplete
    for place, one in enumerate(found.line_items):
        try:
            known, new = line(one)
        except InvalidPayload as fault:
            where = f"{path}.line_items[{place}]{fault.path[1:]}"
            read.rejected_lines.append(
                RejectedRow(payload, lines_before + place, fault.reason, where, _text_of(one))
            )
            continue
        incomplete |= missing(known)
        read.new_keys.update(f"$.orders[].line_items[].{key}" for key in new)
        read.lines.append(_line(of_file, position, place, found, known))
    return read._replace(is_incomplete=incomplete)


def _rejected(
    payload: Payload, position: int, lines_before: int, raw: msgspec.Raw, fault: InvalidPayload
) -> ReadOrder:
    """An order that can't be loaded, with its lines, which can't be loaded without it."""
    path = f"$.orders[{position}]"
    lines = lines_of(raw)
    rejected = RejectedRow(
        payload, position, fault.reason, f"{path}{fault.path[1:]}", _text_of(raw)
    )
    rejected_lines = [
        RejectedRow(payload, lines_before + n, ITS_ORDER, f"{path}.line_items[{n}]", _text_of(one))
        for n, one in enumerate(lines)
    ]
    return ReadOrder(None, [], [rejected], rejected_lines, len(lines), set(), is_incomplete=False)


def _row(payload: Payload, of_file: dict[str, Any], position: int, found: Order) -> dict[str, Any]:
    """The row of an order. Raises InvalidPayload."""
    made = moment(found.created_at, "created_at")
    if made.day != payload.day:
        raise InvalidPayload(f"{NOT_OF_THIS_DAY}: {found.created_at}", "$.created_at")
    row = {**of_file, "position": position}
    for name in SCALARS:
        value = getattr(found, name)
        if isinstance(value, str) and "\0" in value:
            value = _without_nul(value, name)
        row[RENAMED.get(name, name)] = None if value is UNSET else value
    for name in TIMES:
        text = getattr(found, name)
        row[name] = None if text is None or text is UNSET else moment(text, name).utc
    return row | {
        **amounts(found),
        "created_at_offset_minutes": made.offset_minutes,
        "order_date": made.day,
        "order_hour": made.hour,
    }


def _line(
    of_file: dict[str, Any], position: int, place: int, found: Order, known: Line
) -> dict[str, Any]:
    return {
        **of_file,
        "order_position": position,
        "line_number": place + 1,
        "line_id": known.id,
        "order_id": found.id,
        "variant_id": None if known.variant_id is UNSET else known.variant_id,
        "product_id": None if known.product_id is UNSET else known.product_id,
        "quantity": known.quantity,
    }


def _without_nul(text: str, key: str) -> str:
    """A text without the character that no warehouse keeps. Raises InvalidPayload."""
    if MARK in text:
        raise InvalidPayload("it holds half a character", f"$.{key}")
    return text.replace("\0", "")


def _text_of(raw: msgspec.Raw) -> str:
    return bytes(raw).decode(errors="replace").replace("\0", "")
