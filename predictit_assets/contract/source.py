"""The contract that every source fills: how a payload is obtained, proven, and cut into tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:  # a poller has neither: it cuts no tables
    import pyarrow

    from predictit_assets.contract.schema import Schema


@dataclass(frozen=True)
class Payload:
    """One payload as it was received, and when."""

    captured_at: datetime
    """Timezone-aware UTC."""
    body: bytes
    """The payload itself, uncompressed."""


@dataclass(frozen=True)
class Validation:
    """What is known of a payload whose structure is sound."""

    counts: Mapping[str, int]
    """How many of each thing it holds, by the names that the raw manifest gives them."""
    new_fields: Sequence[str]
    """Fields that nobody knew of, as JSON paths: kept, reported, not loaded."""


class InvalidPayload(Exception):
    """The structure of a payload is broken: where and how."""

    def __init__(self, reason: str, path: str = "$") -> None:
        super().__init__(f"{reason} (at {path})")
        self.reason = reason
        self.path = path


class Source(Protocol):
    """Where payloads come from and what they mean."""

    name: ClassVar[str]
    """The folder of the source: one word."""
    dataset: ClassVar[str]
    """What its payloads are called, from landing to raw."""
    homepage: ClassVar[str]
    """Where people read about it, and about the licence of its data."""
    may_be_empty: ClassVar[bool]
    """Whether a day without payloads is nothing unusual."""
    manifest: "ClassVar[Schema]"
    """The schema of the raw manifest: the common columns and one a count of `Validation`."""
    tables: "ClassVar[Mapping[str, Schema]]"
    """The tables that its payloads are cut into, from curated to staging, with their schemas."""

    def fetch(self) -> Iterator[Payload]:
        """Ask for what there is to ask for now, one call after the other. Raises FetchError."""
        ...

    def timestamp_in(self, body: bytes) -> datetime | None:
        """The time (UTC) that a payload gives itself, or None when it says none."""
        ...

    def prove(self, observation: Payload) -> Validation:
        """Check the structure of a payload. Raises InvalidPayload."""
        ...

    def cut(self, observations: Sequence[Payload]) -> "Mapping[str, pyarrow.RecordBatch]":
        """Cut proven payloads, in time order, into one batch of sorted rows a table."""
        ...
