"""Asking PredictIt. It imports little, since a poller outside Dagster imports it too."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from predictit_assets.contract.arrival import Asking, Polled
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import Payload
from predictit_assets.contract.source import OutsidePoll, RateLimit
from predictit_assets.sources.predictit.settings import PredictItSettings

SOURCE = "predictit"
MARKET_DATA = "market_data"
CLOSED_MARKETS = "closed_markets"
EASTERN = Calendar("America/New_York")
"""PredictIt's closing prices roll at midnight in New York."""


def market_data(asking: Asking) -> Iterator[Payload]:
    """All open markets, now: one payload. Raises FetchError."""
    body = asking.client.get("/api/marketdata/all/").body
    # Whole seconds: the feed changes once a minute, and the name of the object says no more.
    now = datetime.now(UTC).replace(microsecond=0)
    yield Payload(EASTERN.day_of(now), now, body)


def closed_market(asking: Asking, market_id: int) -> Iterator[Payload]:
    """How a market ended that left the feed. Raises FetchError.

    For a market that it doesn't know, PredictIt answers `null`, which is an invalid payload.
    """
    body = asking.client.get(f"/api/marketdata/markets/{market_id}").body
    # To the microsecond: answers that come right after each other keep different moments.
    now = datetime.now(UTC)
    yield Payload(EASTERN.day_of(now), now, body)


def pace(settings: Any) -> RateLimit:
    """One call in so many seconds: what may be called once a minute is the API, not a path."""
    return RateLimit(1, settings.poll_interval)


POLL = OutsidePoll(
    source=SOURCE,
    dataset=MARKET_DATA,
    calendar=EASTERN,
    way=Polled(market_data, lambda settings: settings.poll_interval),
    settings=PredictItSettings,
    rate_limit=pace,
)
"""What a poller outside Dagster has to know."""
