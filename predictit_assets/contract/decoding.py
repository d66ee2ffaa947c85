"""Decoding JSON against a typed model: a fault becomes an invalid payload with its place."""

import codecs
import re
from typing import Any, TypeVar

import msgspec

from predictit_assets.contract.payload import InvalidPayload

T = TypeVar("T")
RAW_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
"""What a body holds only within a text, where JSON wants it escaped."""
SURROGATES = re.compile(
    rb"(?P<pair>\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    rb"|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
    rb"|\\."
)
HALF_CHARACTER = rb"\u0000\ufffd\u0000"
"""What stands for half a character in a mended body: nobody sends it, but some send U+FFFD."""
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


def decode_records(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """The container of records that are left raw. Raises InvalidPayload.

    A text of one that is no text costs that record (`decode_record`), and not all of them.
    """
    try:
        return decode(decoder, body)
    except InvalidPayload:
        whole = mended(body)
        if whole == body:
            raise
        return decode(decoder, whole)


def decode_record(decoder: msgspec.json.Decoder[T], text: msgspec.Raw) -> T:
    """A raw record as the decoder's model. Raises InvalidPayload."""
    body = bytes(text)
    if HALF_CHARACTER in body:
        raise InvalidPayload("it holds half a character")
    return decode(decoder, body)


def mended(body: bytes) -> bytes:
    """A body that is JSON though a text holds half a character, or one that should be escaped.

    It costs the record that holds it: without this it would cost all of them.
    """
    escaped = RAW_CONTROL.sub(lambda found: b"\\u%04x" % ord(found[0]), body)
    return SURROGATES.sub(
        lambda found: HALF_CHARACTER if found["half"] else found[0],
        escaped,
    )


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
