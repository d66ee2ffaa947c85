"""The feed's right answers over HTTP, made once a minute like the real ones."""

from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple, Protocol

from predictit_assets.sample.clock import Clock
from predictit_assets.sample.http import JSON, XML, Answer, Request, Route
from predictit_assets.sources.predictit.fake.rendering import (
    Record,
    payload_to_json,
    to_json,
    to_xml,
)


class Feed(Protocol):
    """What is known at a time."""

    def payload(self, at: datetime) -> dict[str, list[Record]]:
        """All markets."""
        ...

    def market(self, market_id: int, at: datetime) -> Record | None:
        """One market, if it is known."""
        ...


class _Wanted(NamedTuple):
    """What a request asks for: one market, or all of them if that is None, and in which form."""

    market_id: int | None
    xml: bool


class Answers:
    """What the feed answers at the clock's current minute, kept until the next one begins."""

    def __init__(self, feed: Feed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._lock = Lock()
        self._minute: datetime | None = None
        self._made: dict[_Wanted, bytes] = {}

    def routes(self) -> Sequence[Route]:
        """The two resources of PredictIt."""
        return [
            Route("GET", r"/api/marketdata/all/?", self._answer),
            Route("GET", r"/api/marketdata/markets/(?P<market_id>\d{1,18})/?", self._answer),
        ]

    def _answer(self, request: Request) -> Answer:
        market_id = request.parts.get("market_id")
        wanted = _Wanted(
            market_id=int(market_id) if market_id else None,
            xml="application/json" not in request.header("Accept"),
        )
        # One client makes the answer while the others wait for it.
        with self._lock:
            minute = self._clock().replace(second=0, microsecond=0)
            if minute != self._minute:
                self._minute = minute
                self._made.clear()
            if wanted not in self._made:
                self._made[wanted] = self._make(wanted, minute)
            body = self._made[wanted]
        return Answer(body, content_type=XML if wanted.xml else JSON)

    def _make(self, wanted: _Wanted, minute: datetime) -> bytes:
        if wanted.market_id is None:
            payload = self._feed.payload(minute)
            return to_xml(payload, "MarketList") if wanted.xml else payload_to_json(payload)
        market = self._feed.market(wanted.market_id, minute)
        return to_xml(market, "MarketData") if wanted.xml else to_json(market)
