"""A sign of life each minute, to somebody outside: what is dead can't tell that it is."""

from collections.abc import Callable, Mapping
from functools import cache, partial
from threading import Thread
from typing import Any

import dagster as dg

from predictit_assets.errors import SettingsError, fault_of_surroundings
from predictit_assets.fetch.client import Client
from predictit_assets.settings import Settings

Sign = Callable[[], None]
"""Gives one sign of life. Raises what keeps it from that."""
METRIC = "Heartbeat"
"""Its name in CloudWatch, as deploy/terraform/alarms.tf has it."""
TIMEOUT = 5.0
"""Seconds for one sign of life, whatever the network does."""
MAX_ANSWER = 64_000
"""Bytes that may be answered to one."""


def signs_of_life(settings: Settings) -> dict[str, Sign]:
    """The signs of life that the settings ask for, each by what people call its receiver."""
    signs: dict[str, Sign] = {}
    if url := settings.heartbeat_url.get_secret_value():
        client = Client("", None, MAX_ANSWER, attempts=1, total_timeout=TIMEOUT)
        signs["PREDICTIT_HEARTBEAT_URL"] = partial(client.ping, url)
    if namespace := settings.cloudwatch_namespace:
        signs["CloudWatch"] = partial(put_metric, namespace, settings.s3_region or None)
    return signs


def heartbeat_sensor(signs: Mapping[str, Sign]) -> dg.SensorDefinition:
    """Give every sign of life, each minute. One that can't be given fails no tick."""

    @dg.sensor(
        name="heartbeat",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Gives a sign of life to somebody outside, who rings when there is none: it takes "
            "the daemon, the code location and their database."
        ),
    )
    def heartbeat(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        said = []
        for receiver, sign in signs.items():
            fault = _give(sign)
            said.append(f"{receiver}: {fault or 'told'}")
            if fault:
                context.log.warning(f"no sign of life for {receiver}: {fault}")
        return dg.SkipReason("; ".join(said))

    return heartbeat


def put_metric(namespace: str, region: str | None) -> None:
    """Put a heartbeat into CloudWatch."""
    _cloudwatch(region).put_metric_data(
        Namespace=namespace, MetricData=[{"MetricName": METRIC, "Value": 1.0, "Unit": "Count"}]
    )


@cache
def _cloudwatch(region: str | None) -> Any:
    """A client that gives up soon, and asks once: the next sign of life comes in a minute."""
    try:
        import boto3
        from botocore.config import Config
    except ImportError:
        raise SettingsError(
            "PREDICTIT_CLOUDWATCH_NAMESPACE needs the packages of the extra `production`"
        ) from None
    bounds = Config(connect_timeout=2, read_timeout=3, retries={"total_max_attempts": 1})
    return boto3.Session(region_name=region).client("cloudwatch", config=bounds)


def _give(sign: Sign) -> str:
    """Why a sign of life wasn't given in time; nothing when it was."""
    faults: list[str] = []

    def give() -> None:
        try:
            sign()
        except Exception as error:
            # A traceback could quote the address.
            faults.append(fault_of_surroundings(error) or type(error).__name__)

    # The look-up of a name has no timeout of its own, nor has a server that drips its headers.
    giving = Thread(target=give, daemon=True)
    giving.start()
    giving.join(TIMEOUT)
    if giving.is_alive():
        return f"no answer within {TIMEOUT:.0f} s"
    return "; ".join(faults)
