"""Payloads in the object store: their names, and the zones they travel through.

A payload is stored byte for byte, gzipped, as

    {zone}/{source}/{dataset}/date={day}/{capture time}[.{part}]-{sha256}{suffix}

so that the same payload of the same moment has one key, however often it arrives. It leaves a
zone only after it is whole in the next one: a crash leaves it in both, and the next move ends it.
Where raw payloads may expire, their names are recorded in the day's folder before they go.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, Self
from urllib.parse import quote, unquote

from isal import igzip, isal_zlib

from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import (
    CAPTURE_TIME,
    InvalidPayload,
    Payload,
    parse_capture_time,
)
from predictit_assets.errors import ExpectedError, PartTooLong
from predictit_assets.storage.objects import Object, ObjectStore

SUFFIX = ".json.gz"
REASON_SUFFIX = ".reason.json"
MAX_IN_MEMORY = 8_000_000
"""Bytes of a stored object that is unzipped in memory; a larger one is unzipped to a file."""
CHUNK = 1 << 20
MAX_RAW = 256_000_000
"""Bytes that an object in raw may unzip to, where landing's bound is lower: it may have been higher
when the payload came."""
MAX_PART = 140
"""Characters of a part as it is written, so that no file system finds a name too long."""
SURROGATES = "surrogatepass"
"""A part may be the name of a file, and that needn't be Unicode."""


class Zone(StrEnum):
    """How far a payload has come."""

    LANDING = "landing"
    RAW = "raw"
    QUARANTINE = "quarantine"


def _format_capture_time(at: datetime) -> str:
    fraction = f".{at.microsecond:06}" if at.microsecond else ""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S}{fraction}Z"


@lru_cache
def _pattern(suffix: str) -> re.Pattern[str]:
    return re.compile(rf"{CAPTURE_TIME}(?:\.([^/]+))?-([0-9a-f]{{64}}){re.escape(suffix)}")


@dataclass(frozen=True)
class PayloadName:
    """The name of a stored payload, the same in every zone."""

    captured_at: datetime
    """Timezone-aware UTC."""
    sha256: str
    """Of the uncompressed payload, hexadecimal."""
    part: str = ""
    suffix: str = SUFFIX

    @classmethod
    def parse(cls, file: str, suffix: str = SUFFIX) -> Self | None:
        """Read a name back; None when it isn't one."""
        match = _pattern(suffix).fullmatch(file)
        at = parse_capture_time(file)
        if not match or not at:
            return None
        try:
            part = unquote(match[3] or "", errors=SURROGATES)
        except UnicodeDecodeError:
            return None
        name = cls(at, match[4], part, suffix)
        # A part has one way to be written, or two objects could be the same payload.
        return name if not name.part or str(name) == file else None

    def __str__(self) -> str:
        part = f".{_escaped(self.part)}" if self.part else ""
        return f"{_format_capture_time(self.captured_at)}{part}-{self.sha256}{self.suffix}"


def _escaped(part: str) -> str:
    # Everything but letters, digits and -_~ is escaped, so that no part can be a path.
    return quote(part, safe="", errors=SURROGATES).replace(".", "%2E")


@dataclass(frozen=True)
class StoredPayload:
    """A payload where it lies."""

    zone: Zone
    day: date
    """The day of the folder: its partition, unless somebody misplaced it."""
    key: str
    size: int
    """Bytes, compressed."""
    name: PayloadName | None
    """None when the key doesn't follow the rule."""

    @property
    def captured_at(self) -> datetime:
        """When it was received; the beginning of time for an object that doesn't say."""
        return self.name.captured_at if self.name else datetime.min.replace(tzinfo=UTC)

    @property
    def part(self) -> str:
        """Which request it answers; empty for an object that doesn't say."""
        return self.name.part if self.name else ""


class Loaded(NamedTuple):
    """A payload that was read, and its object as stored: to be moved without a second download."""

    payload: Payload
    stored_body: bytes | Path


