"""The poller that needs no Dagster: each call asks the API of a source once, and lands the answer.

A clock calls it, as often as the source is polled, so it keeps a pace between pages only. What goes
wrong is raised: the alarm on the function's errors has to see it.
"""

import os
from functools import cache
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import boto3
from pydantic import SecretStr

from predictit_assets import factory
from predictit_assets.contract.arrival import Asking
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.contract.source import OutsidePoll
from predictit_assets.errors import SettingsError
from predictit_assets.fetch.client import Client, KeyRefused
from predictit_assets.fetch.rate_limit import HostRateLimit
from predictit_assets.settings import load_settings
from predictit_assets.sources import SOURCES
from predictit_assets.storage.payloads import PayloadStore

SOURCE = "POLLER_SOURCE"
"""The variable that names the source; without it the first one is polled."""
KEY_ARN = "POLLER_KEY_ARN"
"""The variable that names the secret that holds the API's key, where it wants one."""


def poll_of(name: str) -> OutsidePoll:
    """What is asked of a source. Raises SettingsError."""
    if name not in SOURCES:
        raise SettingsError(f"{SOURCE}={name!r:.60}: known are {', '.join(SOURCES)}")
    asked = import_module(f"predictit_assets.sources.{name}.ask")
    if not hasattr(asked, "POLL"):
        raise SettingsError(f"{SOURCE}={name}: it isn't polled")
    found: OutsidePoll = asked.POLL
    return found


# Made once for all calls of a function that stays warm.
settings = load_settings()
polled = poll_of(os.environ.get(SOURCE) or SOURCES[0])
payloads = PayloadStore(factory.objects(settings), polled.source, polled.dataset, polled.calendar)


def handler(event: Any, context: Any) -> dict[str, Any]:
    """One poll: tells what was landed, which isn't what was held already."""
    own = own_settings()
    with TemporaryDirectory() as folder:
        asking = Asking(client(own, Path(folder)), own)
        try:
            landed = [
                {"key": stored.key, **counts(payload)}
                for payload in polled.way.ask(asking)
                if (stored := payloads.land(payload))
            ]
        except KeyRefused:
            own_settings.cache_clear()  # the next call reads the secret anew: it may be another
            raise
    return {"landed": landed}


@cache
def own_settings() -> SourceSettings:
    """The settings of the source, with the key that the secret holds. Raises SettingsError."""
    own = polled.settings.load()
    if arn := os.environ.get(KEY_ARN):
        held = boto3.client("secretsmanager").get_secret_value(SecretId=arn)
        own = own.model_copy(update={"api_key": SecretStr(held["SecretString"].strip())})
    if missing := own.missing():
        raise SettingsError(f"{polled.source} needs {' and '.join(missing)}, or {KEY_ARN}")
    return own


def client(own: SourceSettings, folder: Path) -> Client:
    """Asks each page once; the folder keeps the pace of this call."""
    rate = polled.rate_limit(own)
    return Client(
        own.api_url,
        HostRateLimit(folder / "pace", rate.per / rate.calls),
        settings.max_body,
        credential=factory.credential(polled.auth, own),
        attempts=1,
        total_timeout=factory.SENSOR_TIMEOUT,
        pages_refuse=rate.pages_refuse,
    )


def counts(payload: Payload) -> dict[str, Any]:
    """What a payload holds, and how many of its rows can't be loaded; or why all of it can't."""
    if polled.validate is None:
        return {}
    try:
        found = polled.validate(payload)
    except InvalidPayload as fault:
        return {"invalid": str(fault)}
    return {**found.counts, "rejected": found.rejected}
