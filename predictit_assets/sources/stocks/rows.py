"""Polygon's answers as rows: each record by itself, in the order sent."""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import pyarrow

from predictit_assets.contract.payload import InvalidPayload, Payload, RejectedRow, Validation
from predictit_assets.contract.rejected import REJECTED, rejected_batch
from predictit_assets.contract.schema import Schema, ibis_schema, record_batch
from predictit_assets.sources.stocks import api
from predictit_assets.sources.stocks.api import Answered, answered, without_nul
from predictit_assets.sources.stocks.schemas import (
    PRICE,
    VOLUME,
    StockDays,
    StockListAnswers,
    StockOpenClose,
    StockSplitAnswers,
    StockSplits,
    StockTickers,
)
from predictit_assets.text import printable

PAGE = re.compile(r"p(0|[1-9][0-9]{0,3})")
Row = dict[str, Any]


class Kind(NamedTuple):
    """What the records of a dataset are, and the row that each becomes."""

    table: str
    schema: Schema
    decoder: msgspec.json.Decoder[Any]
    struct: type[msgspec.Struct]
    row: Callable[[Any, Payload], Row]
    """The columns that the record tells. Raises InvalidPayload."""
    answers_table: str = ""
    answers: Schema | None = None
    """One row per answer, where answers come in pages."""


class Answer(NamedTuple):
    """A valid payload, read."""

    payload: Payload
    page: int | None
    answer: Answered
    rows: list[Row]
    rejected: list[RejectedRow]
    new_fields: list[str]


def read(kind: Kind, payload: Payload) -> Answer:
    """The records of a payload, those that can be loaded and the others. Raises InvalidPayload."""
    answer = answered(payload.read())
    found = Answer(payload, _page(kind, payload.part), answer, [], [], [])
    new = {f"$.{key}" for key in answer.new_keys}
    above = _of_answer(found)
    for position, record in enumerate(answer.records):
        try:
            row = kind.row(api.record(record, kind.decoder), payload)
        except InvalidPayload as fault:
            path = f"$.results[{position}]{fault.path[1:]}"
            content = without_nul(bytes(record).decode(errors="replace"))
            found.rejected.append(RejectedRow(payload, position, fault.reason, path, content))
            continue
        new |= {f"$.results[].{key}" for key in api.new_keys(record, kind.struct)}
        found.rows.append(above | {"position": position} | _without_nul(row))
    found.new_fields.extend(sorted(printable(path) for path in new))
    return found


def validation(kind: Kind, count: str, payload: Payload) -> Validation:
    """Check the container of a payload, and count. Raises InvalidPayload with the JSON path."""
    found = read(kind, payload)
    return Validation({count: len(found.rows)}, found.new_fields, len(found.rejected))


