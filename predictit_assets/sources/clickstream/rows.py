"""Segments as rows: each hit by itself, by payload, line and place, a few at a time."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple
from uuid import uuid5

import msgspec
import pyarrow

from predictit_assets.contract.payload import InvalidPayload, Payload, RejectedRow, Validation
from predictit_assets.contract.rejected import RejectedRows, rejected_batch
from predictit_assets.contract.schema import ibis_schema, record_batch
from predictit_assets.sources.clickstream import api
from predictit_assets.sources.clickstream.agents import BLANK, NAMESPACE, Agent, agent
from predictit_assets.sources.clickstream.schemas import Hits

HITS_AT_ONCE = 5_000
"""Hits that are held as Python objects: many more of them take many times their JSON."""
SENT = {
    "client_id": "cid",
    "request_id": "z",
    "user_id": "uid",
    "property_id": "tid",
    "hit_type": "t",
    "product_action": "pa",
    "referrer_url": "dr",
    "page_title": "dt",
    "screen_resolution": "sr",
    "screen_colors": "sd",
    "document_encoding": "de",
    "user_language": "ul",
    "event_category": "ec",
    "event_action": "ea",
    "event_label": "el",
    "event_value": "ev",
    "action_list": "pal",
    "currency": "cu",
    "transaction_id": "ti",
    "affiliation": "ta",
    "revenue": "tr",
    "tax": "tt",
    "shipping": "ts",
    "coupon": "tcc",
}
"""The columns that are values as sent, and their keys."""
OF_PAGE = tuple(f"page_{name}" if name in ("host", "path") else name for name in api.Page._fields)
RESENT = frozenset(("qt", "tm"))
"""Keys whose values a retry sends anew."""
MILLISECONDS = pyarrow.timestamp("ms")
TIMES = frozenset(("received_at", "client_ts"))


class _Own(NamedTuple):
    """The columns of a hit that are no values as sent, and are told by nothing that many share."""

    received_at: int
    payload: str
    line_number: int
    hit_index: int
    log_id: str
    method: str | None
    remote: str | None
    client_ts: int | None
    queue_ms: int | None
    page_url: str | None
    referrer_host: str | None
    user_network: str | None
    content_hash: str
    body: str


class _Row(NamedTuple):
    own: _Own
    sent: tuple[str | None, ...]
    page: api.Page
    agent: Agent


class _Read(NamedTuple):
    """A line of a payload: its request, and the hits of it; or why it is none."""

    number: int
    request: api.Line | None
    found: Iterator[api.Hit | api.Bad]


def validation(payload: Payload) -> Validation:
    """Check a payload, and count. Raises InvalidPayload when no line is a collector's."""
    requests = hits = rejected = 0
    for read in _lines(payload):
        requests += read.request is not None
        for one in read.found:
            hits += isinstance(one, api.Hit)
            rejected += isinstance(one, api.Bad)
    if not requests:
        raise InvalidPayload("no line is a collector's")
    return Validation({"requests": requests, "hits": hits}, (), rejected)


def batches(payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
    """The hits, and what is rejected, by payload, line and place."""
    made: dict[str, list[pyarrow.RecordBatch]] = {"hits": [], "rejected_hits": []}
    for payload in payloads:
        rejected: list[RejectedRow] = []
        rows = _rows(payload, rejected)
        while chunk := list(islice(rows, HITS_AT_ONCE)):
            made["hits"].append(_batch(payload, chunk))
        made["rejected_hits"].append(rejected_batch(rejected))
    return {
        "hits": _joined(Hits, made["hits"]),
        "rejected_hits": _joined(RejectedRows, made["rejected_hits"]),
    }


def _lines(payload: Payload) -> Iterator[_Read]:
    """The lines of a payload that aren't blank. Raises InvalidPayload."""
    body = payload.read()
    try:
        body.decode()
    except UnicodeDecodeError:
        raise InvalidPayload("not UTF-8") from None
    for number, text in enumerate(body.split(b"\n")):
        if not text.strip():
            continue
        try:
            request = api.line(text)
        except api.NotALine:
            yield _Read(number, None, _only(api.NOT_A_LINE, text))
            continue
        if request.day != payload.day:
            yield _Read(number, request, _only(api.OTHER_DAY, text))
            continue
        yield _Read(number, request, api.hits(request))


def _only(reason: str, text: bytes) -> Iterator[api.Bad]:
    yield api.Bad(reason, "$", api.keepable(text.decode()))


def _rows(payload: Payload, rejected: list[RejectedRow]) -> Iterator[_Row]:
    """The rows of a payload; what is rejected is added to the list."""
    for number, request, found in _lines(payload):
        for one in found:
            if isinstance(one, api.Bad):
                rejected.append(RejectedRow(payload, number, one.reason, one.path, one.content))
            elif request:
                yield _row(payload.object_name, number, request, one)


def _row(payload: str, number: int, request: api.Line, hit: api.Hit) -> _Row:
    value = hit.values.get
    page_url = _first(value("dl"), request.headers.get("referer"))
    address = _first(value("uip"), request.remote)
    own = _Own(
        received_at=request.received_at,
        payload=payload,
        line_number=number,
        hit_index=hit.place,
        log_id=str(uuid5(NAMESPACE, f"{payload}:{number}.{hit.place}")),
        method=request.method,
        remote=request.remote,
        client_ts=api.client_time(value("tm")),
        queue_ms=api.queue_time(value("qt")),
        page_url=page_url,
        referrer_host=api.page(value("dr")).host,
        user_network=api.network(address) if address else None,
        content_hash=content_hash(hit.values),
        body=hit.body,
    )
    sender = request.headers.get("user-agent") or request.user_agent
    return _Row(
        own,
        tuple(map(value, SENT.values())),
        api.page(page_url),
        agent(_first(value("ua"), sender)),
    )


def content_hash(values: Mapping[str, str]) -> str:
    """SHA-256 of the keys and values of a hit, but for those that a retry sends anew."""
    kept = {key: value for key, value in values.items() if key not in RESENT}
    return hashlib.sha256(msgspec.json.encode(sorted(kept.items()))).hexdigest()


def _first(value: str | None, other: str | None) -> str | None:
    """A value as sent, or the other one where it is blank."""
    if value and value.strip(BLANK):
        return value
    return other if other is None else api.keepable(other)


def _batch(payload: Payload, rows: Sequence[_Row]) -> pyarrow.RecordBatch:
    columns: dict[str, Any] = {"partition_date": [payload.day] * len(rows)}
    own, sent, pages, agents = zip(*rows, strict=True)
    for names, values in (
        (_Own._fields, own),
        (SENT, sent),
        (OF_PAGE, pages),
        (Agent._fields, agents),
    ):
        columns.update(zip(names, zip(*values, strict=True), strict=True))
    columns |= {name: pyarrow.array(columns[name], MILLISECONDS) for name in TIMES}
    return record_batch(Hits, columns)


def _joined(schema: Any, some: Sequence[pyarrow.RecordBatch]) -> pyarrow.RecordBatch:
    target = ibis_schema(schema).to_pyarrow()
    whole = pyarrow.Table.from_batches(some, target).combine_chunks()
    return (whole.to_batches() or [pyarrow.RecordBatch.from_pylist([], target)])[0]
