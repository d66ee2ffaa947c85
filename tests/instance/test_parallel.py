"""Work by the day: its progress is reported as data, and it uses what the machine has room for."""

from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from predictit_assets.contract.calendar import UTC_CALENDAR, DayRange
from predictit_assets.instance import parallel
from predictit_assets.instance.parallel import days_of, each_day, worker_count
from predictit_assets.instance.partitions import daily_partitions
from predictit_assets.instance.runs import Progress, run_build

FIRST = date(2026, 3, 1)


def doubled(day: date) -> int:
    """At the top of a module: other processes import it."""
    return 2 * day.day


def notified(days: DayRange, instance: dg.DagsterInstance) -> list[Progress]:
    """What a run over these days says of its progress."""

    @dg.asset(
        key=["curated", "predictit", "odds"],
        partitions_def=daily_partitions(UTC_CALENDAR, FIRST),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )
    def odds(context: dg.AssetExecutionContext) -> None:
        assert list(days_of(days.days, context)) == days.days
        context.log.info("nothing to do with 7 days")

    definitions = dg.Definitions(
        assets=[odds],
        jobs=[dg.define_asset_job("job", partitions_def=daily_partitions(UTC_CALENDAR, FIRST))],
        executor=dg.in_process_executor,
    )
    heard: list[Progress] = []
    run_build(definitions, instance, "job", days, heard.append)
    return heard


def test_the_progress_of_a_range_is_notified_up_to_its_last_day() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        heard = notified(DayRange(FIRST, FIRST + timedelta(days=2)), instance)
        (run,) = instance.get_runs()
        logged = [entry.user_message for entry in instance.all_logs(run.run_id)]
    said = [f"{n} of 3 days, up to 2026-03-0{n}" for n in (1, 2, 3)]
    step = "curated__predictit__odds"
    assert [one.doing for one in heard] == [step, *(f"{step}: {text}" for text in said)]
    assert {one.steps for one in heard} == {1}
    assert [text for text in logged if " of 3 days" in text] == said
    assert parallel._listeners == {}


def test_of_a_long_range_only_milestones_are_notified() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        heard = notified(DayRange(FIRST, FIRST + timedelta(days=109)), instance)
        assert len(heard) <= parallel.MILESTONES + 4
        assert "110 of 110 days" in heard[-1].doing
        assert len(notified(DayRange(FIRST, FIRST), instance)) == 1, "a day says no progress"


@pytest.mark.parametrize("amount", [1, parallel.PARALLEL_FROM])
def test_each_day_comes_in_order_from_this_process_or_from_others(amount: int) -> None:
    window = DayRange(FIRST, FIRST + timedelta(days=4))
    got = []

    @dg.asset
    def odds(context: dg.AssetExecutionContext) -> None:
        got.extend(each_day(doubled, window.days, context, amount, workers=2))

    assert dg.materialize([odds], instance=dg.DagsterInstance.ephemeral()).success
    assert got == [(day, doubled(day)) for day in window.days]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of eight cores and 64 GB, whose process is in the control group pod/app."""
    (tmp_path / "groups/pod/app").mkdir(parents=True)
    (tmp_path / "own").write_text("0::/pod/app\n")
    (tmp_path / "meminfo").write_text(
        "MemTotal: 66000000 kB\nMemAvailable:   64000000 kB\nHugePages_Total:       0\n"
    )
    monkeypatch.setattr(parallel, "CGROUPS", tmp_path / "groups")
    monkeypatch.setattr(parallel, "OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(parallel, "MEMORY", tmp_path / "meminfo")
    monkeypatch.setattr("os.sched_getaffinity", lambda _: range(8), raising=False)
    return tmp_path


@pytest.mark.parametrize(
    ("files", "workers"),
    [
        ({}, 8),
        ({"groups/pod/app/cpu.max": "max 100000"}, 8),
        ({"groups/pod/app/cpu.max": "200000 100000"}, 2),
        ({"groups/pod/cpu.max": "250000 100000"}, 3),
        ({"groups/pod/memory.max": "max", "groups/pod/memory.current": "5"}, 8),
        ({"groups/pod/memory.max": "1600000000", "groups/pod/memory.current": "200000000"}, 4),
        ({"groups/pod/memory.max": "300000000", "groups/pod/memory.current": "200000000"}, 1),
        (
            {
                "groups/pod/memory.max": "1600000000",
                "groups/pod/memory.current": "1500000000",
                "groups/pod/memory.stat": "anon 200000000\ninactive_file 1300000000",
            },
            4,
        ),
        ({"meminfo": "MemAvailable: 1000000 kB"}, 3),
        ({"own": "12:cpu:/old\n"}, 8),
    ],
    ids=[
        "the cores",
        "no quota",
        "a quota",
        "the quota of a group around it",
        "no limit",
        "a limit of memory",
        "hardly any memory",
        "memory that is full of files",
        "little memory on the machine",
        "control groups of version 1",
    ],
)
def test_there_are_as_many_workers_as_there_is_room_for(
    machine: Path, files: dict[str, str], workers: int
) -> None:
    for name, text in files.items():
        (machine / name).write_text(text)
    assert worker_count() == workers
    assert worker_count(5) == 5, "a setting is obeyed"
