"""An independent oracle: the rows the warehouse must hold, worked out slowly from the payloads.

It shares no code with the pipeline and uses the standard library only. Read it beside
docs/tables.md: each rule there is written here once, in the most obvious way.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from hashlib import sha256
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
EASTERN = ZoneInfo("America/New_York")

# What tells the rows of a table apart; they are sorted by it.
GRAIN: dict[str, tuple[str, ...]] = {
    "staging.market_snapshots": ("polled_at", "market_id"),
    "staging.contract_snapshots": ("polled_at", "contract_id"),
    "core.fact_prices": ("contract_id", "polled_at"),
    "core.dim_markets": ("market_id",),
    "core.dim_contracts": ("contract_id",),
    "core.dim_markets_history": ("market_id", "valid_from"),
    "core.dim_contracts_history": ("contract_id", "valid_from"),
}
# Column: key of the payload. Those above `status` are the attributes whose history is kept.
MARKET = {
    "market_name": "name",
    "market_short_name": "shortName",
    "market_url": "url",
    "image_url": "image",
    "status": "status",
}
CONTRACT = {
    "contract_name": "name",
    "contract_short_name": "shortName",
    "image_url": "image",
    "display_order": "displayOrder",
    "date_end": "dateEnd",
    "status": "status",
}
PRICES = {
    "last_trade_price": "lastTradePrice",
    "best_buy_yes_cost": "bestBuyYesCost",
    "best_buy_no_cost": "bestBuyNoCost",
    "best_sell_yes_cost": "bestSellYesCost",
    "best_sell_no_cost": "bestSellNoCost",
    "last_close_price": "lastClosePrice",
}
MARKET_ATTRIBUTES = tuple(MARKET)[:-1]
CONTRACT_ATTRIBUTES = tuple(CONTRACT)[:-1]

TIME_STAMP = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]{1,7}))?"
)
ISO_DATE_END = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})"
    r"(?:[T ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:\.([0-9]+))?)?)?"
)
US_DATE_END = re.compile(
    r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}|[0-9]{2})"
    r"(?:\s+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?\s*([ap])\.?m\.?)?"
    r"(?:\s*(?:\([^)]*\)|\[[^\]]*\]))*",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Payload:
    """One answer of the API: when it was received (aware, UTC) and its bytes."""

    captured_at: datetime
    body: bytes


def _wall(*groups: str | None) -> datetime:
    """Make a wall time of year to second and fraction digits (absent: 0); ValueError if none."""
    year, month, day, hour, minute, second = (int(group or 0) for group in groups[:6])
    microsecond = int((groups[6] or "")[:6].ljust(6, "0"))  # further digits are cut off
    return datetime(year, month, day, hour, minute, second, microsecond)


def _utc(wall: datetime, near: datetime | None = None) -> datetime:
    """Turn an Eastern wall time into naive UTC; OverflowError beyond the year 9999.

    The two folds differ only where a wall time comes twice (autumn) or never (spring), and in
    both cases standard time is the later instant. With `near` (naive UTC), a wall time that comes
    twice is the instant nearer to it (the earlier one in a dead heat).
    """
    first, second = (
        wall.replace(tzinfo=EASTERN, fold=fold).astimezone(UTC).replace(tzinfo=None)
        for fold in (0, 1)
    )
    if first < second and near is not None:
        return first if abs(first - near) <= abs(second - near) else second
    return max(first, second)


def source_ts(text: str, captured_at: datetime) -> datetime:
    """Turn a timeStamp into naive UTC; ValueError or OverflowError if it is none."""
    match = TIME_STAMP.fullmatch(text)
    if match is None:
        raise ValueError(text)
    return _utc(_wall(*match.groups()), captured_at.astimezone(UTC).replace(tzinfo=None))


def date_end_ts(text: str | None) -> datetime | None:
    """Read a free-text dateEnd as naive UTC; None if it holds no possible Eastern time."""
    if text is None:
        return None
    try:
        if iso := ISO_DATE_END.fullmatch(text.strip()):
            return _utc(_wall(*iso.groups()))
        us = US_DATE_END.fullmatch(text.strip())
        if us is None:
            return None
        month, day, year, hour, minute, second, half = us.groups()
        wall = _wall(year if len(year) == 4 else "20" + year, month, day, "0", minute, second, "")
        if hour is None:
            return _utc(wall)
        if not 1 <= int(hour) <= 12:
            return None
        return _utc(wall + timedelta(hours=int(hour) % 12 + (12 if half in "pP" else 0)))
    except (ValueError, OverflowError):
        return None


@cache
def _price(value: Decimal | int | None) -> Decimal | None:
    """Give a price its four decimal places (half up; -0.0 is 0); None stays None."""
    if value is None:
        return None
    return Decimal(value).copy_abs().quantize(Decimal("0.0001"), ROUND_HALF_UP)


def _is_time_stamp(value: object) -> bool:
    """Tell whether a value is a sound timeStamp (the capture time decides nothing here)."""
    try:
        return isinstance(value, str) and bool(source_ts(value, datetime(2000, 1, 1, tzinfo=UTC)))
    except (ValueError, OverflowError):
        return False


# What a value can be asked to be. (type() and not isinstance(): a bool is no number.)
KINDS: dict[str, Callable[[Any], bool]] = {
    "a positive int64": lambda value: type(value) is int and 0 < value < 2**63,
    "an int64": lambda value: type(value) is int and -(2**63) <= value < 2**63,
    "text": lambda value: type(value) is str and not re.search("[\ud800-\udfff]", value),
    "a price of 0 to 1": lambda value: type(value) in (int, Decimal) and 0 <= value <= 1,
    "null or a price of 0 to 1": lambda value: (
        value is None or (type(value) in (int, Decimal) and 0 <= value <= 1)
    ),
    "an ISO date-time": _is_time_stamp,
    "an array with something in it": lambda value: type(value) is list and len(value) > 0,
    "an array": lambda value: type(value) is list,
    "null or text": lambda value: value is None or KINDS["text"](value),
}
BODY_SHAPE = {"markets": "an array with something in it"}
MARKET_SHAPE = dict.fromkeys(MARKET.values(), "text") | {
    "id": "a positive int64",
    "timeStamp": "an ISO date-time",
    "contracts": "an array",
}
CONTRACT_SHAPE = dict.fromkeys(CONTRACT.values(), "text") | {
    "id": "a positive int64",
    "displayOrder": "an int64",
    "dateEnd": "null or text",
    **dict.fromkeys(PRICES.values(), "null or a price of 0 to 1"),
    "lastTradePrice": "a price of 0 to 1",
}


def _check(item: object, path: str, shape: dict[str, str], ids: set[int]) -> None:
    """Raise ValueError unless an object has the shape, and an id that is not yet among ids."""
    if not isinstance(item, dict):
        raise ValueError(f"{path}: not an object")
    for key, kind in shape.items():
        if key not in item:
            raise ValueError(f"{path}.{key}: missing")
        if not KINDS[kind](item[key]):
            raise ValueError(f"{path}.{key}: not {kind}")
    if "id" in shape:
        if item["id"] in ids:
            raise ValueError(f"{path}.id: a duplicate")
        ids.add(item["id"])


def _sound_markets(body: bytes) -> list[Row]:
    """Parse a body and return its markets; ValueError with the reason if it isn't sound."""
    try:  # int("NaN") raises ValueError: NaN and Infinity are not JSON, though Python reads them
        text = body.decode("utf-8")
        document = json.loads(text, parse_float=Decimal, parse_constant=int)
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except (ValueError, ArithmeticError, RecursionError) as error:
        raise ValueError("not JSON, or truncated") from error
    _check(document, "$", BODY_SHAPE, set())
    market_ids: set[int] = set()
    contract_ids: set[int] = set()
    for m, market in enumerate(document["markets"]):
        _check(market, f"$.markets[{m}]", MARKET_SHAPE, market_ids)
        for c, contract in enumerate(market["contracts"]):
            _check(contract, f"$.markets[{m}].contracts[{c}]", CONTRACT_SHAPE, contract_ids)
    markets: list[Row] = document["markets"]
    return markets


