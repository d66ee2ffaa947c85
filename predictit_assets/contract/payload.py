"""A payload: what was received once, byte for byte, and what is known of its structure."""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, NamedTuple

from predictit_assets.text import printable

CLOCK_TOLERANCE = timedelta(minutes=10)
"""How far in the future a capture time may lie: clocks differ."""
CAPTURE_TIME = r"([1-9][0-9]{7}T[0-9]{6})(?:\.([0-9]{6}))?Z"


def parse_capture_time(text: str) -> datetime | None:
    """The UTC time that a file name begins with, such as `20260120T170501Z`; else None."""
    match = re.match(CAPTURE_TIME, text)
    if not match:
        return None
    try:
        whole = datetime.fromisoformat(match[1]).replace(tzinfo=UTC)
    except ValueError:
        return None
    return whole.replace(microsecond=int(match[2] or 0))


def is_in_the_future(captured_at: datetime) -> bool:
    """Whether a capture time was made up by a clock that was ahead."""
    return captured_at > datetime.now(UTC) + CLOCK_TOLERANCE


class Payload(NamedTuple):
    """What was received once, byte for byte."""

    day: date
    """Its partition: a calendar day of its dataset."""
    captured_at: datetime
    """When it was received, timezone-aware UTC."""
    body: bytes | Path
    """The payload itself, uncompressed. A large one is a file."""
    part: str = ""
    """Which request, page, entity, batch or file it answers. Never a secret."""
    object_name: str = ""
    """The name of its object without the folder; empty until it is stored."""

    def read(self) -> bytes:
        """The whole body, in memory."""
        return self.body if isinstance(self.body, bytes) else self.body.read_bytes()

    def open(self) -> BinaryIO:
        """The body as a stream, for bodies that may be files."""
        return io.BytesIO(self.body) if isinstance(self.body, bytes) else self.body.open("rb")


class RejectedRow(NamedTuple):
    """A row that can't be loaded, while the others of its payload can."""

    payload: Payload
    position: int
    """Place among the rows of the payload, from 0."""
    reason: str
    path: str
    """JSON path within the payload."""
    content: str
    """The row as text."""


@dataclass(frozen=True)
class Validation:
    """What is known of a payload whose structure is valid."""

    counts: Mapping[str, int]
    """How many of each thing it holds, by the names in `Dataset.counts`."""
    new_fields: Sequence[str] = field(default_factory=tuple)
    """Unknown fields as JSON paths: they are kept and reported, but not loaded."""
    rejected: int = 0
    """Rows that are rejected; `Dataset.rows` gives them with their reasons."""


class InvalidPayload(Exception):
    """The structure of a payload is broken: where and how."""

    def __init__(self, reason: str, path: str = "$") -> None:
        # Both may quote the payload, and are shown in logs and on terminals.
        self.reason = printable(reason)
        self.path = printable(path)
        super().__init__(f"{self.reason} (at {self.path})")
