"""An independent oracle: the rows the warehouse must hold, worked out slowly from the dumps.

It shares no code with the pipeline and uses the standard library only: each rule is written here
once, in the most obvious way.
"""

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]
Tables = dict[str, list[Row]]
Dump = tuple[datetime, Mapping[str, bytes]]
"""When a zip came, and its members by name."""

INTEGERS = [
    "number",
    "total_weight",
    "user_id",
    "location_id",
    "device_id",
    "app_id",
    "order_number",
    "checkout_id",
]
FLAGS = ["taxes_included", "confirmed", "buyer_accepts_marketing"]
PRICES = ["total_price", "subtotal_price", "total_tax", "total_line_items_price"]
MONEY = [*PRICES, "total_discounts", "total_price_usd", "total_discount"]
TIMES = ["closed_at", "cancelled_at", "processed_at"]
TEXTS = [
    "email",
    "note",
    "token",
    "gateway",
    "currency",
    "financial_status",
    "cart_token",
    "name",
    "referring_site",
    "landing_site",
    "cancel_reason",
    "checkout_token",
    "reference",
    "source_identifier",
    "source_url",
    "phone",
    "customer_locale",
    "browser_ip",
    "landing_site_ref",
    "processing_method",
    "source_name",
    "fulfillment_status",
    "tags",
    "contact_email",
    "order_status_url",
]
HISTORY = [
    "financial_status",
    "fulfillment_status",
    "gateway",
    "line_items_total",
    "subtotal",
    "tax",
    "total",
    "closed_at",
    "cancelled_at",
    "cancel_reason",
    "note",
    "tags",
    "lines",
    "units",
]
RENAMED = {
    "user_id": "staff_id",
    "test": "is_test",
    "confirmed": "is_confirmed",
    "total_line_items_price": "line_items_total",
    "subtotal_price": "subtotal",
    "total_tax": "tax",
    "total_price": "total",
    "total_discounts": "total_discounts_sent",
}


class Bad(Exception):
    """An order or a line that can't be loaded."""


def tables(dumps: Sequence[Dump]) -> Tables:
    """Every table that the dumps must become."""
    made = staged(dumps)
    made |= core(made)
    made |= marts(made)
    return made


# Staging


def staged(dumps: Sequence[Dump]) -> Tables:
    """What each version of each file holds."""
    made: Tables = {
        f"staging.{name}": []
        for name in ("orders", "order_lines", "order_dumps", "rejected_orders")
    }
    newest: dict[str, bytes] = {}
    for came_at, members in sorted(dumps, key=lambda one: one[0]):
        for name, packed in members.items():
            part = name.removesuffix(".gz")
            body = gzip.decompress(packed) if name.endswith(".gz") else packed
            if newest.get(part) == body:
                continue
            newest[part] = body
            try:
                orders = json.loads(body, parse_float=Decimal)["orders"]
            except ValueError:
                continue  # quarantined
            _stage(made, came_at.astimezone(UTC).replace(tzinfo=None), part, orders)
    return made


def _stage(made: Tables, came_at: datetime, part: str, orders: list[Any]) -> None:
    of_file = {
        "partition_date": date.fromisoformat(part[:10]),
        "captured_at": came_at,
        "part": part,
    }
    line_count = 0
    for position, order in enumerate(orders):
        lines = order.get("line_items")
        line_count += len(lines) if isinstance(lines, list) else 0
        try:
            row = _order(order, of_file["partition_date"])
        except Bad:
            made["staging.rejected_orders"].append(
                {"captured_at": came_at, "position": position, "content_id": order.get("id")}
            )
            continue
        made["staging.orders"].append(of_file | {"position": position} | row)
        for number, line in enumerate(lines, start=1):
            try:
                values = {key: _integer(line.get(key)) for key in ("variant_id", "product_id")}
                needed = [_integer(line.get(key)) for key in ("id", "quantity")]
            except Bad:
                continue
            if None in needed:
                continue
            made["staging.order_lines"].append(
                of_file
                | {
                    "order_position": position,
                    "line_number": number,
                    "line_id": needed[0],
                    "order_id": row["order_id"],
                    "quantity": needed[1],
                }
                | values
            )
    made["staging.order_dumps"].append(
        of_file | {"order_count": len(orders), "line_count": line_count}
    )