def problem(body: bytes) -> str | None:
    """Say in a few words why a body is not sound; None if it is."""
    try:
        _sound_markets(body)
    except ValueError as error:
        return str(error)
    return None


def _observations(payloads: Iterable[Payload]) -> list[tuple[datetime, bytes]]:
    """Keep the sound payloads, one per capture time (smallest sha256), in time order."""
    kept: dict[datetime, bytes] = {}
    for payload in payloads:
        if payload.captured_at.tzinfo is None:
            raise TypeError(f"captured_at is not aware: {payload.captured_at}")
        if problem(payload.body) is None:
            at = payload.captured_at.astimezone(UTC)
            candidates = (kept.get(at, payload.body), payload.body)
            kept[at] = min(candidates, key=lambda body: sha256(body).hexdigest())
    return sorted(kept.items())


def _staging(captured_at: datetime, body: bytes) -> tuple[list[Row], list[Row]]:
    """Cut one sound body into the rows of the two staging tables."""
    markets: list[Row] = []
    contracts: list[Row] = []
    for market in _sound_markets(body):
        common = {
            "partition_date": captured_at.astimezone(EASTERN).date(),
            "polled_at": captured_at.replace(tzinfo=None),
            "source_ts": source_ts(market["timeStamp"], captured_at),
            "market_id": market["id"],
        }
        texts = {column: market[key] for column, key in MARKET.items()}
        markets.append(common | texts | {"contract_count": len(market["contracts"])})
        for contract in market["contracts"]:
            texts = {column: contract[key] for column, key in CONTRACT.items()}
            prices = {column: _price(contract[key]) for column, key in PRICES.items()}
            contracts.append(common | {"contract_id": contract["id"]} | texts | prices)
    return markets, contracts


