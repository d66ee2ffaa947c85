"""When each day of an API with a past was last asked, and what came of it: notes beside landing.

The same answer adds nothing to landing, so only a note tells that a day was asked. No table reads
the notes; a lost note costs a call. Each is an object whose name says all of it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime

from predictit_assets.storage.objects import ObjectStore

_NOTE = re.compile(r"(\d{4}-\d\d-\d\d)/(\d{8}T\d{6}\.\d{6}Z)-(\d+)-([a-z]+)")


@dataclass(frozen=True)
class Asked:
    """An asking of a day that came to its end."""

    at: datetime
    """When it began, UTC."""
    calls: int
    outcome: str
    """answered, nothing (no rows or no answer), refused (by the API, for good or for now)."""
    key: str = ""


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
                at = datetime.strptime(note[2], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC)
                day = date.fromisoformat(note[1])
            except ValueError:  # it only looks like a note
                continue
            asked = Asked(at, int(note[3]), note[4], entry.key)
            if day not in newest or newest[day].at < at:
                newest[day] = asked
        return newest

    def note(self, day: date, asked: Asked, before: Asked | None) -> None:
        """Note an asking; the note of the one before goes."""
        stamp = f"{asked.at.astimezone(UTC):%Y%m%dT%H%M%S.%f}Z"
        key = f"{self._folder}/{day}/{stamp}-{asked.calls}-{asked.outcome}"
        self._objects.replace(key, b"{}")
        if before and before.key != key:
            self._objects.delete(before.key)
