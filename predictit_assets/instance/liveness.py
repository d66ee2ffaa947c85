"""Runs whose process is gone: somebody has to end them, or others wait for them for ever.

Dagster looks after the runs that a launcher starts elsewhere. It does not after those of
`predictit build`, nor after those of a code server that died with its machine.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import cast

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher.default_run_launcher import DefaultRunLauncher
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value
from filelock import FileLock, Timeout

from predictit_assets.instance.location import LOCATION, is_own
from predictit_assets.instance.names import HIDDEN_TAG_PREFIX, NO_RETRY, SERVER_TAG

BUILD_TAG = f"{HIDDEN_TAG_PREFIX}predictit_build"
"""On a run of `predictit build`: its own id. Whoever repeats the run bears that of the first."""
SEEN_TAG = f"{HIDDEN_TAG_PREFIX}predictit_seen"
"""When the process of such a run was last alive, for who can't see its lock."""
LOOK = 5.0
"""Seconds between two looks of such a process at what the UI asks of its run."""
LOOKS_A_BEAT = 12
"""After so many looks it says that it is alive."""
SILENCE = timedelta(minutes=10)
"""After which a process that nobody here can see counts as gone."""
UNFINISHED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED]
CANCELED = {dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED}


def is_of_the_terminal(run: dg.DagsterRun) -> bool:
    """Whether a run is one of `predictit build`, and no repetition of such a run."""
    return run.tags.get(BUILD_TAG) == run.run_id


@contextmanager
def marked_alive(instance: dg.DagsterInstance, run_id: str) -> Iterator[None]:
    """To be entered before a run is made: its process lives until it is left, or killed.

    The system lets go of the lock of a process that is killed, however that happens. Whoever
    cancels the run in the UI interrupts this process.
    """
    file = _lock_file(instance, run_id)
    file.parent.mkdir(parents=True, exist_ok=True)
    over = threading.Event()

    def beat() -> None:
        for n in count(1):
            if over.wait(LOOK):
                return
            with suppress(Exception):  # the database is busy: the next look is soon
                run = instance.get_run_by_id(run_id)
                if run and run.status in CANCELED:
                    os.kill(os.getpid(), signal.SIGINT)
                    return
                if run and n % LOOKS_A_BEAT == 0:
                    instance.add_run_tags(run_id, {SEEN_TAG: str(datetime.now(UTC))})

    with FileLock(file):
        beats = threading.Thread(target=beat, daemon=True)
        beats.start()
        try:
            yield
        finally:
            over.set()
            beats.join()
            file.unlink(missing_ok=True)


def end_dead_runs(
    instance: dg.DagsterInstance, location: str = LOCATION, *, repeat: bool
) -> list[str]:
    """Fail the runs of a code location whose process is gone; returns their ids.

    With `repeat` Dagster begins them again, as often as its settings say.
    """
    ended = []
    for record in instance.get_run_records(dg.RunsFilter(statuses=UNFINISHED)):
        run = record.dagster_run
        if not is_own(run, location):
            continue
        if not (_build_is_dead(instance, record) or _server_lost(instance, run)):
            continue
        # It may have come to its end meanwhile.
        now = instance.get_run_by_id(run.run_id)
        if now is None or now.status not in UNFINISHED:
            continue
        if not repeat:
            instance.add_run_tags(run.run_id, NO_RETRY)
        instance.report_run_failed(now, "its process was killed; build its days once more")
        ended.append(run.run_id)
    return ended


def _lock_file(instance: dg.DagsterInstance, run_id: str) -> Path:
    """Beside the instance: what shares its files shares its locks."""
    return Path(instance.root_directory) / "builds" / run_id


def _build_is_dead(instance: dg.DagsterInstance, record: dg.RunRecord) -> bool:
    run = record.dagster_run
    if not is_of_the_terminal(run):
        return False
    file = _lock_file(instance, run.run_id)
    if not file.exists():  # it runs on another machine
        seen = record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)
        return datetime.now(UTC) - seen > SILENCE
    try:
        with FileLock(file, timeout=0):
            file.unlink(missing_ok=True)
    except Timeout:
        return False
    return True


def _server_lost(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Whether the code server that began a run no longer executes it."""
    launcher = instance.run_launcher
    if (
        run.status is not dg.DagsterRunStatus.STARTED
        or SERVER_TAG not in run.tags
        or not isinstance(launcher, DefaultRunLauncher)
    ):
        return False
    client = launcher._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
    if client is None:  # it is over
        return False
    try:
        answer = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), LOOK)
    except DagsterUserCodeUnreachableError:
        # On this machine it is gone; elsewhere it may come back.
        return client.host in ("localhost", "127.0.0.1", None)
    return not cast(CanCancelExecutionResult, deserialize_value(answer)).can_cancel
