"""A refresh of a day through every layer, beside an empty Dagster run and an empty dbt build."""

import sys
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

from bench.child import cpu_seconds
from bench.inputs import NOON, Sizes, first_day, fresh_copy, land_days, settings_of, stream_of
from bench.inputs import world as made
from bench.measure import Fact, Measure
from bench.sampling import Sample, Side, child, median, run
from predictit_assets.contract.payload import Payload

PREDICTIT = str(Path(sys.executable).with_name("predictit"))
MODELS = {"core", "marts", "live"}
CHECK = "check_"
EMPTY = [sys.executable, "-m", "bench.empty"]


def by_step(folder: str) -> Callable[[], dict[str, float]]:
    """The same build in this process, its CPU by step."""
    from predictit_assets.build import build_job_name
    from predictit_assets.contract.calendar import DayRange
    from predictit_assets.instance.loading import load_definitions
    from predictit_assets.instance.runs import Progress, open_instance, run_build

    settings = settings_of(Path(folder))
    definitions, instance = load_definitions(settings), open_instance(settings)
    begun: list[tuple[str, float]] = []

    def tell(progress: Progress) -> None:
        begun.append((progress.doing, cpu_seconds()))

    def work() -> dict[str, float]:
        window = DayRange(first_day(), first_day())
        run_build(definitions, instance, build_job_name("predictit"), window, tell)
        ends = [*begun[1:], ("end", cpu_seconds())]
        made, checked = Counter[str](), Counter[str]()  # by layer
        for (step, start), (_, end) in zip(begun, ends, strict=True):
            of = step.removeprefix(CHECK)
            (made if of == step else checked)[of.split("_")[0]] += end - start
        return {
            "dbt": sum(made[layer] for layer in MODELS),
            "checks": sum(checked.values()),
            "dear_checks": sum(checked[layer] > made[layer] for layer in checked),
        }

    return work


def measures(sizes: Sizes, out: Path) -> list[Measure]:
    """The measures: a day that is built, one more poll, and the day built again."""
    day = first_day()
    landed = land_days(sizes, out / f"day-{sizes.polls}-{sizes.contracts}", 1, sizes.polls)
    built, home = landed.with_name(landed.name + "-built"), out / "refresh"
    environment = {"PREDICTIT_HOME": str(home), "PREDICTIT_POLL_INTERVAL": "0"}
    command = [PREDICTIT, "build", "--from", str(day), "--to", str(day)]
    if not built.exists():
        fresh_copy(landed, home)
        run(Side("build", command, environment=environment))
        home.rename(built)

    def one_more() -> None:
        fresh_copy(built, home)
        at = NOON + timedelta(hours=11)
        stream_of(home).payloads.land(Payload(day, at, made(sizes).body(at)))

    def shares(samples: Sequence[Sample]) -> list[Fact]:
        cpu = median([one.cpu for one in samples])
        dbt, checks = (median([one.told[name] for one in samples]) for name in ("dbt", "checks"))
        dear = max(one.told["dear_checks"] for one in samples)
        return [
            Fact("  of its CPU: dbt", f"{dbt / cpu:.0%}"),
            Fact("  of its CPU: checks", f"{checks / cpu:.0%}"),
            Fact("  layers whose checks cost more than their making", f"{dear:.0f}"),
        ]

    return [
        Measure(
            "refresh of the day, one command",
            Side("ours", command, one_more, environment),
            [Side("empty run and empty dbt build", EMPTY)],
            ["2.0 x"],
        ),
        Measure("the same, by step", Side("ours", child(by_step, home), one_more), facts=shares),
    ]
