"""The time that a sensor has: Dagster cuts off a tick after a minute, and keeps nothing of it."""

import time
from collections.abc import Callable

Clock = Callable[[], float]
TICK_SECONDS = 20.0
"""Seconds after which a tick begins nothing more. What it began may take as long again."""


class TickTime:
    """How much of its time a tick has spent. What it doesn't come to is left to the next ones."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._end = clock() + TICK_SECONDS

    def is_up(self) -> bool:
        """Whether nothing more is to be begun."""
        return self._clock() >= self._end