def days_of_folders(folders: Iterable[str]) -> set[date]:
    """The days that folders are named for, as `date=2026-03-04`."""
    named = (re.fullmatch(r"date=(\d{4}-\d\d-\d\d)", folder) for folder in folders)
    return {date.fromisoformat(day[1]) for day in named if day}


class PayloadStore:
    """The payloads of one dataset."""

    def __init__(
        self,
        objects: ObjectStore,
        source: str,
        dataset: str,
        calendar: Calendar,
        *,
        day_is_capture: bool = True,
        suffix: str = SUFFIX,
        max_body: int | None = None,
        same_answer: Callable[[bytes, bytes], bool] = bytes.__eq__,
    ) -> None:
        """`max_body` are the bytes that an object in landing may unzip to."""
        self.objects = objects
        self.calendar = calendar
        self._below = f"{source}/{dataset}"
        self._day_is_capture = day_is_capture
        self._suffix = suffix
        self._max_body = max_body
        self._same_answer = same_answer

    def folder(self, zone: Zone, day: date) -> str:
        """The folder of a day."""
        return f"{zone}/{self._below}/date={day}"

    def key(self, zone: Zone, day: date, name: PayloadName) -> str:
        """Where a payload of that day and name lies in a zone."""
        return f"{self.folder(zone, day)}/{name}"

    def own_day(self, stored: StoredPayload) -> date | None:
        """The day that a payload belongs to; None for an object that doesn't say."""
        if stored.name is None:
            return None
        return self.calendar.day_of(stored.captured_at) if self._day_is_capture else stored.day

    def in_own_day(self, stored: StoredPayload) -> bool:
        """Whether it is named by the rule and lies in the folder of its day."""
        return self.own_day(stored) == stored.day

    def days(self, *zones: Zone) -> list[date]:
        """The days that the zones (default: all) hold payloads of, oldest first."""
        folders = {
            folder
            for zone in zones or Zone
            for folder in self.objects.folders(f"{zone}/{self._below}")
        }
        return sorted(days_of_folders(folders))

    def held(self, zone: Zone, day: date) -> list[StoredPayload]:
        """The payloads of a day in a zone, by capture time, part and hash."""
        files = [(entry, entry.key.rsplit("/", 1)[-1]) for entry in self.objects_of(zone, day)]
        stored = [
            StoredPayload(zone, day, entry.key, entry.size, PayloadName.parse(file, self._suffix))
            for entry, file in files
            if not file.startswith("_") and not file.endswith(REASON_SUFFIX)
        ]
        return sorted(stored, key=lambda item: (item.captured_at, item.key))

    def parts(self, day: date, *zones: Zone) -> frozenset[str]:
        """The parts that are held of a day, by default those valid or not yet validated."""
        zones = zones or (Zone.LANDING, Zone.RAW)
        return frozenset(stored.part for zone in zones for stored in self.held(zone, day))

    def name_of(self, payload: Payload) -> PayloadName:
        """The name that a payload is stored under. Raises PartTooLong."""
        if len(written := _escaped(payload.part)) > MAX_PART:
            raise PartTooLong(
                f"{payload.part!r:.40}... takes {len(written)} characters in the name of an "
                f"object, more than {MAX_PART}: give it a shorter name"
            )
        digest = hashlib.sha256()
        with payload.open() as body:
            while chunk := body.read(CHUNK):
                digest.update(chunk)
        return PayloadName(payload.captured_at, digest.hexdigest(), payload.part, self._suffix)

    def land(self, payload: Payload) -> StoredPayload | None:
        """Keep what was received; None when it is already held, in whatever zone.

        Where the source says the day, an answer that is the same as the newest one to the same
        request adds nothing. Raises PartTooLong.
        """
        name = self.name_of(payload)
        if self.objects.exists(self.key(Zone.RAW, payload.day, name)):
            return None
        if not self._day_is_capture and self._repeats(payload, name):
            return None
        body = _zipped(payload)
        # What lies in quarantine under this name may be the payload, or an object that was damaged.
        if self.objects.get(self.key(Zone.QUARANTINE, payload.day, name)) == body:
            return None
        key = self.key(Zone.LANDING, payload.day, name)
        if not self.objects.put_if_absent(key, body):
            return None
        return StoredPayload(Zone.LANDING, payload.day, key, len(body), name)

    def create(self, payload: Payload) -> StoredPayload | None:
        """Keep what was received, for who may create and not look: None when it is there already.

        What is held elsewhere than in landing isn't known to it.
        """
        name = self.name_of(payload)
        key, body = self.key(Zone.LANDING, payload.day, name), _zipped(payload)
        if not self.objects.create(key, body):
            return None
        return StoredPayload(Zone.LANDING, payload.day, key, len(body), name)

    def land_for_good(self, payload: Payload) -> StoredPayload | None:
        """The same as `land`; what was received then outlives a loss of power, too."""
        stored = self.land(payload)
        if stored:
            self.objects.sync(stored.key)
        else:
            # Whoever landed it may have been killed before it was on disk, wherever it lies now.
            os.sync()
        return stored

    def _repeats(self, payload: Payload, name: PayloadName) -> bool:
        """Whether the newest held answer of the same part says the same."""
        answers = [
            stored
            for zone in Zone
            for stored in self.held(zone, payload.day)
            if stored.name and stored.part == payload.part
        ]
        newest = max(answers, key=lambda stored: stored.captured_at, default=None)
        if newest is None or newest.name is None:
            return False
        if newest.name.sha256 == name.sha256:
            return True
        if isinstance(payload.body, Path) or newest.size > MAX_IN_MEMORY:
            return False
        try:
            before = self.load(newest)
        except InvalidPayload:
            return False
        return before is not None and self._same_answer(before.payload.read(), payload.body)

    def load(self, stored: StoredPayload, scratch: Path | None = None) -> Loaded | None:
        """A payload as it was received, or None when it has moved on meanwhile.

        What is large becomes files in the folder `scratch`. Raises InvalidPayload when the object
        isn't what its name says, or unzips to more than a payload may have.
        """
        name = stored.name
        if name is None:
            raise InvalidPayload("the object isn't named by capture time and hash")
        if scratch and stored.size > MAX_IN_MEMORY:
            return self._load_large(stored, name, scratch)
        body = self.objects.get(stored.key)
        if body is None:
            return None
        content = self._unzipped(body, stored.zone)
        if hashlib.sha256(content).hexdigest() != name.sha256:
            raise InvalidPayload("the content isn't what the hash in the object's name says")
        payload = Payload(stored.day, name.captured_at, content, name.part, str(name))
        return Loaded(payload, body)

    def _unzipped(self, body: bytes, zone: Zone) -> bytes:
        try:
            bound = self._bound(zone)
            unzip = isal_zlib.decompressobj(wbits=31)
            content = unzip.decompress(body, bound + 1)
            if len(content) <= bound and (not unzip.eof or unzip.unused_data):
                # Rare: a gzip of several members, or one that was cut short.
                with igzip.open(io.BytesIO(body)) as members:
                    content = members.read(bound + 1)
        except (isal_zlib.error, EOFError, OSError) as error:  # type: ignore[misc]
            raise InvalidPayload(f"the object isn't whole gzip: {error}") from None
        self._refuse_beyond_bound(len(content), zone)
        return bytes(content)

    def _bound(self, zone: Zone) -> int:
        """The bytes that an object in a zone may unzip to."""
        if self._max_body is None:
            return MAX_RAW
        return max(self._max_body, MAX_RAW) if zone is Zone.RAW else self._max_body

    def _refuse_beyond_bound(self, size: int, zone: Zone) -> None:
        if size > (bound := self._bound(zone)):
            raise InvalidPayload(f"the object unzips to more than {bound / 1e6:.0f} MB")

    def _load_large(self, stored: StoredPayload, name: PayloadName, scratch: Path) -> Loaded | None:
        zipped, plain = scratch / f"{name.sha256}.gz", scratch / name.sha256
        if not self.objects.download(stored.key, zipped):
            return None
        digest = hashlib.sha256()
        size = 0
        try:
            with gzip.open(zipped) as content, plain.open("wb") as file:
                while chunk := content.read(CHUNK):
                    size += len(chunk)
                    self._refuse_beyond_bound(size, stored.zone)
                    digest.update(chunk)
                    file.write(chunk)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:  # a full disk isn't its fault
            raise InvalidPayload(f"the object isn't whole gzip: {error}") from None
        if digest.hexdigest() != name.sha256:
            raise InvalidPayload("the content isn't what the hash in the object's name says")
        payload = Payload(stored.day, name.captured_at, plain, name.part, str(name))
        return Loaded(payload, zipped)

    def load_valid(self, stored: StoredPayload, scratch: Path | None = None) -> Payload | None:
        """A payload of raw, or None when it has moved on. Raises ExpectedError when damaged."""
        try:
            loaded = self.load(stored, scratch)
        except InvalidPayload as fault:  # it was valid when it came here; nothing in raw changes
            raise ExpectedError(f"{stored.key} is damaged, restore it: {fault.reason}") from None
        return loaded.payload if loaded else None

    def accept(
        self, stored: StoredPayload, name: PayloadName, body: bytes | Path, quarantined: bool
    ) -> StoredPayload:
        """Move a valid payload from landing to raw; returns where it lies then.

        `body` is its object as stored, `quarantined` says that quarantine knows its name.
        """
        key = self.key(Zone.RAW, stored.day, name)
        self.objects.put_if_absent(key, body if isinstance(body, bytes) else body.read_bytes())
        if quarantined:
            # It was put back into landing to be validated again. Landing lets go of it last, so
            # that the next validation mends a crash before that.
            self.objects.delete(self.key(Zone.QUARANTINE, stored.day, name))
            self.objects.delete(self.key(Zone.QUARANTINE, stored.day, name) + REASON_SUFFIX)
        self.objects.delete(stored.key)
        return StoredPayload(Zone.RAW, stored.day, key, stored.size, name)

    def quarantine(self, stored: StoredPayload, name: PayloadName, fault: InvalidPayload) -> None:
        """Move a payload to quarantine, with the reason beside it."""
        key = self.key(Zone.QUARANTINE, stored.day, name)
        reason = {"reason": fault.reason, "path": fault.path}
        self.objects.replace(key + REASON_SUFFIX, json.dumps(reason, indent=2).encode())
        # Another process may be moving the same payload to the same place: both succeed.
        with contextlib.suppress(FileNotFoundError):
            self.objects.copy_if_absent(stored.key, key)
        self.objects.delete(stored.key)

    def quarantined(self, day: date) -> set[str]:
        """The names that quarantine holds an object of, or a reason that was left behind."""
        files = (entry.key.rsplit("/", 1)[-1] for entry in self.objects_of(Zone.QUARANTINE, day))
        return {file.removesuffix(REASON_SUFFIX) for file in files}

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
        # The record comes first: whoever finds payloads missing then finds out why.
        record = json.dumps({"expired": sorted(names)}, indent=0)
        self.objects.replace(self._record(day), record.encode())
        for key in keys:
            self.objects.delete(key)

    def manifest(self, day: date) -> str:
        """The key of a day's raw manifest: derived from the payloads, and made anew with them."""
        return f"{self.folder(Zone.RAW, day)}/_manifest.parquet"

    def _record(self, day: date) -> str:
        # It also keeps the day's folder, so that the day still counts as one that is held.
        return f"{self.folder(Zone.RAW, day)}/_expired.json"


def _zipped(payload: Payload) -> bytes:
    """The object of a payload: the same bytes at any time, and whether it is a file or not."""
    # Not by the module gzip, whose header depends on how it is called and on Python's version.
    zipper = zlib.compressobj(6, wbits=31)
    if isinstance(payload.body, bytes):
        return zipper.compress(payload.body) + zipper.flush()
    zipped = io.BytesIO()
    with payload.open() as plain:
        while chunk := plain.read(CHUNK):
            zipped.write(zipper.compress(chunk))
    zipped.write(zipper.flush())
    return zipped.getvalue()
