"""Payloads in the object store: their names, and the zones they travel through.

A payload is stored byte for byte, gzipped, as

    {zone}/{source}/{dataset}/date={trading day}/{capture time}-{sha256}.json.gz

so that the same payload of the same moment has one key, however often it arrives. It leaves a
zone only after it is whole in the next one: a crash leaves it in both, and the next move ends it.
Where raw payloads may expire, their names are recorded in the day's folder before they go.
"""

import contextlib
import gzip
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from typing import Self

from isal import igzip, isal_zlib

from predictit_assets.contract.calendar import day_of
from predictit_assets.contract.source import InvalidPayload, Payload
from predictit_assets.errors import ExpectedError
from predictit_assets.storage.objects import Object, ObjectStore

SUFFIX = ".json.gz"
REASON_SUFFIX = ".reason.json"
CAPTURE_TIME = r"([1-9][0-9]{7}T[0-9]{6})(?:\.([0-9]{6}))?Z"
_NAME = re.compile(rf"{CAPTURE_TIME}-([0-9a-f]{{64}}){re.escape(SUFFIX)}")


class Zone(StrEnum):
    """How far a payload has come."""

    LANDING = "landing"
    RAW = "raw"
    QUARANTINE = "quarantine"


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


def _format_capture_time(at: datetime) -> str:
    fraction = f".{at.microsecond:06}" if at.microsecond else ""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S}{fraction}Z"


@dataclass(frozen=True)
class Name:
    """The name of a stored payload, the same in every zone."""

    captured_at: datetime
    """Timezone-aware UTC."""
    sha256: str
    """Of the uncompressed payload, hexadecimal."""

    @classmethod
    def of(cls, observation: Payload) -> Self:
        """The name that an observation is stored under."""
        return cls(observation.captured_at, hashlib.sha256(observation.body).hexdigest())

    @classmethod
    def parse(cls, file: str) -> Self | None:
        """Read a name back; None when it isn't one."""
        match = _NAME.fullmatch(file)
        at = parse_capture_time(file)
        return cls(at, match[3]) if match and at else None

    def __str__(self) -> str:
        return f"{_format_capture_time(self.captured_at)}-{self.sha256}{SUFFIX}"

    @property
    def day(self) -> date:
        """The trading day that the payload belongs to."""
        return day_of(self.captured_at)


@dataclass(frozen=True)
class StoredPayload:
    """A payload where it lies."""

    zone: Zone
    day: date
    """The day of the folder: that of the name, unless somebody misplaced it."""
    key: str
    size: int
    """Bytes, compressed."""
    name: Name | None
    """None when the key doesn't follow the rule."""

    @property
    def captured_at(self) -> datetime:
        """When it was received; the beginning of time for an object that doesn't say."""
        return self.name.captured_at if self.name else datetime.min.replace(tzinfo=UTC)


