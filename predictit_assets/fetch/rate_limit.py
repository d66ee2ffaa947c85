"""Rate limits of hosts, shared by all processes of a home."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from predictit_assets.errors import FetchError

NO_LIMIT = float("inf")


class RateLimited(FetchError):
    """The rate limit allows no call yet."""


class MonthSpent(FetchError):
    """The calls of the month are spent, or what is left of them is for polls."""


class Turn(NamedTuple):
    """A call that was allowed. Both are Unix times."""

    before: float
    """Of the call before; 0.0 when there was none."""
    noted: float
    """Of this one, as it was noted."""
    month: str = ""
    """The UTC month that it is counted in, where they are: YYYY-MM."""


@dataclass(frozen=True)
class HostRateLimit:
    """At most one call of a host every `interval` seconds, over all processes that share `file`."""

    file: Path
    interval: float
    patience: float = NO_LIMIT
    """The longest wait for a call, in seconds; a longer one raises RateLimited."""
    a_month: int | None = None
    """Calls in a UTC month, over all processes too."""
    for_polls: float = 0.0
    """Calls a second that polls need."""
    leaves_polls_theirs: bool = False
    """Whether this is no poll: it leaves the calls that polls need until the month ends."""

    def spent(self, now: datetime) -> int:
        """Calls made in the month of a moment."""
        return self._made(f"{now:%Y-%m}")

    def left(self, now: datetime) -> int | None:
        """Calls that may still be made in the month of a moment; None where nobody counts."""
        if self.a_month is None:
            return None
        kept = self.polls_to_come(now) if self.leaves_polls_theirs else 0
        return self.a_month - self.spent(now) - kept

    def polls_to_come(self, now: datetime) -> int:
        """Calls that polls need until the month of a moment ends."""
        return round(self.for_polls * (_next_month(now) - now).total_seconds())

    def acquire(self, log: Callable[[str], None]) -> Turn:
        """Sleep until a call is allowed, then note it; `log` is told of a wait.

        Raises RateLimited, MonthSpent.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        patience = -1 if self.patience == NO_LIMIT else self.patience
        try:
            with self._lock(patience):
                self._refuse_beyond_the_month()
                before = self.file.stat().st_mtime if self.file.exists() else 0.0
                # A clock that was set back must not make us wait for longer than one interval.
                wait = min(before + self.interval - time.time(), self.interval)
                if wait > self.patience:
                    raise RateLimited(f"the next call is allowed in {wait:.0f} s")
                if wait >= 1:
                    log(f"one call every {self.interval:g} s is allowed: waiting {wait:.0f} s")
                if wait > 0:
                    time.sleep(wait)
                    self._refuse_beyond_the_month()
                month = self._count(1)
                self.file.touch()
                return Turn(before, self.file.stat().st_mtime, month)
        except Timeout:
            raise RateLimited("another process waits for the next call") from None

    def release(self, turn: Turn) -> None:
        """Take a call back that didn't get as far as the API, unless others have called since."""
        if turn.month:
            with self._lock():
                self._count(-1, turn.month)
        if self.file.stat().st_mtime == turn.noted:
            os.utime(self.file, (turn.before, turn.before))

    def _lock(self, patience: float = -1) -> FileLock:
        return FileLock(f"{self.file}.lock", timeout=patience)

    def _counter(self, month: str) -> Path:
        return self.file.with_name(f"{self.file.name}.{month}")

    def _made(self, month: str) -> int:
        try:
            return int(self._counter(month).read_text())
        except (FileNotFoundError, ValueError):
            return 0

    def _refuse_beyond_the_month(self) -> None:
        now = datetime.now(UTC)
        left = self.left(now)
        if left is None or left > 0:
            return
        kept = " but for those that polls need" if self.leaves_polls_theirs else ""
        raise MonthSpent(
            f"the {self.a_month:,} calls of this month are spent{kept}: "
            f"the next month begins on {_next_month(now):%Y-%m-%d} (UTC)"
        )

    def _count(self, calls: int, month: str = "") -> str:
        """Count calls, made or taken back, under the lock; the month they are counted in."""
        if self.a_month is None:
            return ""
        month = month or f"{datetime.now(UTC):%Y-%m}"
        counter = self._counter(month)
        # Replaced in one step: a counter that is cut short would begin anew.
        new = counter.with_name(f"{counter.name}.new")
        new.write_text(str(max(self._made(month) + calls, 0)))
        new.replace(counter)
        return month


def _next_month(now: datetime) -> datetime:
    """The first moment of the month after that of a UTC time."""
    year, month = divmod(now.year * 12 + now.month, 12)
    return datetime(year, month + 1, 1, tzinfo=UTC)
