"""Asking PredictIt for its feed: apart from what the feed means, so that a poller can be small."""

from datetime import UTC, datetime

from predictit_assets.sources.http import Client
from predictit_assets.sources.source import Observation

SOURCE = "predictit"
DATASET = "market_data"


def ask(client: Client, url: str) -> Observation:
    """All open markets, now. Raises FetchError."""
    body = client.get(f"{url}/api/marketdata/all/")
    # Whole seconds: the feed changes once a minute, and the name of the object says no more.
    return Observation(datetime.now(UTC).replace(microsecond=0), body)
