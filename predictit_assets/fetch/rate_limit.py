"""Rate limits of hosts, shared by all processes of a home."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from filelock import FileLock, Timeout

from predictit_assets.errors import FetchError

NO_LIMIT = float("inf")


class RateLimited(FetchError):
    """The rate limit allows no call yet."""


class Turn(NamedTuple):
    """A call that was allowed. Both are Unix times."""

    before: float
    """Of the call before; 0.0 when there was none."""
    noted: float
    """Of this one, as it was noted."""


@dataclass(frozen=True)
class HostRateLimit:
    """At most one call of a host every `interval` seconds, over all processes that share `file`."""

    file: Path
    interval: float
    patience: float = NO_LIMIT
    """The longest wait for a call, in seconds; a longer one raises RateLimited."""

    def acquire(self, log: Callable[[str], None]) -> Turn:
        """Sleep until a call is allowed, then note it; `log` is told of a wait.

        Raises RateLimited.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        patience = -1 if self.patience == NO_LIMIT else self.patience
        try:
            with FileLock(f"{self.file}.lock", timeout=patience):
                before = self.file.stat().st_mtime if self.file.exists() else 0.0
                # A clock that was set back must not make us wait for longer than one interval.
                wait = min(before + self.interval - time.time(), self.interval)
                if wait > self.patience:
                    raise RateLimited(f"the next call is allowed in {wait:.0f} s")
                if wait >= 1:
                    log(f"one call every {self.interval:g} s is allowed: waiting {wait:.0f} s")
                if wait > 0:
                    time.sleep(wait)
                self.file.touch()
                return Turn(before, self.file.stat().st_mtime)
        except Timeout:
            raise RateLimited("another process waits for the next call") from None

    def release(self, turn: Turn) -> None:
        """Take a call back that didn't get as far as the API, unless others have called since."""
        if self.file.stat().st_mtime == turn.noted:
            os.utime(self.file, (turn.before, turn.before))
