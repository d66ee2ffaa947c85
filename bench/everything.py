"""All sources on in one home: a refresh of one and of all, and what Dagster keeps of it."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from bench.grown import days_of, environment_of
from bench.inputs import fresh_copy
from bench.measure import Fact, Measure
from bench.refresh import EMPTY, PREDICTIT
from bench.sampling import Sample, Side, run
from predictit_assets.sample.fakes import names
from predictit_assets.sources import SOURCES

BUILDS_A_DAY = 24


def _instance_mb(home: Path) -> float:
    return (
        sum(file.stat().st_size for file in (home / "dagster").rglob("*") if file.is_file()) / 1e6
    )


def measures(out: Path) -> list[Measure]:
    """The measures: a day of each source that is built, and built again."""
    on = [name for name in SOURCES if name in names()]
    homes = [days_of(name, out / "sources", 1) for name in on]
    built, home = out / "everything-built", out / "everything"
    first, last = min(one.first for one in homes), max(one.last for one in homes)
    window = ["--from", str(first), "--to", str(last)]
    command = [PREDICTIT, "build", *window]
    every = environment_of(home, *on)
    if not built.exists():
        shutil.rmtree(home, ignore_errors=True)
        for one in homes:
            shutil.copytree(one.folder / "objects", home / "objects", dirs_exist_ok=True)
        run(Side("build", command, environment=every))
        home.rename(built)

    def fresh() -> None:
        fresh_copy(built, home)

    def growth(_samples: Sequence[Sample]) -> list[Fact]:
        grown = _instance_mb(home) - _instance_mb(built)
        return [
            Fact(f"  the Dagster instance, {BUILDS_A_DAY} a day", f"{grown * BUILDS_A_DAY:.1f} MB")
        ]

    alone = [PREDICTIT, "build", on[0], *window]
    return [
        Measure(
            f"refresh of a day of one source, {len(on)} on",
            Side("ours", alone, fresh, every),
            [
                Side("the same, one on", alone, fresh, environment_of(home, on[0])),
                Side("empty run and empty dbt build", EMPTY),
            ],
            ["", "2.0 x"],
        ),
        Measure(
            f"refresh of a day of all {len(on)} sources, one command",
            Side("ours", command, fresh, every),
            facts=growth,
        ),
    ]
