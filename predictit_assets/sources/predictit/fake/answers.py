"""The feed's right answers as bytes, made once a minute like the real ones."""

import gzip
from collections.abc import Callable
from datetime import datetime
from threading import Lock
from typing import NamedTuple

from predictit_assets.sources.predictit.fake.rendering import (
    Record,
    payload_to_json,
    to_json,
    to_xml,
)
from predictit_assets.sources.predictit.fake.world import World


class Wanted(NamedTuple):
    """What a request asks for: one market, or all of them if that is None, and in which form."""

    market_id: int | None
    xml: bool
    compressed: bool


class Answers:
    """What the world answers at the clock's current minute, kept until the next one begins."""

    def __init__(self, world: World, clock: Callable[[], datetime]) -> None:
        """`clock` gives aware times."""
        self._world = world
        self._clock = clock
        self._lock = Lock()
        self._minute: datetime | None = None
        self._made: dict[Wanted, bytes] = {}

    def body(self, wanted: Wanted) -> bytes:
        """The answer's body."""
        # One client makes the answer while the others wait for it.
        with self._lock:
            minute = self._current_minute()
            if minute != self._minute:
                self._minute = minute
                self._made.clear()
            if wanted not in self._made:
                self._made[wanted] = self._make(wanted, minute, None)
            return self._made[wanted]

    def spoiled_body(self, wanted: Wanted, spoil: Callable[[Record], None]) -> bytes:
        """The answer's body after something has been done to its first market, if it has one."""
        return self._make(wanted, self._current_minute(), spoil)

    def _current_minute(self) -> datetime:
        return self._clock().replace(second=0, microsecond=0)

    def _make(
        self, wanted: Wanted, minute: datetime, spoil: Callable[[Record], None] | None
    ) -> bytes:
        if wanted.market_id is None:
            payload = self._world.payload(minute)
            if spoil and payload["markets"]:
                spoil(payload["markets"][0])
            body = to_xml(payload, "MarketList") if wanted.xml else payload_to_json(payload)
        else:
            market = self._world.market(wanted.market_id, minute)
            if spoil and market:
                spoil(market)
            body = to_xml(market, "MarketData") if wanted.xml else to_json(market)
        return gzip.compress(body, compresslevel=6, mtime=0) if wanted.compressed else body
