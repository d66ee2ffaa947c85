"""A bad day takes no good ones with it: what failed for some days is built without them."""

from datetime import date
from typing import Any

import dagster as dg

from predictit_assets.contract.calendar import DayRange, consecutive
from predictit_assets.instance.failures import bad_days
from predictit_assets.instance.partitions import RANGE_END_TAG, RANGE_START_TAG, window_tags

LOOKED_AT = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}


def good_days_sensor(build_job: Any) -> dg.SensorDefinition:
    """Build the good days of a range whose run failed for the others.

    `build_job` is the job of the whole graph, of a class that Dagster keeps to itself.
    """

    @dg.run_failure_sensor(
        name="spare_good_days",
        request_job=build_job,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "When a run over a range of days fails and says for which days, the whole graph is "
            "built over the others."
        ),
    )
    def spare(context: dg.RunFailureSensorContext) -> list[dg.RunRequest] | dg.SkipReason:
        run = context.dagster_run
        if RANGE_START_TAG not in run.tags:
            return dg.SkipReason("it was about one day")
        first, last = (run.tags[tag] for tag in (RANGE_START_TAG, RANGE_END_TAG))
        window = DayRange(date.fromisoformat(first), date.fromisoformat(last))
        entries = context.instance.all_logs(run.run_id, of_type=LOOKED_AT)
        bad = bad_days(entry.dagster_event for entry in entries if entry.dagster_event)
        bad = {day for day in bad if day in window}
        if not bad:
            return dg.SkipReason("it failed for all of its days alike")
        return [
            dg.RunRequest(run_key=f"{run.run_id} {good}", tags=window_tags(good))
            for good in consecutive(day for day in window.days if day not in bad)
        ]

    return spare
