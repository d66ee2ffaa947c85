"""The contract that every source fills: how a payload is obtained, proven, and cut into tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:  # a poller has neither: it cuts no tables
    import pyarrow

    from predictit_assets.schemas.types import Schema


@dataclass(frozen=True)
class Observation:
    """One payload as it was received, and when."""

    captured_at: datetime
    """Timezone-aware UTC."""
    body: bytes
    """The payload itself, uncompressed."""


@dataclass(frozen=True)
class Proof:
    """What is known of a payload whose structure is sound."""

    counts: Mapping[str, int]
    """How many of each thing it holds, by the names that the raw manifest gives them."""
    new_fields: Sequence[str]
    """Fields that nobody knew of, as JSON paths: kept, reported, not loaded."""


class Unsound(Exception):
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
    sparse: ClassVar[bool]
    """Whether a day without payloads is nothing unusual."""
    manifest: "ClassVar[Schema]"
    """The schema of the raw manifest: the common columns and one a count of `Proof`."""
    tables: "ClassVar[Mapping[str, Schema]]"
    """The tables that its payloads are cut into, from curated to staging, with their schemas."""

    def fetch(self) -> Iterator[Observation]:
        """Ask for what there is to ask for now, one call after the other. Raises FetchError."""
        ...

    def own_time(self, body: bytes) -> datetime | None:
        """The time (UTC) that a payload gives itself, or None when it says none."""
        ...

    def prove(self, observation: Observation) -> Proof:
        """Check the structure of a payload. Raises Unsound."""
        ...

    def cut(self, observations: Sequence[Observation]) -> "Mapping[str, pyarrow.RecordBatch]":
        """Cut proven payloads, in time order, into one batch of sorted rows a table."""
        ...
