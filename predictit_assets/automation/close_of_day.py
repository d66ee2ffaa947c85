"""What is done by the clock, since nothing that happens tells when: yesterday is over."""

from datetime import timedelta

import dagster as dg

from predictit_assets.contract.calendar import EASTERN, day_of
from predictit_assets.contract.source import Source
from predictit_assets.storage.payloads import PayloadStore, Zone


def close_of_yesterday(source: Source, payloads: PayloadStore, job: str) -> dg.ScheduleDefinition:
    """Build a day once more when it is over.

    A condition is told of updates, and could miss the last one before midnight: a run that was
    asked for a moment earlier may have looked a moment too soon.
    """

    @dg.schedule(
        name="close_of_yesterday",
        job_name=job,
        cron_schedule="10 0 * * *",
        execution_timezone=str(EASTERN),
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Ten minutes after midnight Eastern: the whole graph over the day that ended.",
    )
    def close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = day_of(context.scheduled_execution_time) - timedelta(days=1)
        if not any(payloads.held(zone, day) for zone in Zone):
            return dg.SkipReason(f"nothing was received from {source.name} on {day}")
        return dg.RunRequest(run_key=str(day), partition_key=str(day))

    return close