def _order(order: Row, day: date) -> Row:
    row: Row = {"order_id": _integer(order.get("id")), "test": order.get("test")}
    if row["order_id"] is None or not isinstance(row["test"], bool):
        raise Bad
    if not isinstance(order.get("line_items"), list):
        raise Bad
    for key in INTEGERS:
        row[key] = _integer(order.get(key))
    for key in FLAGS:
        row[key] = order.get(key)
        if not (row[key] is None or isinstance(row[key], bool)):
            raise Bad
    for key in MONEY:
        row[key] = _money(order.get(key))
        if row[key] is None and key in PRICES:
            raise Bad
    for key in TIMES:
        row[key] = None if order.get(key) is None else _time(order[key])[0]
    for key in TEXTS:
        row[key] = order.get(key)
        if isinstance(row[key], str):
            if re.search("[\ud800-\udfff]", row[key]):
                raise Bad
            row[key] = row[key].replace("\0", "")
        elif row[key] is not None:
            raise Bad
    row["updated_at"] = _time(order.get("updated_at"))[0]
    row["created_at"], wall = _time(order.get("created_at"))
    offset = wall.utcoffset()
    assert offset is not None
    row["created_at_offset_minutes"] = int(offset.total_seconds()) // 60
    row["order_date"] = date.fromisoformat(order["created_at"][:10])
    row["order_hour"] = int(order["created_at"][11:13])
    if row["order_date"] != day:
        raise Bad
    return row


def _integer(value: Any) -> int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not -(2**63) <= value < 2**63:
        raise Bad
    return value


def _money(value: Any) -> Decimal | None:
    if value is None:
        return None
    if isinstance(value, str):
        if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?", value):
            raise Bad
        value = Decimal(value)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        raise Bad
    amount = Decimal(value).quantize(Decimal("0.01"), ROUND_HALF_EVEN)
    if abs(amount) >= 10**10:
        raise Bad
    return amount


def _time(text: Any) -> tuple[datetime, datetime]:
    """In UTC without a zone, and as the clock on the wall showed it."""
    try:
        wall = datetime.fromisoformat(text)
        if wall.tzinfo is None:
            raise Bad
        return wall.astimezone(UTC).replace(tzinfo=None), wall
    except (TypeError, ValueError, OverflowError):
        raise Bad from None


# Core


def core(made: Tables) -> Tables:
    """Facts, history and dimensions."""
    orders = made["staging.orders"]
    lines = grouped(
        made["staging.order_lines"],
        lambda row: (row["captured_at"], row["part"], row["order_position"]),
    )

    def of(order: Row) -> list[Row]:
        return lines[order["captured_at"], order["part"], order["position"]]

    facts, fact_lines, history = [], [], []
    for versions in grouped(orders, lambda row: (row["partition_date"], row["order_id"])).values():
        chosen = max(versions, key=_age)
        fact = _as_core(chosen, of(chosen))
        fact["is_withdrawn"] = _is_withdrawn(made, chosen)
        fact["counts"] = not (
            fact["is_test"] or fact["is_withdrawn"] or fact["cancelled_at"] is not None
        )
        facts.append(fact)
        for line in of(chosen):
            wanted = "partition_date line_id order_id line_number variant_id product_id quantity"
            fact_lines.append({name: line[name] for name in wanted.split()})
        history += _history([_as_core(one, of(one)) for one in versions])
    by_order = {(one["partition_date"], one["order_id"]): one for one in facts}
    sold = [line | {"order": by_order[_key(line)]} for line in fact_lines]
    return {
        "core.fact_orders": facts,
        "core.fact_order_lines": fact_lines,
        "core.orders_history": history,
        "core.dim_staff": _seen(facts, "staff_id"),
        "core.dim_locations": _seen(facts, "location_id"),
        "core.dim_devices": _seen(facts, "location_id", "device_id"),
        "core.dim_products": _products(sold),
    }


