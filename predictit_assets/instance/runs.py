"""Runs in this process: the same job as the UI's, recorded in the same Dagster instance."""

import os
import shutil
import signal
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from socket import gethostname, socketpair

import dagster as dg
from filelock import FileLock

from predictit_assets.build import BUILD_JOB
from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import ExpectedError
from predictit_assets.instance.failures import bad_days, why
from predictit_assets.instance.partitions import window_tags
from predictit_assets.settings import PROJECT_DIR, Settings

HOST_TAG = "predictit/host"
PROCESS_TAG = "predictit/process"
"""Where a run of `predictit build` is."""
UNENDED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED]
ENDING = {signal.SIGINT, signal.SIGTERM}
"""The signals that Dagster takes for an interrupt."""
MAX_SIGNALS = 4096


class BuildFailed(ExpectedError):
    """A run ended in failure: which steps, and why."""

    def __init__(self, text: str, bad_days: set[date]) -> None:
        super().__init__(text)
        self.bad_days = bad_days
        """The days of the window that it failed for; without them it may succeed."""


@dataclass(frozen=True)
class Progress:
    """How far a run has come."""

    done: int
    """Steps that have ended."""
    steps: int
    doing: str
    """The step that runs, or what it last said."""


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance: that of DAGSTER_HOME when it is set, else the one at home."""
    folder = Path(os.environ.get("DAGSTER_HOME") or settings.dagster_home)
    os.environ["DAGSTER_HOME"] = str(folder)
    folder.mkdir(parents=True, exist_ok=True)
    if folder == settings.dagster_home or not (folder / "dagster.yaml").exists():
        shutil.copyfile(PROJECT_DIR / "dagster.yaml", folder / "dagster.yaml")
    # Two processes that make the same SQLite files at once would trip over each other.
    with FileLock(folder / ".making"):
        instance = dg.DagsterInstance.get()
        instance.all_asset_keys()  # makes the last of the files, which would be made at first use
    return instance


def end_dead_runs(instance: dg.DagsterInstance) -> None:
    """Fail the runs of `predictit build` on this machine whose process is no more.

    Nobody else would: they would be in progress for ever, and others would wait for them.
    """
    running = dg.RunsFilter(statuses=UNENDED, tags={HOST_TAG: gethostname()})
    for run in instance.get_runs(running):
        try:
            os.kill(int(run.tags[PROCESS_TAG]), 0)
        except ProcessLookupError:
            instance.report_run_failed(run, "its process was killed; build its days once more")
        except PermissionError:  # somebody else's process, so there is one
            continue


def run_build(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    window: DayRange,
    tell: Callable[[Progress], None],
) -> list[str]:
    """Build a window of days, all of them in one run. Never asks the API.

    Returns what the checks warn about, a sentence each. Raises BuildFailed, and KeyboardInterrupt
    when the run was interrupted.
    """
    end_dead_runs(instance)
    job = definitions.resolve_job_def(BUILD_JOB)
    run_id = str(uuid.uuid4())
    steps = len(job.nodes)
    done = 0

    def listen(entry: dg.EventLogEntry) -> None:
        nonlocal done
        event = entry.dagster_event
        if event is None:
            if entry.user_message.endswith(" days"):  # what `days_of` says of a long window
                tell(Progress(done, steps, f"{entry.step_key}: {entry.user_message}"))
        elif event.event_type is dg.DagsterEventType.STEP_START:
            tell(Progress(done, steps, str(entry.step_key)))
        elif event.is_step_success or event.is_step_failure or event.is_step_skipped:
            done += 1

    instance.add_event_listener(run_id, listen)
    landing = {
        node.name: {"config": {"held_only": True}}
        for node in job.nodes
        if node.name.startswith("landing_")
    }
    with _interrupted() as interrupted:
        result = job.execute_in_process(
            instance=instance,
            run_id=run_id,
            tags=window_tags(window) | {HOST_TAG: gethostname(), PROCESS_TAG: str(os.getpid())},
            run_config={
                "ops": landing,
                "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            },
            raise_on_error=False,
        )
        if interrupted():
            raise KeyboardInterrupt
    if not result.success:
        found = {day for day in bad_days(result.all_events) if day in window}
        raise BuildFailed(f"the run {run_id} over {window} failed: {why(result.all_events)}", found)
    return [
        f"{check.asset_key.to_user_string()}: {check.description}"
        for check in result.get_asset_check_evaluations()
        if not check.passed
    ]


@contextmanager
def _interrupted() -> Iterator[Callable[[], bool]]:
    """Tells whether Ctrl-C was pressed: Dagster, dbt and DuckDB make errors of their own of that.

    Only in the main thread.
    """
    signals, wakeup = socketpair()
    with signals, wakeup:
        signals.setblocking(False)
        wakeup.setblocking(False)
        before = signal.set_wakeup_fd(wakeup.fileno())

        def interrupted() -> bool:
            try:
                return bool(ENDING & set(signals.recv(MAX_SIGNALS)))
            except BlockingIOError:  # no signal came
                return False

        try:
            yield interrupted
        finally:
            signal.set_wakeup_fd(before)
