"""A bad day takes no good ones with it: what failed for some days is built without them."""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from predictit_assets.contract.calendar import without
from predictit_assets.contract.names import AssetNames
from predictit_assets.instance.failures import bad_days
from predictit_assets.instance.liveness import is_of_the_terminal
from predictit_assets.instance.partitions import RANGE_START_TAG, tagged_window, window_tags
from predictit_assets.storage.stream import HeldDays

LOOKED_AT = {dg.DagsterEventType.ASSET_CHECK_EVALUATION, dg.DagsterEventType.STEP_FAILURE}


def good_days_sensor(
    build_jobs: Mapping[str, Any], held: Mapping[str, HeldDays], names: AssetNames
) -> dg.SensorDefinition:
    """Build the good days of a range whose run failed for the others.

    By source: `build_jobs` are the jobs of all its assets, `held` knows the days to make.
    """

    @dg.run_failure_sensor(
        name="retry_good_days",
        request_jobs=list(build_jobs.values()),
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "When a run over a range of days fails and says for which days, the source is built "
            "over the others."
        ),
    )
    def retry(context: dg.RunFailureSensorContext) -> list[dg.RunRequest] | dg.SkipReason:
        run = context.dagster_run
        if is_of_the_terminal(run):
            return dg.SkipReason("`predictit build` builds the others itself")
        days = tagged_window(run.tags)
        if RANGE_START_TAG not in run.tags or days is None:
            return dg.SkipReason("it was about one day")
        source = _source(run, build_jobs, names)
        if source is None:
            return dg.SkipReason("it was about no source of this code location")
        entries = context.instance.all_logs(run.run_id, of_type=LOOKED_AT)
        bad = bad_days(entry.dagster_event for entry in entries if entry.dagster_event)
        bad = {day for day in bad if day in days}
        if not bad:
            return dg.SkipReason("it failed for all of its days alike")
        return [
            dg.RunRequest(
                job_name=build_jobs[source].name,
                run_key=f"{run.run_id} {good}",
                tags=window_tags(good),
            )
            for good in without(days, bad, held[source](days))
        ]

    return retry


def _source(run: dg.DagsterRun, build_jobs: Mapping[str, Any], names: AssetNames) -> str | None:
    """The source that a run was about: that of its job, or of its first asset."""
    by_job = {job.name: source for source, job in build_jobs.items()}
    if run.job_name in by_job:
        return by_job[run.job_name]
    for key in run.asset_selection or ():
        source = names.source_of(key.path)
        if source in build_jobs:
            return source
    return None