def batches(kind: Kind, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
    """The rows of all tables, by payload and position."""
    found = [read(kind, payload) for payload in payloads]
    tables = {
        kind.table: _batch(kind.schema, (row for one in found for row in one.rows)),
        f"{REJECTED}{kind.table}": rejected_batch([row for one in found for row in one.rejected]),
    }
    if kind.answers:
        tables[kind.answers_table] = _batch(kind.answers, map(_answer, found))
    return tables


def _page(kind: Kind, part: str) -> int | None:
    if not kind.answers:
        if part:
            raise InvalidPayload(f"its part {part!r:.60} should be none")
        return None
    number = PAGE.fullmatch(part)
    if not number:
        raise InvalidPayload(f"its part {part!r:.60} names no page")
    return int(number[1])


def _of_answer(found: Answer) -> Row:
    """The columns that all tables have."""
    columns = _of_payload(found.payload)
    return columns if found.page is None else columns | {"page": found.page}


def _of_payload(payload: Payload) -> Row:
    return {
        "partition_date": payload.day,
        "captured_at": payload.captured_at.replace(tzinfo=None),
        "part": payload.part,
    }


def _answer(found: Answer) -> Row:
    return _of_answer(found) | {
        "answer_kind": found.answer.kind.value,
        "row_count": len(found.answer.records),
        "is_last": not found.answer.next_url,
    }


def _batch(schema: Schema, rows: Iterable[Row]) -> pyarrow.RecordBatch:
    held = list(rows)
    return record_batch(
        schema, {name: [row[name] for row in held] for name in ibis_schema(schema).names}
    )


def _without_nul(row: Row) -> Row:
    return {
        name: without_nul(value) if isinstance(value, str) else value for name, value in row.items()
    }


def _bar(bar: api.Bar, _payload: Payload) -> Row:
    # It says the same as the day that was asked about, in two ways; it's there or it is no bar.
    api.needed_number(bar.time, "$.t", (40, 0))
    low = api.needed_number(bar.low, "$.l", PRICE)
    high = api.needed_number(bar.high, "$.h", PRICE)
    if high < low:
        raise InvalidPayload("it is below the lowest price", "$.h")
    return {
        "ticker": api.ticker(bar.ticker, "$.T"),
        "open": api.needed_number(bar.open, "$.o", PRICE),
        "high": high,
        "low": low,
        "close": api.needed_number(bar.close, "$.c", PRICE),
        "volume": api.needed_number(bar.volume, "$.v", VOLUME),
        "vwap": api.number(bar.vwap, "$.vw", PRICE),
        "transactions": api.whole_number(bar.transactions, "$.n"),
        "is_otc": bool(bar.otc),
    }


def _ticker(found: api.Ticker, _payload: Payload) -> Row:
    return {
        "ticker": api.ticker(found.ticker, "$.ticker"),
        "name": found.name,
        "market": found.market,
        "locale": found.locale,
        "type": found.type,
        "primary_exchange": found.primary_exchange,
        "is_active": found.active,
        "currency_name": found.currency_name,
        "currency_symbol": found.currency_symbol,
        "base_currency_name": found.base_currency_name,
        "base_currency_symbol": found.base_currency_symbol,
        "cik": found.cik,
        "composite_figi": found.composite_figi,
        "share_class_figi": found.share_class_figi,
        "last_updated_at": api.moment(found.last_updated_utc, "$.last_updated_utc"),
        "delisted_at": api.moment(found.delisted_utc, "$.delisted_utc"),
    }


def _split(split: api.Split, payload: Payload) -> Row:
    if not without_nul(split.id):
        raise InvalidPayload("it is empty", "$.id")
    if split.execution_date != payload.day:
        raise InvalidPayload("it is of another day than the one asked about", "$.execution_date")
    shares = {
        "split_from": api.needed_number(split.split_from, "$.split_from", PRICE),
        "split_to": api.needed_number(split.split_to, "$.split_to", PRICE),
    }
    if none := [name for name, count in shares.items() if not count]:
        raise InvalidPayload("it isn't above 0", f"$.{none[0]}")
    return {
        "split_id": split.id,
        "ticker": api.ticker(split.ticker, "$.ticker"),
        "execution_date": split.execution_date,
        **shares,
    }


BARS = Kind("stock_days", StockDays, api.BAR, api.Bar, _bar)
SPLITS = Kind(
    "stock_splits",
    StockSplits,
    api.SPLIT,
    api.Split,
    _split,
    "stock_split_answers",
    StockSplitAnswers,
)
TICKERS = Kind(
    "stock_tickers",
    StockTickers,
    api.TICKER,
    api.Ticker,
    _ticker,
    "stock_list_answers",
    StockListAnswers,
)


# One request per ticker and day


def part_of(ticker: str) -> str:
    """The part of a ticker's answers: a small letter is marked.

    So tickers that differ by case only are two parts even where folders fold case.
    """
    return "".join(f"~{one}" if one == "~" or one != one.upper() else one for one in ticker)


def ticker_of(part: str) -> str:
    """The ticker of a part. Raises InvalidPayload for what is none."""
    ticker = re.sub(r"~(.)", r"\1", part)
    if not ticker or part_of(ticker) != part:
        raise InvalidPayload(f"its part {part!r:.60} names no ticker")
    return ticker


def read_open_close(payload: Payload) -> tuple[Row, list[str]]:
    """The row of an answer about one ticker and day, and new fields. Raises InvalidPayload.

    It is one row: a fault of it is a fault of the payload.
    """
    found, new = api.open_close(payload.read())
    ticker = ticker_of(payload.part)
    names = ibis_schema(StockOpenClose).names
    row = dict.fromkeys(names) | _of_payload(payload) | {"ticker": ticker}
    if found is None:
        return row | {"is_missing": True}, []
    if found.symbol != ticker:
        raise InvalidPayload("it is about another ticker than the one asked about", "$.symbol")
    if found.day != payload.day:
        raise InvalidPayload("it is of another day than the one asked about", "$.from")
    told = {
        "status": found.status,
        "open": api.needed_number(found.open, "$.open", PRICE),
        "high": api.needed_number(found.high, "$.high", PRICE),
        "low": api.needed_number(found.low, "$.low", PRICE),
        "close": api.needed_number(found.close, "$.close", PRICE),
        "after_hours": api.number(found.after_hours, "$.afterHours", PRICE),
        "pre_market": api.number(found.pre_market, "$.preMarket", PRICE),
        "volume": api.needed_number(found.volume, "$.volume", VOLUME),
        "is_otc": bool(found.otc),
        "is_missing": False,
    }
    return row | _without_nul(told), sorted(printable(f"$.{key}") for key in new)


def open_close_batches(payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
    """One row per answer."""
    rows = [read_open_close(payload)[0] for payload in payloads]
    return {"stock_open_close": _batch(StockOpenClose, rows)}
