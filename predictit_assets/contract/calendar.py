"""The trading day: an Eastern calendar day, as PredictIt's closing prices roll at its midnight."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

EASTERN = ZoneInfo("America/New_York")


def day_of(at: datetime) -> date:
    """The Eastern calendar day of a moment (timezone-aware)."""
    return at.astimezone(EASTERN).date()


def today() -> date:
    """The trading day that is running now."""
    return day_of(datetime.now(UTC))


def eastern_to_utc(wall: datetime, near: datetime) -> datetime:
    """Read a naive Eastern wall time as UTC.

    In autumn an hour happens twice: of its two readings the one nearer to `near` is taken.
    """
    readings = [wall.replace(tzinfo=EASTERN, fold=fold).astimezone(UTC) for fold in (0, 1)]
    return min(readings, key=lambda reading: abs(reading - near))


@dataclass(frozen=True)
class DayRange:
    """A stretch of trading days, both ends included."""

    first: date
    last: date

    def __contains__(self, day: date) -> bool:
        return self.first <= day <= self.last

    def __str__(self) -> str:
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    @property
    def end(self) -> date:
        """The first day after the window."""
        return self.last + timedelta(days=1)

    @property
    def days(self) -> list[date]:
        """Every day of the window, oldest first."""
        return [self.first + timedelta(days=n) for n in range((self.end - self.first).days)]


def consecutive(days: Iterable[date], longest: int = 0) -> list[DayRange]:
    """Group days into windows without holes, oldest first, of `longest` days each (0: any)."""
    windows: list[DayRange] = []
    for day in sorted(days):
        if windows and day == windows[-1].end and len(windows[-1].days) != longest:
            windows[-1] = DayRange(windows[-1].first, day)
        else:
            windows.append(DayRange(day, day))
    return windows
