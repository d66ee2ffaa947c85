"""Retention: what has lain in a zone for longer than its setting allows goes, a day at a time.

Off by default. Old is what is about an old day and was also put there long ago, so that
an archive which was imported today isn't gone before it was built. Raw is deleted only where
its rows are in curated, which from then on is the origin of that day's tables.
"""

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow.parquet

from predictit_assets.settings import Settings
from predictit_assets.storage.payloads import StoredPayload, Zone
from predictit_assets.storage.stream import PAYLOADS, Stream, made_of


@dataclass(frozen=True)
class Expired:
    """Objects of one day that go, or would go."""

    folder: str
    keys: list[str]
    size: int
    """Bytes."""
    stays: str = ""
    """Why they stay none the less."""

    def __str__(self) -> str:
        what = f"{self.folder}: {len(self.keys)} objects, {self.size:,} bytes"
        return f"{what} stay: {self.stays}" if self.stays else what


def limits(settings: Settings) -> dict[Zone, int]:
    """The zones that expire, and after how many days."""
    days = {
        Zone.LANDING: settings.expire_landing_days,
        Zone.QUARANTINE: settings.expire_quarantine_days,
        Zone.RAW: settings.expire_raw_days,
    }
    return {zone: limit for zone, limit in days.items() if limit}


def expire(
    streams: Iterable[Stream],
    settings: Settings,
    log: Callable[[Expired], None],
    dry_run: bool,
) -> None:
    """Delete what has expired, telling `log` of each day before it goes. Safe to interrupt."""
    now = datetime.now(UTC)
    for stream in streams:
        for zone, limit in limits(settings).items():
            before = now - timedelta(days=limit)
            for day in stream.payloads.days(zone):
                if day >= stream.calendar.day_of(before):
                    break
                for expired in _due(stream, zone, day, before):
                    log(expired)
                    if not (dry_run or expired.stays):
                        _delete(stream, zone, day, expired)


def _due(stream: Stream, zone: Zone, day: date, before: datetime) -> Iterator[Expired]:
    """What of a day is old enough, if anything is."""
    payloads = stream.payloads
    objects = payloads.objects_of(zone, day)
    if zone is Zone.RAW:
        held = payloads.held(zone, day)
        theirs = {stored.key for stored in held}
        objects = [one for one in objects if one.key in theirs]
        if any(one.stored_at >= before for one in objects):  # it goes as a whole or not at all
            return
        stays = _needed(stream, day, held) if held else ""
    else:
        objects = [one for one in objects if one.stored_at < before]
        stays = ""
    if objects:
        size = sum(one.size for one in objects)
        yield Expired(payloads.folder(zone, day), [one.key for one in objects], size, stays)


def _needed(stream: Stream, day: date, held: list[StoredPayload]) -> str:
    """What the raw payloads of a day are still needed for; nothing when they may go."""
    payloads = stream.payloads
    build = f"`predictit build {stream.source.name} --from {day} --to {day}`"
    if payloads.held(Zone.LANDING, day):
        return f"others wait in landing: {build}"
    expired = payloads.expired(day)
    names = {str(stored.name) for stored in held}
    if names <= expired:  # a deletion that was interrupted, or they were imported once more
        return ""
    if not expired <= names:
        return "they came after the others of the day had expired, and are in no table"
    wanted = made_of(names)
    for table in stream.tables:
        content = payloads.objects.get(stream.curated_object(table, day))
        if content is None or _made_of(content) != wanted:
            return f"curated isn't made of them: {build}"
    return ""


def _made_of(parquet: bytes) -> bytes:
    metadata = pyarrow.parquet.read_metadata(io.BytesIO(parquet)).metadata or {}
    found: bytes = metadata.get(PAYLOADS, b"")
    return found


def _delete(stream: Stream, zone: Zone, day: date, expired: Expired) -> None:
    payloads = stream.payloads
    if zone is Zone.RAW:
        payloads.expire_raw(day, expired.keys)
        payloads.objects.delete(payloads.manifest(day))
        return
    for key in expired.keys:
        payloads.objects.delete(key)
