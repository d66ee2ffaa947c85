"""A run whose process is gone is ended, and no other is."""

import signal
import time
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import time_machine
from dagster._core.storage import tags

from predictit_assets.instance import liveness
from predictit_assets.instance.liveness import BUILD_TAG, SILENCE, end_dead_runs, marked_alive
from predictit_assets.instance.location import LOCATION, job_origin
from predictit_assets.instance.names import LOCATION_TAG, NO_RETRY, SERVER_TAG
from predictit_assets.settings import PROJECT_DIR

FAILED = dg.DagsterRunStatus.FAILURE
STARTED = dg.DagsterRunStatus.STARTED


@dg.job
def nothing() -> None: ...


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    retries = {
        "run_retries": {"enabled": True, "max_retries": 2, "retry_on_asset_or_op_failure": False}
    }
    overrides = {"telemetry": {"enabled": False}, **retries}
    with dg.instance_for_test(temp_dir=str(tmp_path), overrides=overrides) as instance:
        yield instance


def started(
    instance: dg.DagsterInstance, run_id: str, build: str = "", **more: str
) -> dg.DagsterRun:
    """A run in progress, of `predictit build` where it says so."""
    return instance.create_run_for_job(
        nothing,
        run_id=run_id,
        status=STARTED,
        tags={**({BUILD_TAG: build} if build else {}), **more},
        remote_job_origin=job_origin("nothing"),
    )


def statuses(instance: dg.DagsterInstance) -> dict[str, dg.DagsterRunStatus]:
    return {run.run_id: run.status for run in instance.get_runs()}


ONE, TWO, THREE = (f"{n}0000000-0000-0000-0000-000000000000" for n in (1, 2, 3))


def test_the_code_location_has_one_name() -> None:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert project["code_location_name"] == LOCATION
    assert f"location_name: {LOCATION}\n" in (PROJECT_DIR / "deploy/workspace.yaml").read_text()


def test_the_tags_are_those_of_dagster() -> None:
    assert tags.CODE_LOCATION_TAG == LOCATION_TAG
    assert tags.GRPC_INFO_TAG == SERVER_TAG
    assert {tags.MAX_RETRIES_TAG: "0"} == NO_RETRY


@pytest.mark.parametrize("repeat", [True, False])
def test_a_build_whose_lock_nobody_holds_is_ended(
    instance: dg.DagsterInstance, repeat: bool
) -> None:
    """Whatever its number was, and whichever process bears it now."""
    file = liveness._lock_file(instance, ONE)
    file.parent.mkdir()
    file.touch()  # as the killed process left it
    started(instance, ONE, build=ONE)
    with marked_alive(instance, TWO):
        started(instance, TWO, build=TWO)
        assert end_dead_runs(instance, repeat=repeat) == [ONE]
        assert statuses(instance) == {ONE: FAILED, TWO: STARTED}
    assert list(file.parent.iterdir()) == []
    ended = instance.get_run_by_id(ONE)
    assert ended
    assert ended.tags["dagster/will_retry"] == ("true" if repeat else "false")


def test_a_build_on_another_machine_is_ended_when_it_is_silent_for_long(
    instance: dg.DagsterInstance,
) -> None:
    started(instance, ONE, build=ONE)
    assert end_dead_runs(instance, repeat=True) == []
    with time_machine.travel(datetime.now(UTC) + SILENCE + timedelta(minutes=1)):
        assert end_dead_runs(instance, repeat=True) == [ONE]


def test_a_build_says_now_and_then_that_it_is_alive(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "LOOK", 0.01)
    monkeypatch.setattr(liveness, "LOOKS_A_BEAT", 1)
    with marked_alive(instance, ONE):
        started(instance, ONE, build=ONE)
        while not _seen(instance):
            time.sleep(0.01)


def _seen(instance: dg.DagsterInstance) -> str | None:
    run = instance.get_run_by_id(ONE)
    return run.tags.get(liveness.SEEN_TAG) if run else None


def test_a_repetition_of_a_build_and_runs_of_others_are_left_alone(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    started(instance, ONE, build=TWO)
    gone = f'{{"host": "localhost", "socket": "{tmp_path / "gone"}"}}'
    others = {LOCATION_TAG: "of_others", SERVER_TAG: gone}
    instance.create_run_for_job(nothing, run_id=TWO, status=STARTED, tags=others)
    instance.create_run_for_job(nothing, run_id=THREE, status=STARTED)
    with time_machine.travel(datetime.now(UTC) + SILENCE + timedelta(minutes=1)):
        assert end_dead_runs(instance, repeat=True) == []


def test_what_ended_while_it_was_looked_at_stays_as_it_ended(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(instance, ONE, build=ONE)

    def ends(*_: object) -> bool:
        instance.report_run_canceled(run)
        return True

    monkeypatch.setattr(liveness, "_build_is_dead", ends)
    assert end_dead_runs(instance, repeat=True) == []
    assert statuses(instance) == {ONE: dg.DagsterRunStatus.CANCELED}


def test_a_run_of_a_code_server_that_is_gone_is_ended(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """As after a power failure: nothing listens where the server was."""
    place = f'{{"host": "localhost", "socket": "{tmp_path / "gone"}"}}'
    started(instance, ONE, **{SERVER_TAG: place})
    assert end_dead_runs(instance, repeat=True) == [ONE]


def test_a_build_that_is_canceled_in_the_ui_is_interrupted(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "LOOK", 0.01)
    heard = []
    before = signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    with marked_alive(instance, ONE):
        instance.report_run_canceling(started(instance, ONE, build=ONE))
        while not heard:
            time.sleep(0.01)
    signal.signal(signal.SIGINT, before)
