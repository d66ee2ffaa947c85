"""Completeness: which days are held and yet not published, or failed, and how to mend them."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import dagster as dg

from predictit_assets.contract.calendar import consecutive
from predictit_assets.contract.source import Published
from predictit_assets.errors import NothingPublished
from predictit_assets.instance.ticks import Clock, TickTime
from predictit_assets.storage.payloads import Zone
from predictit_assets.storage.stream import Stream, required
from predictit_assets.storage.warehouse import Warehouse

COMPLETENESS = "completeness"
"""The check's name."""
QUARANTINED = "with payloads in quarantine"
BACK = (
    "when a release can read them, move them from quarantine/ back to landing/ (same path below; "
    "docs/operations.md says how on a bucket that refuses copies), then "
)
RULE = (
    "each day of which payloads are held is published, none failed last, and no payload is in "
    "quarantine"
)
FEW_RANGES = 3
MAX_RANGES = 20
"""Ranges of days spelt out."""


@dataclass(frozen=True)
class Completeness:
    """What is held of a source and what became of it."""

    source: str
    published: Published
    streams: Sequence[Stream]
    warehouse: Warehouse
    partitions: dg.DailyPartitionsDefinition
    clock: Clock = time.monotonic

    @property
    def asset(self) -> dg.AssetKey:
        """The asset whose days count as published."""
        return dg.AssetKey(self.streams[0].key("core", self.published.table))

    @property
    def check(self) -> dg.AssetCheckKey:
        """The check that tells it."""
        return dg.AssetCheckKey(self.asset, COMPLETENESS)

    def faults(self, instance: dg.DagsterInstance) -> Mapping[str, list[date]]:
        """The days that somebody should look at, by what is the matter with them.

        Today is one of them only if a payload of it is in quarantine.
        """
        time_of_tick = TickTime(self.clock)
        today = self.streams[0].calendar.today()
        held: set[date] = set()
        waiting: set[date] = set()
        quarantined: set[date] = set()
        to_publish = required(self.streams)
        for stream in self.streams:
            if stream in to_publish:
                held |= {day for day in stream.payloads.days(Zone.RAW) if day < today}
            waiting |= {
                day
                for day in stream.payloads.days(Zone.LANDING)
                # Only a folder on this machine may be empty, and to look takes no time there.
                if day < today and (time_of_tick.is_up() or stream.payloads.held(Zone.LANDING, day))
            }
            quarantined |= {
                day
                for day in stream.payloads.days(Zone.QUARANTINE)
                if stream.payloads.held(Zone.QUARANTINE, day)
            }
        keys = self.partitions.get_partition_keys()
        status = instance.get_status_by_partition(self.asset, keys, self.partitions) or {}
        failed = {
            date.fromisoformat(day)
            for day, what in status.items()
            if what and what.value == "FAILED"
        }
        return {
            "failed in their last run": sorted(failed),
            "waiting in landing to be validated": sorted(waiting - failed),
            "valid but not published": sorted(held - self._published() - failed - waiting),
            QUARANTINED: sorted(quarantined),
        }

    def _published(self) -> set[date]:
        try:
            with self.warehouse.read_connection() as query:
                return {day for (day,) in query(self.published.days)}
        except NothingPublished:
            return set()

    def evaluate(self, instance: dg.DagsterInstance) -> dg.AssetCheckResult:
        """Completeness as the result of a check."""
        faults = {what: days for what, days in self.faults(instance).items() if days}
        listed = [
            f"- {_days(days)} {what}: "
            + (BACK if what is QUARANTINED else "")
            + ", ".join(
                f"`predictit build {self.source} --from {one.first} --to {one.last}`"
                for one in consecutive(days)[:MAX_RANGES]
            )
            for what, days in faults.items()
        ]
        return dg.AssetCheckResult(
            passed=not faults,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{_days(days)} {what}" for what, days in faults.items()) or RULE,
            metadata={
                "days": dg.MetadataValue.int(sum(map(len, faults.values()))),
                **({"how_to_mend": dg.MetadataValue.md("\n".join(listed))} if faults else {}),
            },
        )


def _days(days: list[date]) -> str:
    """How many days, and which where there are few."""
    counted = "1 day" if len(days) == 1 else f"{len(days):,} days"
    ranges = consecutive(days)
    return f"{counted} ({', '.join(map(str, ranges))})" if len(ranges) <= FEW_RANGES else counted


def completeness_check(completeness: Completeness) -> dg.AssetChecksDefinition:
    """Completeness as an asset check that anybody can run; a sensor evaluates it at an interval."""

    @dg.asset_check(
        asset=completeness.asset,
        name=COMPLETENESS,
        description=f"{RULE[0].upper()}{RULE[1:]}.",
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return completeness.evaluate(context.instance)

    return check
