"""What an API was asked, when, and what came of it: notes beside landing, by day or by row.

The same answer adds nothing to landing, and one that says nothing adds no row, so only a note tells
that something was asked. No table reads the notes; a lost note costs a call. Each is an object
whose name says all of it.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from predictit_assets.storage.objects import ObjectStore

_ROW_NOTE = re.compile(r"([0-9a-f]{32})/(\d{8}T\d{6}\.\d{6}Z)-(\d+)")
_NOTE = re.compile(r"(\d{4}-\d\d-\d\d)/(\d{8}T\d{6}\.\d{6}Z)-(\d+)-([a-z]+)")


@dataclass(frozen=True)
class Asked:
    """An asking of a day that came to its end."""

    at: datetime
    """When it began, UTC."""
    calls: int
    outcome: str
    """answered, nothing (no rows or no answer), refused (by the API, for good or for now), failed
    (no answer to this question, while others are answered)."""
    key: str = ""


FIRST_PAUSE = timedelta(hours=1)
LONGEST_PAUSE = timedelta(days=7)


class AskedRows:
    """How often each row was asked about that has no answer yet, and when last."""

    def __init__(self, objects: ObjectStore, source: str, dataset: str) -> None:
        self._objects = objects
        self._folder = f"landing/{source}/{dataset}/_asked/rows"

    def due(self, rows: Iterable[Any], now: datetime) -> list[Any]:
        """The rows to ask about now: those never asked in their order, then the others.

        Each asking without an answer that helps doubles the pause before the next. Notes of rows
        that aren't among these any more are deleted.
        """
        notes = self._notes()
        keys = {_row_key(row): row for row in rows}
        for key in notes.keys() - keys.keys():
            self._objects.delete(self._key(key, *notes[key]))
        late = {
            key: at
            for key, (at, times) in notes.items()
            if at + min(FIRST_PAUSE * 2 ** min(times - 1, 20), LONGEST_PAUSE) <= now
        }
        new = [key for key in keys if key not in notes]
        return [keys[key] for key in new + sorted(late.keys() & keys.keys(), key=late.__getitem__)]

    def note(self, row: Any, at: datetime) -> None:
        """Note that a row was asked about; the note of the time before goes."""
        key = _row_key(row)
        before = self._notes(f"/{key}").get(key)
        self._objects.replace(self._key(key, at, before[1] + 1 if before else 1), b"{}")
        if before:
            self._objects.delete(self._key(key, *before))

    def _key(self, row: str, at: datetime, times: int) -> str:
        return f"{self._folder}/{row}/{_stamp(at)}-{times}"

    def _notes(self, below: str = "") -> dict[str, tuple[datetime, int]]:
        notes: dict[str, tuple[datetime, int]] = {}
        for entry in self._objects.below(f"{self._folder}{below}"):
            found = _ROW_NOTE.fullmatch(entry.key.removeprefix(f"{self._folder}/"))
            if found and (at := _moment(found[2])):
                notes[found[1]] = max((at, int(found[3])), notes.get(found[1], (at, 0)))
        return notes


def _row_key(row: Any) -> str:
    # Whatever a row is: it may be long, and hold anything.
    return hashlib.sha256(repr(row).encode()).hexdigest()[:32]


def _stamp(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z"


def _moment(stamp: str) -> datetime | None:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
    except ValueError:  # it only looks like a note
        return None


class RefusedKey:
    """The note that an API refuses the key of a source. It goes when the API answers again."""

    def __init__(self, objects: ObjectStore, source: str) -> None:
        self._objects = objects
        self._name = f"landing/{source}/_key_refused"

    def note(self, said: str) -> None:
        """Note what the API said; the first note stays."""
        self._objects.put_if_absent(self._name, said.encode())

    def clear(self) -> None:
        """The key is accepted."""
        # To delete what isn't there leaves a marker in a bucket that keeps versions.
        if self._objects.exists(self._name):
            self._objects.delete(self._name)

    def said(self) -> str | None:
        """What the API said when it first refused the key; None while it accepts it."""
        body = self._objects.get(self._name)
        return None if body is None else body.decode(errors="replace")


class AskedDays:
    """The notes of one dataset."""

    def __init__(self, objects: ObjectStore, source: str, dataset: str) -> None:
        self._objects = objects
        self._folder = f"landing/{source}/{dataset}/_asked"

    def all(self) -> dict[date, Asked]:
        """The last asking of each day that was ever asked."""
        newest: dict[date, Asked] = {}
        for entry in self._objects.below(self._folder):
            note = _NOTE.fullmatch(entry.key.removeprefix(f"{self._folder}/"))
            if note is None:
                continue
            try:
                day = date.fromisoformat(note[1])
            except ValueError:  # it only looks like a note
                continue
            at = _moment(note[2])
            if at is None:
                continue
            asked = Asked(at, int(note[3]), note[4], entry.key)
            if day not in newest or newest[day].at < at:
                newest[day] = asked
        return newest

    def note(self, day: date, asked: Asked, before: Asked | None) -> None:
        """Note an asking; the note of the one before goes."""
        key = f"{self._folder}/{day}/{_stamp(asked.at)}-{asked.calls}-{asked.outcome}"
        self._objects.replace(key, b"{}")
        if before and before.key != key:
            self._objects.delete(before.key)
