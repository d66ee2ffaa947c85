"""Polling without runs: a sensor that asks the API and reports what it landed."""

import math
import time

import dagster as dg
import msgspec

from predictit_assets.contract.source import Source
from predictit_assets.errors import FetchError
from predictit_assets.fetch.client import RateLimited
from predictit_assets.layers.landing import landing_event
from predictit_assets.storage.payloads import PayloadStore

LONGEST_BACKOFF = 600.0
"""Seconds between two calls of an API that keeps failing."""


class State(msgspec.Struct):
    """What the sensor's cursor holds."""

    failures: int = 0
    """Calls that failed in a row."""
    not_before: float = 0.0
    """Unix time of the next call."""
    why: str = ""
    """What the last call failed with."""


def poll_sensor(source: Source, payloads: PayloadStore, interval: float) -> dg.SensorDefinition:
    """Ask a source once a tick, every `interval` seconds at the soonest."""

    @dg.sensor(
        name=f"poll_{source.name}",
        minimum_interval_seconds=max(1, math.floor(interval)),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Asks the API once, lands the answer and reports it as a materialization of today's "
            "landing partition: no run, no process. After a failure it waits longer and longer."
        ),
    )
    def poll(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        state = msgspec.json.decode(context.cursor or "{}", type=State)
        wait = state.not_before - time.time()
        if wait > 0:
            return dg.SensorResult(
                skip_reason=f"{state.why}; asking again in {wait:.0f} s", cursor=context.cursor
            )
        try:
            landed = [stored for answer in source.fetch() if (stored := payloads.land(answer))]
        except RateLimited as reason:
            return dg.SensorResult(skip_reason=str(reason), cursor=context.cursor)
        except FetchError as error:
            # An exception would lose the cursor, and with it how often this has failed.
            wait = min(interval * 2**state.failures, LONGEST_BACKOFF)
            failed = State(state.failures + 1, time.time() + wait, str(error))
            return dg.SensorResult(
                skip_reason=(
                    f"failure {failed.failures} in a row: {error}; asking again in {wait:.0f} s"
                ),
                cursor=msgspec.json.encode(failed).decode(),
            )
        events = [landing_event(source, payloads, stored.day) for stored in landed]
        return dg.SensorResult(
            asset_events=events,
            # Dagster calls a tick without runs skipped: so it says at least what it did.
            skip_reason=f"landed {landed[0].key}" if landed else "the answer is held already",
            cursor=msgspec.json.encode(State()).decode(),
        )

    return poll
