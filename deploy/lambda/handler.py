"""The poller that needs no Dagster: each call asks PredictIt once and lands the answer on S3.

A clock calls it, once a minute, so it keeps no pace. What goes wrong is raised: the alarm on the
function's errors has to see it. It also tells how old the newest payload in raw is, which is what
Dagster makes: whoever looks from here goes on while that stands still.
"""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

from predictit_assets import factory
from predictit_assets.contract.arrival import Asking
from predictit_assets.errors import fault_of_surroundings
from predictit_assets.fetch.client import Client
from predictit_assets.settings import load_settings
from predictit_assets.sources.predictit.ask import EASTERN, MARKET_DATA, SOURCE, market_data
from predictit_assets.sources.predictit.settings import PredictItSettings
from predictit_assets.storage.payloads import PayloadStore, Zone

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
    if settings.cloudwatch_namespace:
        tell_age_of_raw(settings.cloudwatch_namespace)
    return {"landed": stored.key if stored else None}


def tell_age_of_raw(namespace: str) -> None:
    """Print how old the newest payload in raw is, as CloudWatch makes a metric of it.

    When nobody can tell, or there is none, nothing is told: the alarm takes that for bad. What has
    landed has landed, so this fails no call.
    """
    now = datetime.now(UTC)
    try:
        newest = newest_in_raw()
    except Exception as error:
        fault = fault_of_surroundings(error)
        if fault is None:
            raise
        print(f"the age of raw can't be told: {fault}")
        return
    if newest:
        metric = {"Name": "NewestRawAge", "Unit": "Seconds"}
        of = {"Namespace": namespace, "Dimensions": [[]], "Metrics": [metric]}
        about = {"Timestamp": int(now.timestamp() * 1000), "CloudWatchMetrics": [of]}
        print(json.dumps({"_aws": about, "NewestRawAge": (now - newest).total_seconds()}))


def newest_in_raw() -> datetime | None:
    """When the newest payload in raw was received; None when there is none."""
    for day in _newest_first():
        if held := payloads.held(Zone.RAW, day):
            return held[-1].captured_at
    return None


def _newest_first() -> Iterator[date]:
    """Days that raw may hold. Nearly always it is one of the first two, without a list of all."""
    today = EASTERN.today()
    yield from (today, today - timedelta(days=1))
    yield from reversed(payloads.days(Zone.RAW))