def _key(row: Row) -> tuple[date, int]:
    return row["partition_date"], row["order_id"]


def _age(version: Row) -> tuple[Any, ...]:
    return tuple(version[name] for name in ("updated_at", "captured_at", "part", "position"))


def _as_core(order: Row, lines: list[Row]) -> Row:
    row = {RENAMED.get(name, name): value for name, value in order.items()}
    for name in ("gateway", "processing_method"):
        row[name] = row[name] if row[name] and row[name].strip() else None
    row["discount"] = row["line_items_total"] - row["subtotal"]
    row["lines"] = len(lines)
    row["units"] = sum(line["quantity"] for line in lines)
    return row


def _is_withdrawn(made: Tables, order: Row) -> bool:
    files = [one for one in made["staging.order_dumps"] if one["part"] == order["part"]]
    newest = max(files, key=lambda one: one["captured_at"])
    there = [
        one["order_id"]
        for one in made["staging.orders"]
        if (one["part"], one["captured_at"]) == (newest["part"], newest["captured_at"])
    ]
    return order["order_id"] not in there and len(there) == newest["order_count"]


def _history(versions: list[Row]) -> list[Row]:
    last: dict[datetime, Row] = {}
    for version in sorted(versions, key=_age):
        last[version["updated_at"]] = version
    runs: list[Row] = []
    for at, version in sorted(last.items()):
        attributes = {name: version[name] for name in HISTORY}
        if runs and all(runs[-1][name] == value for name, value in attributes.items()):
            continue
        if runs:
            runs[-1] |= {"valid_to": at, "is_current": False}
        runs.append(
            {"partition_date": version["partition_date"], "order_id": version["order_id"]}
            | {"valid_from": at, "valid_to": None, "is_current": True}
            | attributes
        )
    return runs


def _seen(facts: list[Row], *ids: str) -> list[Row]:
    rows = []
    for key, some in grouped(facts, lambda row: tuple(row[name] for name in ids)).items():
        if None not in key:
            days = [one["order_date"] for one in some if one["counts"]]
            rows.append(dict(zip(ids, key, strict=True)) | _days(days) | {"orders": len(days)})
    return rows


def _days(days: Iterable[date]) -> Row:
    return {
        "first_order_date": min(days, default=None),
        "last_order_date": max(days, default=None),
    }


def _products(sold: list[Row]) -> list[Row]:
    rows = []
    for variant, lines in grouped(sold, lambda row: row["variant_id"]).items():
        if variant is None:
            continue
        newest = max(
            lines,
            key=lambda row: (row["order"]["created_at"], row["order_id"], row["line_number"]),
        )
        counting = [one for one in lines if one["order"]["counts"]]
        rows.append(
            {"variant_id": variant, "product_id": newest["product_id"]}
            | _days([one["order"]["order_date"] for one in counting])
            | {"orders": len({one["order_id"] for one in counting})}
        )
    return rows


# Marts and live


def marts(made: Tables) -> Tables:
    """Summaries."""
    facts = made["core.fact_orders"]
    by_order = {_key(one): one for one in facts}
    sold = [
        line | {"order": by_order[_key(line)]}
        for line in made["core.fact_order_lines"]
        if by_order[_key(line)]["counts"]
    ]
    return {
        "marts.order_summary_1d": _summary(facts, "order_date", "location_id", "currency"),
        "marts.staff_summary": _staff(facts),
        "marts.product_sales_1d": [
            {"order_date": key[0], "product_id": key[1], "variant_id": key[2]}
            | {
                "orders": len({line["order_id"] for line in lines}),
                "lines": len(lines),
                "units": sum(line["quantity"] for line in lines),
            }
            for key, lines in grouped(
                sold,
                lambda row: (row["order"]["order_date"], row["product_id"], row["variant_id"]),
            ).items()
        ],
        "live.live_order_summary": _summary(facts, "order_date", "currency", locations=True),
    }


