"""A dataset of a source together with the store of its payloads: what a layer works on."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from predictit_assets.contract.arrival import ByDay
from predictit_assets.contract.calendar import Calendar, DayRange
from predictit_assets.contract.names import UNPREFIXED, AssetNames
from predictit_assets.contract.source import Dataset, Source, all_tables, may_be_empty
from predictit_assets.storage.asked import AskedDays
from predictit_assets.storage.payloads import PayloadStore, Zone, days_of_folders

if TYPE_CHECKING:
    from predictit_assets.contract.schema import Schema

PAYLOADS = b"payloads"
"""The metadata of a Parquet file that identifies the raw payloads it is made of."""


def made_of(names: Iterable[str]) -> bytes:
    """What identifies a set of payloads, by the names of their objects."""
    return hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest().encode()


@dataclass(frozen=True)
class Stream:
    """A dataset and its payloads."""

    source: Source
    dataset: Dataset
    payloads: PayloadStore
    start: date
    """The first partition."""
    names: AssetNames = UNPREFIXED
    """How its assets are named; what lies in the object store has no prefix."""

    def __reduce__(self) -> tuple[Any, ...]:
        """For other processes, which make days: how its API may be asked is nothing to them.

        A source may say that in a lambda, which no other process could be told of.
        """
        return Stream, (
            self.source._replace(rate_limit=None),
            self.dataset,
            self.payloads,
            self.start,
            self.names,
        )

    @property
    def name(self) -> str:
        """What steps, jobs and cursors call it."""
        return f"{self.source.name}_{self.dataset.name}"

    @property
    def calendar(self) -> Calendar:
        """Whose days the partitions are."""
        return self.dataset.calendar

    @property
    def may_be_empty(self) -> bool:
        """Whether a day without payloads is nothing unusual."""
        return may_be_empty(self.dataset)

    @property
    def days(self) -> DayRange:
        """Every day that has a partition."""
        return DayRange(self.start, max(self.start, self.calendar.today()))

    @property
    def asked(self) -> AskedDays:
        """When each day was last asked, of an API with a past."""
        return AskedDays(self.payloads.objects, self.source.name, self.dataset.name)

    @cached_property
    def tables(self) -> "Mapping[str, Schema]":
        """Its tables from curated on, those of rejected rows included."""
        return all_tables(self.dataset)

    def known_days(self) -> set[date]:
        """The days that anything is held of, or that the API was asked about.

        Days to come were made up by a clock that was ahead: they count while anything of them is
        left that a build has to take away, to quarantine or out of the tables.
        """
        known = set(self.payloads.days())
        for table in self.tables:
            known |= days_of_folders(self.payloads.objects.folders(self._curated_folder(table)))
        if any(isinstance(way, ByDay) for way in self.dataset.arrivals):
            known |= set(self.asked.all())
        today = self.calendar.today()
        return {day for day in known if day <= today or self._is_left_of(day)}

    def _is_left_of(self, day: date) -> bool:
        objects = self.payloads.objects
        return any(self.payloads.held(zone, day) for zone in (Zone.LANDING, Zone.RAW)) or any(
            objects.exists(self.curated_object(table, day)) for table in self.tables
        )

    def key(self, layer: str, table: str | None = None) -> list[str]:
        """The asset key in a layer: of the payloads, or of a table."""
        return self.names.key(layer, self.source.name, table or self.dataset.name)

    def curated_object(self, table: str, day: date) -> str:
        """The key of a day's Parquet file."""
        return f"{self._curated_folder(table)}/date={day}/{table}.parquet"

    def _curated_folder(self, table: str) -> str:
        return f"curated/{self.source.name}/{table}"


def required(streams: Sequence[Stream]) -> Sequence[Stream]:
    """The streams whose days have to be published: those that may not be empty, or else all."""
    return [one for one in streams if not one.may_be_empty] or streams


HeldDays = Callable[[DayRange], list[date]]
"""The days of a range that there is something to make of, oldest first."""


def held_days(streams: Sequence[Stream], window: DayRange) -> list[date]:
    """The days of a range that any of the streams knows something of, oldest first."""
    known = {day for stream in streams for day in stream.known_days()}
    return sorted(day for day in known if day in window)


def held_by(stream: Stream, streams: Sequence[Stream]) -> HeldDays:
    """Which days an asset of a stream is made of; `streams` are all those of the source.

    One that may be empty any day is made of the days of the others too.
    """
    return partial(held_days, streams if stream.may_be_empty else [stream])
