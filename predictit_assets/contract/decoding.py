"""Decoding JSON against a typed model: a fault becomes an invalid payload with its place."""

from typing import TypeVar

import msgspec

from predictit_assets.contract.payload import InvalidPayload

T = TypeVar("T")


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """A body as the decoder's model. Raises InvalidPayload with the JSON path of the fault."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at ")
        raise InvalidPayload(reason, path.strip("`") or "$") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidPayload(f"not JSON: {error}") from None
