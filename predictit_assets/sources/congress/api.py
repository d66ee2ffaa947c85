"""What Benzinga's API answers: typed models of its JSON. Each record is read by itself."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta

from predictit_assets.contract.decoding import convert, decode, decode_record, decode_records
from predictit_assets.contract.payload import InvalidPayload

Integer = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Epoch = Annotated[int, Meta(ge=-62_135_596_800, le=253_402_300_799)]
"""Seconds since 1970, as far as calendars go: the years 1 to 9999."""
NOTHING_FOUND = "no_data_found"


class AnswerKind(StrEnum):
    """What an answer says, told by its body."""

    ROWS = "rows"
    EMPTY = "empty"
    NOT_FOUND = "not_found"


class Answered(NamedTuple):
    """An answer whose container is sound."""

    kind: AnswerKind
    records: list[msgspec.Raw]
    """As sent, sound or not."""
    new_keys: list[str]
    """Keys of the envelope that nobody knew of."""


class Security(msgspec.Struct):
    """What was traded. A key that is missing, or null, is None."""

    name: str | None = None
    ticker: str | None = None
    type: str | None = None


class Filer(msgspec.Struct):
    """Who filed the report, as the API knows the member today."""

    member_id: str
    updated: Epoch
    id: str | None = None
    member_name: str | None = None
    display_name: str | None = None
    chamber: str | None = None
    status: str | None = None
    party: str | None = None
    state: str | None = None
    district: str | None = None
    headshot: str | None = None
    website: str | None = None
    committees: dict[str, list[Any]] | None = None
    leadership_positions: list[Any] | None = None


class Trade(msgspec.Struct):
    """A record. What has no default must be there."""

    id: str
    transaction_id: str
    report_date: date
    transaction_date: date
    transaction_type: str
    amount: str
    updated: Epoch
    filer_info: Filer
    security: Security | None = None
    amendment_number: Integer | None = None
    report_id: str | None = None
    notification_date: str | None = None
    """A date, or nothing."""
    chamber: str | None = None
    ownership: str | None = None
    description: str | None = None
    disclosure_url: str | None = None


class _Error(msgspec.Struct):
    code: str


class _Refusal(msgspec.Struct):
    ok: bool
    errors: list[_Error]


TRADE_KEYS, FILER_KEYS, SECURITY_KEYS = (
    {field.encode_name for field in msgspec.structs.fields(kind)}
    for kind in (Trade, Filer, Security)
)
_CONTAINER: msgspec.json.Decoder[list[msgspec.Raw] | dict[str, msgspec.Raw]] = msgspec.json.Decoder(
    list[msgspec.Raw] | dict[str, msgspec.Raw]
)
_RECORDS = msgspec.json.Decoder(list[msgspec.Raw])
_REFUSAL = msgspec.json.Decoder(_Refusal)
_ANYTHING: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def answered(body: bytes) -> Answered:
    """What an answer says, its records unread. Raises InvalidPayload."""
    container = decode_records(_CONTAINER, body)
    if isinstance(container, list):
        if container:
            raise InvalidPayload("a bare list that holds something")
        return Answered(AnswerKind.EMPTY, [], [])
    if "data" in container:
        try:
            records = decode_records(_RECORDS, bytes(container["data"]))
        except InvalidPayload as fault:
            raise InvalidPayload(fault.reason, f"$.data{fault.path[1:]}") from None
        kind = AnswerKind.ROWS if records else AnswerKind.EMPTY
        return Answered(kind, records, sorted(container.keys() - {"data"}))
    if "errors" in container:
        refusal = decode(_REFUSAL, body)
        codes = {error.code for error in refusal.errors}
        if not refusal.ok and codes == {NOTHING_FOUND}:
            return Answered(AnswerKind.NOT_FOUND, [], [])
        raise InvalidPayload(f"the API answers with errors: {', '.join(sorted(codes))[:60]}")
    raise InvalidPayload("an envelope without data")


def anything(record: msgspec.Raw) -> Any:
    """A record without a model. Raises InvalidPayload when it is no JSON."""
    return decode_record(_ANYTHING, record)


def trade(value: Any) -> tuple[Trade, date | None]:
    """A record as it has to be, and the date of its notification. Raises InvalidPayload."""
    found = convert(value, Trade)
    keys = {
        "$.id": found.id,
        "$.transaction_id": found.transaction_id,
        "$.filer_info.member_id": found.filer_info.member_id,
    }
    for path, key in keys.items():
        if not without_nul(key):
            raise InvalidPayload("it is empty", path)
    if not found.notification_date:
        return found, None
    try:
        return found, convert(found.notification_date, date)
    except InvalidPayload as fault:
        raise InvalidPayload(fault.reason, "$.notification_date") from None


def new_keys(value: Any) -> set[str]:
    """JSON paths, below `$.data[]`, of the keys of a sound record that nobody knew of."""
    parts = (
        ("", value, TRADE_KEYS),
        (".security", value.get("security") or {}, SECURITY_KEYS),
        (".filer_info", value["filer_info"], FILER_KEYS),
    )
    return {f"$.data[]{path}.{key}" for path, keys, known in parts for key in keys.keys() - known}


def without_nul(text: str) -> str:
    """A text without the character that no warehouse keeps."""
    return text.replace("\0", "")
