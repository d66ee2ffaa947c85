"""The clocks of made-up APIs: the real one, and one that stands still until it is set."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Clock = Callable[[], datetime]
"""Gives an aware UTC time."""


def utc_now() -> datetime:
    """The real time."""
    return datetime.now(UTC)


class SettableClock:
    """A clock that shows the time it was set to; call it to read it."""

    def __init__(self, now: datetime) -> None:
        """`now` is an aware time."""
        self.set(now)

    def __call__(self) -> datetime:
        """The time it shows."""
        return self._now

    def set(self, now: datetime) -> None:
        """Show this aware time from now on."""
        if now.tzinfo is None:
            raise ValueError(f"a clock needs an aware time, not {now!r}")
        self._now = now.astimezone(UTC)

    def advance(self, by: timedelta) -> None:
        """Show a later time."""
        self._now += by