def _fact(row: Row) -> Row:
    """Turn a row of staging.contract_snapshots into its row of core.fact_prices."""
    columns = ("partition_date", "polled_at", "source_ts", "market_id", "contract_id", *PRICES)
    fact = {column: row[column] for column in columns}
    if row["last_trade_price"] == 0:
        fact["last_trade_price"] = None
    fact["mid_price"] = fact["spread"] = None
    ask, bid = row["best_buy_yes_cost"], row["best_sell_yes_cost"]
    if ask is not None and bid is not None:
        fact["mid_price"], fact["spread"] = _price((ask + bid) / 2), ask - bid
    return fact


def _attributes(row: Row, columns: Iterable[str]) -> Row:
    """Pick attributes of a staging row as core shows them: names folded, the rest as sent."""
    picked = {column: row[column] for column in columns}
    for column in picked:
        if column.endswith("_name"):
            picked[column] = " ".join(picked[column].split())
    return picked


def _dim(rows: list[Row], newest: datetime, columns: Iterable[str]) -> Row:
    """Work out what both dimensions say of one id, from all its observations."""
    last_seen = rows[-1]["polled_at"]
    return _attributes(rows[-1], columns) | {
        "effective_ts": rows[0]["polled_at"],
        "last_seen_ts": last_seen,
        "expiry_ts": None if last_seen == newest else last_seen,
        "is_open": last_seen == newest,
    }


def _history(rows: list[Row], key: str, columns: Iterable[str]) -> list[Row]:
    """Cut all observations of one id into versions: runs with the same attributes."""
    versions: list[Row] = []
    seen: Row = {}
    for row in rows:
        attributes = _attributes(row, columns)
        if attributes == seen:
            continue
        if versions:
            versions[-1].update(valid_to=row["polled_at"], is_current=False)
        life = {"valid_from": row["polled_at"], "valid_to": None, "is_current": True}
        versions.append({key: row[key]} | attributes | life)
        seen = attributes
    return versions


def tables(payloads: Iterable[Payload]) -> dict[str, list[Row]]:
    """Work out every row of every table of GRAIN, sorted by the table's grain."""
    result: dict[str, list[Row]] = {table: [] for table in GRAIN}
    markets: dict[int, list[Row]] = defaultdict(list)  # the observations of each id,
    contracts: dict[int, list[Row]] = defaultdict(list)  # in time order
    newest = datetime.min
    for captured_at, body in _observations(payloads):
        newest = captured_at.replace(tzinfo=None)
        market_rows, contract_rows = _staging(captured_at, body)
        result["staging.market_snapshots"] += market_rows
        result["staging.contract_snapshots"] += contract_rows
        result["core.fact_prices"] += [_fact(row) for row in contract_rows]
        for row in market_rows:
            markets[row["market_id"]].append(row)
        for row in contract_rows:
            contracts[row["contract_id"]].append(row)
    for market_id, rows in markets.items():
        dim = _dim(rows, newest, MARKET_ATTRIBUTES)
        dim.update(market_id=market_id, contract_count=rows[-1]["contract_count"])
        result["core.dim_markets"].append(dim)
        result["core.dim_markets_history"] += _history(rows, "market_id", MARKET_ATTRIBUTES)
    for contract_id, rows in contracts.items():
        dim = _dim(rows, newest, CONTRACT_ATTRIBUTES)
        dim.update(contract_id=contract_id, market_id=rows[-1]["market_id"])
        dim.update(date_end_ts=date_end_ts(rows[-1]["date_end"]))
        result["core.dim_contracts"].append(dim)
        result["core.dim_contracts_history"] += _history(rows, "contract_id", CONTRACT_ATTRIBUTES)
    return {table: sorted(rows, key=_key_of(GRAIN[table])) for table, rows in result.items()}


def _key_of(grain: tuple[str, ...]) -> Callable[[Row], tuple[Any, ...]]:
    """Make the function that gives the key of a row."""
    return lambda row: tuple(row.get(column) for column in grain)


def _differences(expected: list[Row], actual: list[Row], grain: tuple[str, ...]) -> Iterator[str]:
    """Yield each difference; a value of another type differs even where Python calls it equal."""
    key_of = _key_of(grain)
    found: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in actual:
        found[key_of(row)].append(row)
    for row in expected:
        label = ", ".join(f"{column}={row[column]}" for column in grain)
        twins = found.pop(key_of(row), [])
        if not twins:
            yield f"missing row: {label}"
        for twin in twins[:1]:
            for column in dict.fromkeys((*row, *twin)):
                want, got = row.get(column, "no such column"), twin.get(column, "no such column")
                if type(want) is not type(got) or want != got:
                    yield f"differing cell: {label}: {column}: expected {want!r}, actual {got!r}"
        for _ in twins[1:]:
            yield f"extra row: {label} (the key is there {len(twins)} times)"
    for key, rows in found.items():
        for _ in rows:
            yield "extra row: " + ", ".join(f"{c}={v}" for c, v in zip(grain, key, strict=True))


def compare(expected: list[Row], actual: list[Row], table: str) -> list[str]:
    """Return at most 10 readable differences between two row sets of a table, order aside."""
    return [f"{table}: {text}" for text in islice(_differences(expected, actual, GRAIN[table]), 10)]
