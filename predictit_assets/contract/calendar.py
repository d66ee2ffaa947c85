"""Calendars: which day a moment belongs to. Each source declares its own."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo


@dataclass(frozen=True)
class Calendar:
    """The calendar days of a time zone."""

    zone: str
    """An IANA name, such as UTC or Europe/Paris."""

    @cached_property
    def tzinfo(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.zone)

    def day_of(self, at: datetime) -> date:
        """The calendar day of a moment (timezone-aware)."""
        return at.astimezone(self.tzinfo).date()

    def today(self) -> date:
        """The day that is running now."""
        return self.day_of(datetime.now(UTC))

    def to_utc(self, wall: datetime, near: datetime | None = None) -> datetime:
        """Read a naive wall time as UTC.

        In autumn an hour happens twice: the reading nearer to `near` is taken, else the first one.
        """
        first, second = (wall.replace(tzinfo=self.tzinfo, fold=n).astimezone(UTC) for n in (0, 1))
        if near is None or abs(first - near) <= abs(second - near):
            return first
        return second

    def start_of(self, day: date) -> datetime:
        """The first moment of a day, in UTC."""
        return self.to_utc(datetime.combine(day, time()))


UTC_CALENDAR = Calendar("UTC")


@dataclass(frozen=True)
class DayRange:
    """Days that follow each other, both ends included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def end(self) -> date:
        """The first day after the range."""
        return self.last + timedelta(days=1)

    @property
    def days(self) -> list[date]:
        """Every day of the range, oldest first."""
        return [self.first + timedelta(days=n) for n in range((self.end - self.first).days)]


def age_text(age: timedelta) -> str:
    """How old something is, in the unit that suits it."""
    minutes = int(age.total_seconds() // 60)
    for limit, unit, name in ((2880, 1440, "days"), (120, 60, "hours"), (2, 1, "minutes")):
        if minutes >= limit:
            return f"{minutes // unit} {name} old"
    return "just now"


def spelt(days: Iterable[date], most: int = 20) -> str:
    """Days as text, those that follow each other as a range, at most so many ranges."""
    ranges = consecutive(days)
    left = sum(len(one.days) for one in ranges[most:])
    text = ", ".join(map(str, ranges[:most]))
    return f"{text} and {left} days more" if left else text


def consecutive(days: Iterable[date]) -> list[DayRange]:
    """Group days into ranges without holes, oldest first."""
    ranges: list[DayRange] = []
    for day in sorted(days):
        if ranges and day == ranges[-1].end:
            ranges[-1] = DayRange(ranges[-1].first, day)
        else:
            ranges.append(DayRange(day, day))
    return ranges


def spans(days: Iterable[date], longest: int = 0) -> list[DayRange]:
    """Ranges from day to day whatever lies between, oldest first, of `longest` of them (0: one)."""
    ordered = sorted(days)
    size = longest or len(ordered) or 1
    parts = (ordered[n : n + size] for n in range(0, len(ordered), size))
    return [DayRange(part[0], part[-1]) for part in parts]


def without(window: DayRange, bad: Collection[date], held: Collection[date]) -> list[DayRange]:
    """What bad days leave of a range: the stretches between them that hold something."""
    good = consecutive(day for day in window.days if day not in bad)
    return [one for stretch in good for one in spans(day for day in held if day in stretch)]
