"""The sensor that notifies: each minute it looks for failures, and sends what is new."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date

import dagster as dg

from predictit_assets.alerts.channels import Channel
from predictit_assets.alerts.incidents import Monitored
from predictit_assets.alerts.state import AlertState
from predictit_assets.contract.names import UNPREFIXED, AssetNames
from predictit_assets.instance.location import location_of
from predictit_assets.instance.runs import ended_runs
from predictit_assets.instance.ticks import Clock, TickTime

INTERVAL = 60
"""Seconds between two ticks."""
LOOK_BACK = 24 * 3600
"""Seconds before its first tick; a run that failed since then is still reported."""


def alerts_sensor(
    channels: Sequence[Channel],
    definitions: Sequence[dg.AssetsDefinition],
    whole_jobs: Mapping[str, str],
    today: Callable[[str], date],
    ui_url: str,
    clock: Clock = time.monotonic,
    names: AssetNames = UNPREFIXED,
) -> dg.SensorDefinition:
    """Notify the channels of what fails in these assets and checks.

    `whole_jobs` names the jobs that build all assets of a source, each with its source: their
    success resolves whatever failed in that source on their days. `today` gives the day that it
    is in a source's calendar.
    """
    monitored = Monitored(definitions, whole_jobs, today, ui_url, names)

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Notifies of failed runs, failed blocking checks, stale data and quarantined payloads, "
            "once each, and when they are resolved: by e-mail, Slack or whatever PREDICTIT_ALERTS "
            "names."
        ),
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        state = AlertState.load(context.cursor)
        location = location_of(context)
        time_of_tick = TickTime(clock)
        for end in ended_runs(context.instance, state.last_seen, since=time.time() - LOOK_BACK):
            for outcome in monitored.outcomes_of(context.instance, end, location):
                state.record(outcome)
            state.last_seen = end.storage_id
            if time_of_tick.is_up():
                break
        for outcome in monitored.outcomes_without_run(context.instance):
            state.record(outcome)
        lines = state.notify(channels)
        context.update_cursor(state.model_dump_json())
        return dg.SkipReason("; ".join(lines) or "nothing new")

    return alerts
