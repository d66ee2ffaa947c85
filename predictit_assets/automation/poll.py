"""Polling without runs: a sensor that asks an API and reports what it landed."""

import math
import time
from collections.abc import Callable, Mapping, Sequence

import dagster as dg
import msgspec

from predictit_assets.automation.checks import WatchedCheck, evaluations
from predictit_assets.contract.arrival import Polled
from predictit_assets.errors import fault_of_surroundings
from predictit_assets.fetch.client import Client
from predictit_assets.fetch.rate_limit import RateLimited
from predictit_assets.instance.ticks import Clock, TickTime
from predictit_assets.layers.intake import Intake
from predictit_assets.layers.landing import landing_event
from predictit_assets.storage.payloads import StoredPayload

MAX_BACKOFF = 600.0
"""Seconds between two calls of an API that keeps failing."""


class State(msgspec.Struct):
    """What the sensor's cursor holds of a dataset."""

    failures: int = 0
    """Calls that failed in a row."""
    not_before: float = 0.0
    """Unix time of the next call."""
    why: str = ""
    """What the last call failed with."""


def poll_sensor(
    source: str,
    intakes: Sequence[Intake],
    client: Callable[[], Client],
    checks: Mapping[str, Sequence[WatchedCheck]],
    clock: Clock = time.monotonic,
) -> dg.SensorDefinition:
    """Ask a source once a tick, each dataset as often as it says at the most.

    `checks` are those of landing, by stream: what landed is looked at in the same tick.
    """
    interval = min(_interval(intake) for intake in intakes)

    @dg.sensor(
        name=f"poll_{source}",
        target=[dg.AssetKey(intake.stream.key("landing")) for intake in intakes],
        minimum_interval_seconds=max(1, math.floor(interval)),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Asks the API of {source} once, lands the answer and reports it as a materialization "
            "of today's landing partition: no run, no process. After a failure it waits longer "
            "and longer."
        ),
    )
    def poll(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        states = msgspec.json.decode(context.cursor or "{}", type=dict[str, State])
        events: list[dg.AssetMaterialization | dg.AssetCheckEvaluation] = []
        texts = []
        time_of_tick = TickTime(clock)
        # Those asked longest ago come first.
        turn = {name: place for place, name in enumerate(states, start=1)}
        for intake in sorted(intakes, key=lambda one: turn.get(one.stream.dataset.name, 0)):
            if time_of_tick.is_up():
                texts.append("the others are asked at the next tick")
                break
            name = intake.stream.dataset.name
            states[name], landed, text = _poll(
                intake, client, interval, states.pop(name, State()), context.log.warning
            )
            events += landed
            if landed:
                events += evaluations(checks[intake.stream.name], context.instance)
            texts.append(text)
        return dg.SensorResult(
            asset_events=events,
            # Dagster calls a tick without runs skipped: so it says at least what it did.
            skip_reason="; ".join(texts),
            cursor=msgspec.json.encode(states).decode(),
        )

    return poll


def _interval(intake: Intake) -> float:
    polled = intake.way(Polled)
    return polled.interval(intake.settings) if polled else math.inf


def _asked(intake: Intake, tick: float) -> State:
    """The state of a dataset that was just asked, by a sensor that ticks every `tick` seconds."""
    interval = _interval(intake)
    if interval <= tick:  # each tick asks; the rate limit of the API says whether it may
        return State()
    # No tick is quite in time: half of one is left to it.
    return State(0, time.time() + interval - tick / 2, "it was asked a moment ago")


def _poll(
    intake: Intake,
    client: Callable[[], Client],
    tick: float,
    state: State,
    warn: Callable[[str], None],
) -> tuple[State, list[dg.AssetMaterialization], str]:
    """Ask about one dataset: the state afterwards, what is to be reported, and a sentence."""
    wait = state.not_before - time.time()
    if wait > 0:
        return state, [], f"{state.why}; asking again in {wait:.0f} s"
    stream = intake.stream
    landed: list[StoredPayload] = []
    text = ""
    try:
        # A page that fails ends the poll; those before it have landed, and are reported.
        landed.extend(stored for stored in intake.poll(client()) if stored)
        after = _asked(intake, tick)
    except RateLimited as reason:
        after, text = state, str(reason)
    except Exception as error:
        fault = fault_of_surroundings(error)
        if fault is None:
            raise
        # An exception would lose the cursor, and with it how often this has failed.
        wait = min(_interval(intake) * 2**state.failures, MAX_BACKOFF)
        after = State(state.failures + 1, time.time() + wait, fault)
        text = f"failure {after.failures} in a row: {fault}; asking again in {wait:.0f} s"
        warn(text)
    events = [landing_event(stream, day) for day in sorted({stored.day for stored in landed})]
    held = f"landed {landed[0].key}" if landed else "the answer is held already"
    return after, events, text or held
