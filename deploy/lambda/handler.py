"""The poller that needs no Dagster: each call asks PredictIt once and lands the answer on S3.

A clock calls it, once a minute, so it keeps no pace. What goes wrong is raised: the alarm on the
function's errors has to see it.
"""

from typing import Any

from predictit_assets import factory
from predictit_assets.contract.arrival import Asking
from predictit_assets.fetch.client import Client
from predictit_assets.settings import load_settings
from predictit_assets.sources.predictit.ask import EASTERN, MARKET_DATA, SOURCE, market_data
from predictit_assets.sources.predictit.settings import PredictItSettings
from predictit_assets.storage.payloads import PayloadStore

# Made once for all calls of a function that stays warm.
settings = load_settings()
own = PredictItSettings.load()
payloads = PayloadStore(factory.objects(settings), SOURCE, MARKET_DATA, EASTERN)
client = Client(
    own.api_url,
    None,
    settings.max_body,
    attempts=1,
    total_timeout=factory.SENSOR_TIMEOUT,
)


def handler(event: Any, context: Any) -> dict[str, str | None]:
    """One poll; tells the key that was landed, or none when the answer was held already."""
    stored = None
    for payload in market_data(Asking(client, own)):
        stored = payloads.land(payload)
    return {"landed": stored.key if stored else None}
