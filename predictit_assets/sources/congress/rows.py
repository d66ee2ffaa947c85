"""Benzinga's answers as rows: each record by itself, in the order sent."""

import json
import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pyarrow

from predictit_assets.contract.payload import InvalidPayload, Payload, RejectedRow
from predictit_assets.contract.rejected import rejected_batch
from predictit_assets.contract.schema import Schema, ibis_schema, record_batch
from predictit_assets.sources.congress.api import (
    Answered,
    Security,
    Trade,
    answered,
    anything,
    new_keys,
    trade,
    without_nul,
)
from predictit_assets.sources.congress.schemas import CongressAnswers, CongressTrades
from predictit_assets.text import printable

PAGE = re.compile(r"p(0|[1-9][0-9]{0,3})")
EPOCH = datetime(1970, 1, 1)  # tables hold UTC without a zone


class Page(NamedTuple):
    """A valid payload, read."""

    payload: Payload
    number: int
    answer: Answered
    rows: list[dict[str, Any]]
    rejected: list[RejectedRow]
    new_fields: list[str]


def read(payload: Payload) -> Page:
    """The records of a payload, those that can be loaded and the others. Raises InvalidPayload."""
    answer = answered(payload.read())
    number = PAGE.fullmatch(payload.part)
    if not number:
        raise InvalidPayload(f"its part {payload.part!r:.60} names no page")
    page = Page(payload, int(number[1]), answer, [], [], [])
    new = {f"$.{key}" for key in answer.new_keys}
    for position, record in enumerate(answer.records):
        try:
            value = anything(record)
            row = _row(page, position, *trade(value))
        except InvalidPayload as fault:
            path = f"$.data[{position}]{fault.path[1:]}"
            page.rejected.append(
                RejectedRow(payload, position, fault.reason, path, _text_of(record))
            )
            continue
        new |= new_keys(value)
        page.rows.append(row)
    page.new_fields.extend(sorted(printable(path) for path in new))
    return page


def batches(payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
    """The rows of all tables, by payload and position."""
    pages = [read(payload) for payload in payloads]
    return {
        "congress_trades": _batch(CongressTrades, (row for page in pages for row in page.rows)),
        "rejected_congress_trades": rejected_batch(
            [one for page in pages for one in page.rejected]
        ),
        "congress_answers": _batch(CongressAnswers, map(_answer, pages)),
    }


def canonical(value: Any) -> str | None:
    """Lists and objects as JSON text, with keys and lists sorted: another order is no change.

    Raises InvalidPayload when they are nested too deeply.
    """
    try:
        return None if value is None else _json(_sorted(value))
    except RecursionError:
        raise InvalidPayload("it is nested too deeply", "$.filer_info") from None


def _sorted(value: Any) -> Any:
    if isinstance(value, str):
        return without_nul(value)
    if isinstance(value, dict):
        return {without_nul(key): _sorted(one) for key, one in value.items()}
    if isinstance(value, list):
        return sorted(map(_sorted, value), key=_json)
    return value


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _batch(schema: Schema, rows: Iterator[dict[str, Any]]) -> pyarrow.RecordBatch:
    held = list(rows)
    return record_batch(
        schema, {name: [row[name] for row in held] for name in ibis_schema(schema).names}
    )


def _of_answer(page: Page) -> dict[str, Any]:
    """The columns that all tables have."""
    return {
        "partition_date": page.payload.day,
        "captured_at": page.payload.captured_at.replace(tzinfo=None),
        "part": page.payload.part,
        "page": page.number,
    }


def _answer(page: Page) -> dict[str, Any]:
    count = len(page.answer.records)
    return _of_answer(page) | {
        "answer_kind": page.answer.kind.value,
        "row_count": count,
        "is_last": count == 0,
    }


def _row(page: Page, position: int, found: Trade, notified: date | None) -> dict[str, Any]:
    filer, security = found.filer_info, found.security or Security()
    row = _of_answer(page) | {
        "position": position,
        "amendment_number": found.amendment_number,
        "amount": found.amount,
        "chamber": found.chamber,
        "disclosure_url": found.disclosure_url,
        "committees": canonical(filer.committees),
        "display_name": filer.display_name,
        "district": filer.district,
        "headshot": filer.headshot,
        "member_record_id": filer.id,
        "leadership_positions": canonical(filer.leadership_positions),
        "member_id": filer.member_id,
        "member_name": filer.member_name,
        "party": filer.party,
        "state": filer.state,
        "member_updated_at": EPOCH + timedelta(seconds=filer.updated),
        "website": filer.website,
        "trade_record_id": found.id,
        "notification_date": notified,
        "ownership": found.ownership,
        "report_date": found.report_date,
        "report_id": found.report_id,
        "security_name": security.name,
        "security_ticker": security.ticker,
        "security_type": security.type,
        "transaction_date": found.transaction_date,
        "transaction_id": found.transaction_id,
        "transaction_type": found.transaction_type,
        "record_updated_at": EPOCH + timedelta(seconds=found.updated),
        "description": found.description,
        "filer_status": filer.status,
        "filer_chamber": filer.chamber,
    }
    return {
        name: without_nul(value) if isinstance(value, str) else value for name, value in row.items()
    }


def _text_of(record: msgspec.Raw) -> str:
    return without_nul(bytes(record).decode(errors="replace"))
