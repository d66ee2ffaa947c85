"""Asking PredictIt for its feed: apart from what the feed means, so that a poller can be small."""

from datetime import UTC, datetime

from predictit_assets.contract.source import Payload
from predictit_assets.fetch.client import Client

SOURCE = "predictit"
DATASET = "market_data"


def ask(client: Client, url: str) -> Payload:
    """All open markets, now. Raises FetchError."""
    body = client.get(f"{url}/api/marketdata/all/")
    # Whole seconds: the feed changes once a minute, and the name of the object says no more.
    return Payload(datetime.now(UTC).replace(microsecond=0), body)
