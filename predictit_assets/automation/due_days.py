"""Days of an API with a past: a schedule that asks about those that are due."""

import dagster as dg

from predictit_assets.automation.pending import fetch_job_name
from predictit_assets.contract.arrival import ByDay, Dropped
from predictit_assets.layers.intake import Intake


def fetch_schedule(intake: Intake, way: ByDay | Dropped) -> dg.ScheduleDefinition:
    """One run asks about every day that is due, oldest first, with as many calls as it may make."""
    stream = intake.stream

    @dg.schedule(
        name=f"fetch_due_{stream.name}",
        job_name=fetch_job_name(stream),
        cron_schedule=way.cron if isinstance(way.cron, str) else list(way.cron),
        execution_timezone=stream.calendar.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=f"Asks {stream.source.name} for what of {stream.dataset.name} is due.",
    )
    def fetch(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        if isinstance(way, ByDay) and not intake.due():
            return dg.SkipReason("no day is due")
        today = stream.calendar.day_of(context.scheduled_execution_time)
        return dg.RunRequest(
            run_key=str(context.scheduled_execution_time), partition_key=str(today)
        )

    return fetch
