"""What is held of each source, what waits, and what is published: a look that changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from predictit_assets.contract.calendar import age_text, spelt
from predictit_assets.errors import NothingPublished, WarehouseBusy
from predictit_assets.sources import Enabled
from predictit_assets.storage.payloads import Zone
from predictit_assets.storage.stream import Stream, required
from predictit_assets.storage.warehouse import Warehouse

MOST = 4
"""Ranges of days, and reasons, that are spelt out."""


@dataclass
class Status:
    """How a source stands. Days are those of its calendar, moments UTC."""

    source: str
    held: set[date] = field(default_factory=set)
    """Days that the store knows something of."""
    newest: datetime | None = None
    """The capture time of the newest payload that isn't in quarantine."""
    waiting: dict[date, int] = field(default_factory=dict)
    """Payloads that wait in landing to be validated, by day."""
    quarantined: dict[date, list[str]] = field(default_factory=dict)
    """Why payloads were quarantined, by day."""
    published: set[date] = field(default_factory=set)
    newest_published: datetime | None = None
    unknown: str = ""
    """Why it can't be told what is published."""
    to_build: list[date] = field(default_factory=list)
    """Days that hold what isn't published yet."""

    def lines(self, now: datetime) -> list[tuple[str, str]]:
        """What people read of it: a word and a sentence each."""
        if not self.held:
            ask = f"`predictit poll {self.source}`, `fetch` or `import`"
            return [("held", f"nothing yet: {ask} gets some")]
        told = [("held", f"{_days(len(self.held))}: {spelt(self.held, MOST)}")]
        if self.newest:
            told.append(("newest", _moment(self.newest, now)))
        if self.waiting:
            count = sum(self.waiting.values())
            told.append(("waiting", f"{_payloads(count)} of {spelt(self.waiting, MOST)}"))
        if self.quarantined:
            reasons = [reason for day in self.quarantined.values() for reason in day]
            of = spelt(self.quarantined, MOST)
            told.append(("quarantine", f"{_payloads(len(reasons))} of {of}"))
            told += [("", reason) for reason in list(dict.fromkeys(reasons))[:MOST]]
        if self.unknown:
            return [*told, ("published", f"unknown: {self.unknown}")]
        if self.published and self.newest_published:
            until = _moment(self.newest_published, now)
            told.append(("published", f"{_days(len(self.published))}, the newest {until}"))
        if self.to_build:
            first, last = self.to_build[0], self.to_build[-1]
            build = f"`predictit build {self.source} --from {first} --to {last}`"
            told.append(("to build", f"{_days(len(self.to_build))}: {build}"))
        else:
            told.append(("to build", "nothing: all that is held is published"))
        return told


def status(on: Enabled, streams: Sequence[Stream], warehouse: Warehouse) -> Status:
    """How a source stands. It lists the store and reads the warehouse, if that is free."""
    found = Status(on.name)
    valid: set[date] = set()
    to_publish = required(streams)
    for stream in streams:
        payloads = stream.payloads
        found.held |= stream.known_days()
        if stream in to_publish:
            valid |= set(payloads.days(Zone.RAW))
        for day in payloads.days(Zone.LANDING):
            if waiting := payloads.held(Zone.LANDING, day):
                found.waiting[day] = found.waiting.get(day, 0) + len(waiting)
        for day in payloads.days(Zone.QUARANTINE):
            if bad := payloads.held(Zone.QUARANTINE, day):
                found.quarantined.setdefault(day, []).extend(map(payloads.reason, bad))
        days = payloads.days(Zone.RAW, Zone.LANDING)[-1:]
        for one in [one for day in days for zone in Zone for one in payloads.held(zone, day)]:
            if one.zone is not Zone.QUARANTINE:
                found.newest = max(found.newest or one.captured_at, one.captured_at)
    _look_at_published(found, on, warehouse)
    if on.source.published and not found.unknown:
        start = on.settings.start
        unbuilt = (valid - found.published) | set(found.waiting)
        found.to_build = sorted(day for day in unbuilt if day >= start)
    return found


def _look_at_published(found: Status, on: Enabled, warehouse: Warehouse) -> None:
    published = on.source.published
    if published is None:
        found.unknown = "the source publishes no table by day"
        return
    try:
        with warehouse.read_connection() as query:
            found.published = {day for (day,) in query(published.days)}
            ((newest,),) = query(published.newest)
    except NothingPublished:
        return
    except WarehouseBusy as busy:
        found.unknown = str(busy)
        return
    found.newest_published = newest and newest.replace(tzinfo=UTC)


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"


def _payloads(count: int) -> str:
    return "1 payload" if count == 1 else f"{count} payloads"


def _moment(at: datetime, now: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC, {age_text(now - at)}"
