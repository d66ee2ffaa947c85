"""Decoding JSON against a typed model: a fault becomes an invalid payload with its place."""

import codecs
from typing import Any, TypeVar

import msgspec

from predictit_assets.contract.payload import InvalidPayload

T = TypeVar("T")
BEGINNINGS = {
    codecs.BOM_UTF8: "it begins with a byte-order mark, which JSON doesn't have",
    codecs.BOM_UTF16_LE: "it is UTF-16, not UTF-8",
    codecs.BOM_UTF16_BE: "it is UTF-16, not UTF-8",
    b"\x1f\x8b": "it is a gzip",
    b"PK\x03\x04": "it is a zip",
    b"<": "it is a page, or XML",
}
"""What JSON is taken for, by its first bytes."""


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A body as the decoder's model. Raises InvalidPayload with the JSON path of the fault."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise _misfit(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidPayload(f"not JSON: {what_it_is(body) or error}") from None


def convert(value: Any, kind: type[T]) -> T:
    """What was decoded without a model, as one. Raises InvalidPayload with the JSON path."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise _misfit(error) from None


def _misfit(error: msgspec.ValidationError) -> InvalidPayload:
    reason, _, path = str(error).partition(" - at ")
    return InvalidPayload(reason, path.strip("`") or "$")


def what_it_is(body: bytes) -> str:
    """What a body is that is no JSON in UTF-8, by how it begins; empty when that isn't known."""
    return next((what for start, what in BEGINNINGS.items() if body.startswith(start)), "")