class PayloadStore:
    """The payloads of one source."""

    def __init__(self, objects: ObjectStore, source: str, dataset: str) -> None:
        self.objects = objects
        self._below = f"{source}/{dataset}"

    def folder(self, zone: Zone, day: date) -> str:
        """The folder of a day."""
        return f"{zone}/{self._below}/date={day}"

    def key(self, zone: Zone, name: Name) -> str:
        """Where a payload of that name lies in a zone."""
        return f"{self.folder(zone, name.day)}/{name}"

    def days(self, *zones: Zone) -> list[date]:
        """The days that the zones (default: all) hold payloads of, oldest first."""
        folders = {
            folder
            for zone in zones or Zone
            for folder in self.objects.folders(f"{zone}/{self._below}")
        }
        days = (re.fullmatch(r"date=(\d{4}-\d\d-\d\d)", folder) for folder in folders)
        return sorted(date.fromisoformat(day[1]) for day in days if day)

    def held(self, zone: Zone, day: date) -> list[StoredPayload]:
        """The payloads of a day in a zone, by capture time and hash."""
        files = [(entry, entry.key.rsplit("/", 1)[-1]) for entry in self.objects_of(zone, day)]
        stored = [
            StoredPayload(zone, day, entry.key, entry.size, Name.parse(file))
            for entry, file in files
            if not file.startswith("_") and not file.endswith(REASON_SUFFIX)
        ]
        return sorted(stored, key=lambda item: (item.captured_at, item.key))

    def land(self, observation: Payload) -> StoredPayload | None:
        """Keep what was received; None when it is already held, in whatever zone."""
        name = Name.of(observation)
        if self.objects.exists(self.key(Zone.RAW, name)):
            return None
        # mtime 0: the same payload gives the same bytes at any time.
        body = gzip.compress(observation.body, compresslevel=6, mtime=0)
        # What lies in quarantine under this name may be the payload, or an object that was damaged.
        if self.objects.get(self.key(Zone.QUARANTINE, name)) == body:
            return None
        key = self.key(Zone.LANDING, name)
        if not self.objects.put_if_absent(key, body):
            return None
        return StoredPayload(Zone.LANDING, name.day, key, len(body), name)

    def read(self, stored: StoredPayload) -> Payload | None:
        """A payload as it was received, or None when it has moved on meanwhile.

        Raises InvalidPayload when the object isn't what its name says.
        """
        if stored.name is None:
            raise InvalidPayload("the object isn't named by capture time and hash")
        body = self.objects.get(stored.key)
        if body is None:
            return None
        try:
            payload = igzip.decompress(body)
        except (isal_zlib.error, EOFError, OSError) as error:  # type: ignore[misc]
            raise InvalidPayload(f"the object isn't whole gzip: {error}") from None
        if hashlib.sha256(payload).hexdigest() != stored.name.sha256:
            raise InvalidPayload("the content isn't what the hash in the object's name says")
        return Payload(stored.name.captured_at, payload)

    def read_valid(self, stored: StoredPayload) -> Payload | None:
        """A payload of raw, or None when it has moved on. Raises ExpectedError when damaged."""
        try:
            return self.read(stored)
        except (
            InvalidPayload
        ) as fault:  # it was sound when it came here, and nothing in raw changes
            raise ExpectedError(f"{stored.key} is damaged, restore it: {fault.reason}") from None

    def accept(self, stored: StoredPayload, name: Name) -> StoredPayload:
        """Move a proven payload to raw; returns where it lies then."""
        key = self.key(Zone.RAW, name)
        with contextlib.suppress(FileNotFoundError):
            self.objects.copy_if_absent(stored.key, key)
        # It may have been put back into landing from quarantine, to be proven again. Landing
        # lets go of it last, so that a crash before that is mended by the next validation.
        self.objects.delete(self.key(Zone.QUARANTINE, name))
        self.objects.delete(self.key(Zone.QUARANTINE, name) + REASON_SUFFIX)
        self.objects.delete(stored.key)
        return StoredPayload(Zone.RAW, name.day, key, stored.size, name)

    def quarantine(self, stored: StoredPayload, name: Name, fault: InvalidPayload) -> None:
        """Move a payload to quarantine, with the reason beside it."""
        key = self.key(Zone.QUARANTINE, name)
        reason = {"reason": fault.reason, "path": fault.path}
        self.objects.replace(key + REASON_SUFFIX, json.dumps(reason, indent=2).encode())
        self._move(stored, key)

    def reason(self, stored: StoredPayload) -> str:
        """Why a payload is in quarantine."""
        note = self.objects.get(stored.key + REASON_SUFFIX)
        fault = json.loads(note) if note else {"reason": "no reason was left", "path": "$"}
        return f"{fault['reason']} (at {fault['path']})"

    def objects_of(self, zone: Zone, day: date) -> list[Object]:
        """Everything in a day's folder: payloads, and what is kept beside them."""
        return self.objects.below(self.folder(zone, day))

    def expired(self, day: date) -> set[str]:
        """The names of the day's payloads that raw was allowed to let go of."""
        record = self.objects.get(self._record(day))
        return set(json.loads(record)["expired"]) if record else set()

    def expire_raw(self, day: date, keys: list[str]) -> None:
        """Let go of raw payloads of a day, for ever; which they were is kept."""
        names = self.expired(day) | {key.rsplit("/", 1)[-1] for key in keys}
        # The record comes first: who finds payloads missing then finds out why.
        record = json.dumps({"expired": sorted(names)}, indent=0)
        self.objects.replace(self._record(day), record.encode())
        for key in keys:
            self.objects.delete(key)

    def _record(self, day: date) -> str:
        # It also keeps the day's folder, so that the day still counts as one that is held.
        return f"{self.folder(Zone.RAW, day)}/_expired.json"

    def _move(self, stored: StoredPayload, to: str) -> None:
        # Another process may be moving the same payload to the same place: both succeed.
        with contextlib.suppress(FileNotFoundError):
            self.objects.copy_if_absent(stored.key, to)
        self.objects.delete(stored.key)
