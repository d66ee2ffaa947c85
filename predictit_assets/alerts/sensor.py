"""The sensor that tells: each minute a look at what is broken, and a message if that is new."""

import time
from collections.abc import Sequence

import dagster as dg

from predictit_assets.alerts.channels import Channel
from predictit_assets.alerts.incidents import Monitored, ended_runs
from predictit_assets.alerts.state import AlertState

INTERVAL = 60
"""Seconds between two looks."""
LOOK_BACK = 24 * 3600
"""Seconds before its first look in which a failed run is still told of."""


def alerts_sensor(
    channels: Sequence[Channel],
    definitions: Sequence[dg.AssetsDefinition],
    whole_job: str,
    ui_url: str,
) -> dg.SensorDefinition:
    """Tell the channels what is broken in these assets and checks.

    `whole_job` is the job of the whole graph: its success mends whatever failed in its days.
    """
    watch = Monitored.of(definitions, whole_job, ui_url)

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=INTERVAL,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Tells of failed runs, failed blocking checks, a stale feed and quarantined payloads, "
            "once each, and of their recovery: by e-mail, Slack or whatever PREDICTIT_ALERTS names."
        ),
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        news = AlertState.recall(context.cursor)
        for end in ended_runs(context.instance, news.seen, since=time.time() - LOOK_BACK):
            for outcome in watch.outcomes_of(context.instance, end):
                news.take(outcome)
            news.seen = end.storage_id
        for outcome in watch.outcomes_without_run(context.instance):
            news.take(outcome)
        lines = news.tell(channels)
        context.update_cursor(news.model_dump_json())
        return dg.SkipReason("; ".join(lines) or "nothing new to tell")

    return alerts
