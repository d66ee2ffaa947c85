"""Files of lines as payloads: cut where the day changes and where they get large."""

from collections.abc import Iterator
from datetime import date
from io import BytesIO
from typing import BinaryIO

from predictit_assets.contract.arrival import FileDrop, Refused
from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.contract.payload import Payload
from predictit_assets.sources.clickstream import api

MAX_BATCH = 10_000_000
"""Bytes at which a batch ends: with the line that reaches them."""
MAX_LINE = 8_000_000
"""Bytes of a line: what the largest body takes when each character is escaped."""


def identify(drop: FileDrop) -> Payload:
    """A batch under the time of its first line that tells one. Raises Refused."""
    body = drop.read()
    for text in BytesIO(body):
        if at := api.received_at(text):
            return Payload(UTC_CALENDAR.day_of(at), at, body)
    raise Refused("no line tells when it was received (received_at)")


def cut(stream: BinaryIO) -> Iterator[bytes]:
    """The lines of a file in batches of one UTC day each, verbatim and in order. Raises Refused.

    A line that doesn't tell when it was received goes with the one before it, or at the beginning
    with the next that does.
    """
    batch = bytearray()
    day: date | None = None
    while text := stream.readline(MAX_LINE + 1):
        if len(text) > MAX_LINE:
            raise Refused(f"holds a line of more than {MAX_LINE / 1e6:.0f} MB")
        at = api.received_at(text)
        own = UTC_CALENDAR.day_of(at) if at else day
        if batch and (len(batch) >= MAX_BATCH or (day and own != day)):
            yield bytes(batch)
            batch.clear()
        day = own
        batch += text
    if batch:
        yield bytes(batch)
