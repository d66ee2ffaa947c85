"""Runs: those that this process starts, of the same jobs as the UI's, and how runs ended."""

import os
import shutil
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from filelock import FileLock

from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import ExpectedError, SettingsError, fault_of_surroundings
from predictit_assets.factory import make_home
from predictit_assets.instance.failures import bad_days, why
from predictit_assets.instance.liveness import BUILD_TAG, end_dead_runs, marked_alive
from predictit_assets.instance.location import job_origin
from predictit_assets.instance.parallel import DaysDone, listening
from predictit_assets.instance.partitions import window_tags
from predictit_assets.instance.steps import steps_of_layer
from predictit_assets.interrupts import noticing_interrupts
from predictit_assets.paths import PROJECT_DIR
from predictit_assets.settings import Settings

MAX_RUNS = 200
"""Ends of runs of one kind that are read at once."""
ENDS = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)


class BuildFailed(ExpectedError):
    """A run failed: which steps, and why."""

    def __init__(self, text: str, bad_days: set[date]) -> None:
        super().__init__(text)
        self.bad_days = bad_days
        """The days that it failed for; without them it may succeed."""


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    done: int
    """Steps that have ended."""
    steps: int
    doing: str
    """The step that runs, and how many of its days are done where it says so."""


@dataclass(frozen=True)
class Built:
    """What a run made."""

    warnings: list[str]
    """What its checks warn about, a sentence each."""
    rows: dict[str, int]
    """Rows of the days of the run, by asset."""


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance: that of DAGSTER_HOME when it is set, else the one at home."""
    folder = _dagster_home(settings)
    make_home(settings)
    folder.mkdir(parents=True, exist_ok=True)
    if folder == settings.dagster_home or not (folder / "dagster.yaml").exists():
        shutil.copyfile(PROJECT_DIR / "dagster.yaml", folder / "dagster.yaml")
    # Two processes that create the same SQLite files at once would fail.
    with FileLock(folder / ".making"):
        try:
            instance = dg.DagsterInstance.from_config(str(folder))
            instance.all_asset_keys()  # creates the last of the files, otherwise made at first use
        except Exception as error:
            if fault := fault_of_surroundings(error):
                raise ExpectedError(f"the Dagster instance {folder}: {fault}") from error
            raise
    return instance


def _dagster_home(settings: Settings) -> Path:
    said = os.environ.get("DAGSTER_HOME")
    if not said:
        return settings.dagster_home
    try:
        folder = Path(said).expanduser()
    except RuntimeError:
        folder = Path(said)
    # Dagster takes no other. Made relative to the current folder it would be another one tomorrow.
    if not folder.is_absolute():
        raise SettingsError(f"DAGSTER_HOME={said!r}: it has to be the whole path of a folder")
    return folder


def run_build(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    job_name: str,
    days: DayRange,
    notify: Callable[[Progress], None],
) -> Built:
    """Run a job over a range of days, all of them in one run. Never calls the API.

    Raises BuildFailed, and KeyboardInterrupt when the run was interrupted.
    """
    end_dead_runs(instance, repeat=False)  # this one takes their place
    job = definitions.resolve_job_def(job_name)
    run_id = str(uuid.uuid4())
    steps = {node.name for node in job.nodes}
    landing = steps_of_layer("landing", definitions.assets or ()) & steps
    done = 0
    canceling = False

    def on_event(entry: dg.EventLogEntry) -> None:
        nonlocal done, canceling
        if interrupted() and not canceling:
            canceling = True
            # Dagster calls an interrupted run failed that nobody asked to cancel.
            instance.report_run_canceling(run)
        event = entry.dagster_event
        if event is None:
            return
        if event.event_type is dg.DagsterEventType.STEP_START:
            notify(Progress(done, len(steps), str(event.step_key)))
        elif event.is_step_success or event.is_step_failure or event.is_step_skipped:
            done += 1

    def on_days(progress: DaysDone) -> None:
        notify(Progress(done, len(steps), f"{progress.step}: {progress}"))

    with (
        noticing_interrupts() as interrupted,
        marked_alive(instance, run_id),
        listening(run_id, on_days),
    ):
        run = instance.create_run_for_job(
            job,
            run_id=run_id,
            tags={**job.run_tags, **window_tags(days), BUILD_TAG: run_id},
            run_config={
                "ops": {name: {"config": {"held_only": True}} for name in landing},
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            remote_job_origin=job_origin(job_name),
        )
        instance.add_event_listener(run_id, on_event)
        result = execute_run(InMemoryJob(job), run, instance)
        if interrupted():
            raise KeyboardInterrupt
    events = result.all_events
    if not result.success:
        bad = {day for day in bad_days(events) if day in days}
        raise BuildFailed(f"the run {run_id} over {days} failed: {why(events)}", bad)
    checks = [
        event.asset_check_evaluation_data
        for event in events
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
    ]
    warnings = [
        f"{check.asset_key.to_user_string()}: {check.description}"
        for check in checks
        if not check.passed
    ]
    rows: Counter[str] = Counter()
    for event in events:
        if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION:
            made = event.step_materialization_data.materialization
            if counted := made.metadata.get("dagster/partition_row_count"):
                rows[made.asset_key.to_user_string()] += int(str(counted.value))
    return Built(warnings, dict(rows))


def ended_runs(
    instance: dg.DagsterInstance, after: int | None, since: float
) -> list[dg.EventLogRecord]:
    """The ends of runs after the one of this storage id, else since a moment, in their order.

    There may be more of them than are returned.
    """
    pages = [
        instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(
                end,  # type: ignore[arg-type]  # Dagster doesn't export the type
                after_storage_id=after,
                after_timestamp=since if after is None else None,
            ),
            limit=MAX_RUNS,
            ascending=True,
        )
        for end in ENDS
    ]
    # Beyond the end of a full page there are ends of its kind that aren't known yet.
    bound = min((page.records[-1].storage_id for page in pages if page.has_more), default=None)
    records = sorted(
        (record for page in pages for record in page.records), key=lambda end: end.storage_id
    )
    return [record for record in records if bound is None or record.storage_id <= bound]
