"""The laws of docs/laws.md when processes are killed, work at once, or hold the warehouse."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from conftest import materialize, steps_begun
from story import (
    DAILY,
    POLLS_A_DAY,
    SPRING,
    Tables,
    build_unchecked,
    by_day,
    cause,
    contents,
    copied,
    differences,
    held,
    identities,
    land,
    lines,
    payloads_of,
    plain,
    settings_of,
)

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.instance import failures
from predictit_assets.settings import Settings
from predictit_assets.storage.payloads import Zone


def predictit(settings: Settings, *command: str, **environment: str) -> subprocess.Popen[str]:
    """A real `predictit` process, leader of a process group of its own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "DAGSTER_HOME" and not name.startswith("PREDICTIT_")
    }
    return subprocess.Popen(
        [Path(sys.executable).with_name("predictit"), *command],
        env=inherited
        | {"PREDICTIT_HOME": str(settings.home), "PREDICTIT_POLL_INTERVAL": "0"}
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def storing(settings: Settings, started: float) -> bool:
    """Whether a build has moved the first late payload on."""
    raw = payloads_of(settings).held(Zone.RAW, SPRING.first)
    return len(raw) > POLLS_A_DAY // 2


def staging(settings: Settings, started: float) -> bool:
    """Whether a build has written to the warehouse."""
    return settings.duckdb_file.stat().st_mtime > started


def modelling(settings: Settings, started: float) -> bool:
    """Whether a build has come to dbt."""
    return "core_predictit" in steps_begun(settings.home, started)


def build_for_real(settings: Settings, window: DayRange) -> None:
    assert predictit(settings, "build").wait() == 0


@pytest.mark.parametrize(
    ("has_begun", "longest_wait", "finish"),
    [
        (storing, 1.0, build_unchecked),
        (staging, 0.5, build_unchecked),
        (modelling, 1.0, build_for_real),
    ],
)
def test_a_killed_build_leaves_each_day_as_it_was_or_as_it_should_be(
    half_told: Settings,
    spring: list[Payload],
    truth: Tables,
    tmp_path: Path,
    has_begun: Callable[[Settings, float], bool],
    longest_wait: float,
    finish: Callable[[Settings, DayRange], None],
) -> None:
    settings = copied(half_told, tmp_path / "home")
    before = contents(settings)

    started = time.time()
    process = predictit(settings, "build")
    while process.poll() is None and not has_begun(settings, started):
        time.sleep(0.01)
    time.sleep(random.Random(has_begun.__name__).uniform(0, longest_wait))  # noqa: S311
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    assert process.returncode == -signal.SIGKILL
    assert set(held(settings)) == set(identities(spring))
    after = contents(settings)
    for name in truth:
        if name in DAILY:
            was, is_now, should_be = map(by_day, (before[name], after[name], truth[name]))
            for day in SPRING.days:
                allowed = (was.get(day), should_be[day])
                assert is_now.get(day) in allowed, f"{name} of {day}"
        else:
            assert plain(after[name]) in (plain(before[name]), plain(truth[name])), name

    finish(settings, SPRING)
    assert differences(settings, truth) == []
    assert held(settings) == identities(spring)


def test_two_builds_at_once_do_not_harm_each_other(
    spring: list[Payload], truth: Tables, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path / "home")
    land(settings, spring)

    processes = [predictit(settings, "build") for _ in range(2)]
    for process in processes:
        _, said = process.communicate()
        if process.returncode != 0:
            assert process.returncode == 1
            assert len(lines(said)) == 1, said

    if all(process.returncode for process in processes):
        build_unchecked(settings, SPRING)
    assert differences(settings, truth) == []
    assert held(settings) == identities(spring)


@pytest.fixture
def holder(copy_of_built: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that has the warehouse open."""
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", code + "input()", copy_of_built.duckdb_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_warehouse_that_another_process_holds_is_one_clear_line(
    copy_of_built: Settings, holder: subprocess.Popen[str]
) -> None:
    commands = [["board"], ["build", "--from", str(SPRING.last), "--to", str(SPRING.last)]]
    processes = [
        predictit(copy_of_built, *command, PREDICTIT_LOCK_TIMEOUT="1") for command in commands
    ]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 1, said
        assert len(lines(said)) == 1, said
        assert lines(said)[0].startswith("error: ")
        assert str(copy_of_built.duckdb_file) in said
        assert f"PID {holder.pid}" in said


def test_dbt_waits_for_a_held_warehouse_no_longer_than_it_may(
    copy_of_built: Settings, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copy_of_built.model_copy(update={"lock_timeout": 1})
    sleep, slept = time.sleep, []

    def short_sleep(seconds: float) -> None:
        slept.append(seconds)
        sleep(min(seconds, 0.3))

    monkeypatch.setattr(time, "sleep", short_sleep)
    monkeypatch.setattr(failures, "RETRIES", 0)
    core = dg.AssetSelection.key_prefixes("core").without_checks()
    result = materialize(settings, core, SPRING)
    assert not result.success
    assert len(lines(cause(result))) == 1
    assert str(settings.duckdb_file) in cause(result)
    assert f"PID {holder.pid}" in cause(result)
    assert sum(slept) < 30


def test_whoever_waits_for_no_lock_still_builds(copy_of_built: Settings) -> None:
    settings = copy_of_built.model_copy(update={"lock_timeout": 0})
    assert materialize(
        settings, dg.AssetSelection.key_prefixes("core").without_checks(), SPRING
    ).success
