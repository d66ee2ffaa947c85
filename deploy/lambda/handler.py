"""The poller that needs no Dagster: each call asks PredictIt once and lands the answer on S3.

A clock calls it, once a minute, so it keeps no pace. What goes wrong is raised: the alarm on the
function's errors has to see it.
"""

from typing import Any

from predictit_assets import factory as home
from predictit_assets.fetch.client import Client
from predictit_assets.settings import load_settings
from predictit_assets.sources.predictit import ask as predictit_feed

# Made once for all calls of a function that stays warm.
settings = load_settings()
payloads = home.feed_payloads(settings)
client = Client(None, settings.max_body, attempts=1, total_timeout=home.SENSOR_TIMEOUT)


def handler(event: Any, context: Any) -> dict[str, str | None]:
    """One poll; tells the key that was landed, or none when the answer was held already."""
    landed = payloads.land(predictit_feed.ask(client, settings.api_url))
    return {"landed": landed.key if landed else None}