def _summary(facts: list[Row], *keys: str, locations: bool = False) -> list[Row]:
    rows = []
    for key, some in grouped(facts, lambda row: tuple(row[name] for name in keys)).items():
        counting = [one for one in some if one["counts"]]
        others = [_why_not(one) for one in some if not one["counts"]]
        number = len(counting)
        net = _sum(counting, "subtotal")
        units = sum(one["units"] for one in counting)
        cash = sum(one["gateway"] == "cash" for one in counting)
        row = dict(zip(keys, key, strict=True)) | {
            "orders": number,
            "lines": sum(one["lines"] for one in counting),
            "units": units,
            "staff": _different(one["staff_id"] for one in counting),
            "devices": _different(
                one["device_id"] and (one["location_id"], one["device_id"]) for one in counting
            ),
            "gross": _sum(counting, "line_items_total"),
            "discount": _sum(counting, "discount"),
            "net": net,
            "tax": _sum(counting, "tax"),
            "total": _sum(counting, "total"),
            "average_order": _divided(net, number, "0.01"),
            "units_an_order": _divided(units, number, "0.0001"),
            "cash_orders": cash,
            "cash_share": _divided(cash, number, "0.0001"),
            "free_orders": sum(one["total"] == 0 for one in counting),
            "unfulfilled_orders": sum(one["fulfillment_status"] is None for one in counting),
            "test_orders": others.count("test"),
            "cancelled_orders": others.count("cancelled"),
            "withdrawn_orders": others.count("withdrawn"),
        }
        if locations:
            row["locations"] = _different(one["location_id"] for one in counting)
        rows.append(row)
    return rows


def _why_not(fact: Row) -> str:
    if fact["is_withdrawn"]:
        return "withdrawn"
    return "test" if fact["is_test"] else "cancelled"


def _staff(facts: list[Row]) -> list[Row]:
    rows = []
    counting = [one for one in facts if one["counts"] and one["staff_id"] is not None]
    for key, some in grouped(counting, lambda row: (row["staff_id"], row["currency"])).items():
        times: dict[int, int] = defaultdict(int)
        for one in some:
            if one["location_id"] is not None:
                times[one["location_id"]] += 1
        net = _sum(some, "subtotal")
        rows.append(
            {
                "staff_id": key[0],
                "currency": key[1],
                "orders": len(some),
                "lines": sum(one["lines"] for one in some),
                "units": sum(one["units"] for one in some),
                "net": net,
                "discount": _sum(some, "discount"),
                "total": _sum(some, "total"),
                "average_order": _divided(net, len(some), "0.01"),
                "first_order_at": min(one["created_at"] for one in some),
                "last_order_at": max(one["created_at"] for one in some),
                "days_worked": len({one["order_date"] for one in some}),
                "locations": len(times),
                "main_location_id": min(times, key=lambda one: (-times[one], one), default=None),
            }
        )
    return rows


def _sum(rows: list[Row], column: str) -> Decimal:
    return sum((row[column] for row in rows), Decimal("0.00"))


def _different(values: Iterable[Any]) -> int:
    return len({value for value in values if value is not None})


def _divided(number: Decimal | int, by: int, step: str) -> Decimal | None:
    return (Decimal(number) / by).quantize(Decimal(step), ROUND_HALF_UP) if by else None


def grouped(rows: Iterable[Row], key: Callable[[Row], Any]) -> dict[Any, list[Row]]:
    """Rows by what the key makes of them."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    return groups
