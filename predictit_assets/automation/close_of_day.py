"""What is done by the clock, since nothing that happens tells when: yesterday is over."""

from collections.abc import Sequence
from datetime import timedelta

import dagster as dg

from predictit_assets.storage.payloads import Zone
from predictit_assets.storage.stream import Stream


def close_of_day(source: str, streams: Sequence[Stream], job: str) -> dg.ScheduleDefinition:
    """Build a day of a source once more when it is over.

    A condition is told of updates, and could miss the last one before midnight: a run that was
    asked for a moment earlier may have looked a moment too soon.
    """
    calendar = streams[0].calendar

    @dg.schedule(
        name=f"close_{source}",
        job_name=job,
        cron_schedule="10 0 * * *",
        execution_timezone=calendar.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=(
            f"Ten minutes after midnight ({calendar.zone}): {source} over the day that ended."
        ),
    )
    def close(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = calendar.day_of(context.scheduled_execution_time) - timedelta(days=1)
        if not any(stream.payloads.held(zone, day) for stream in streams for zone in Zone):
            return dg.SkipReason(f"nothing was received from {source} on {day}")
        return dg.RunRequest(run_key=str(day), partition_key=str(day))

    return close
