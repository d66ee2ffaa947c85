"""Many days in one run: time, memory, and how many statements the warehouse gets."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.inputs import Sizes, first_day, fresh_copy, land_days, settings_of
from bench.measure import Fact, Measure
from bench.refresh import PREDICTIT
from bench.sampling import Sample, Side, child
from predictit_assets.contract.calendar import DayRange
from predictit_assets.storage.duckdb import DuckDBWarehouse

FEW = 3
"""Days of the smallest range, whose statements are counted."""


class _Counting:
    """A DuckDB connection that counts what it is told."""

    def __init__(self, connection: Any, counts: Counter[str]) -> None:
        self._connection = connection
        self._counts = counts

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, *told: Any) -> Any:
        self._counts["layers"] += 1
        return self._connection.execute(*told)


def counted(folder: str, days: str) -> Callable[[], dict[str, int]]:
    """A build of so many days with the statements of the layers and of dbt counted."""
    from dbt.adapters.duckdb.connections import DuckDBConnectionManager as Dbt

    from predictit_assets.build import build_job_name
    from predictit_assets.instance.loading import load_definitions
    from predictit_assets.instance.runs import open_instance, run_build

    counts: Counter[str] = Counter()
    connect, add_query = DuckDBWarehouse.connect, Dbt.add_query

    @contextmanager
    def counting(warehouse: DuckDBWarehouse, *told: Any, **named: Any) -> Iterator[Any]:
        with connect(warehouse, *told, **named) as connection:
            yield _Counting(connection, counts)

    def add_counted(manager: Any, *told: Any, **named: Any) -> Any:
        counts["dbt"] += 1
        return add_query(manager, *told, **named)

    DuckDBWarehouse.connect, Dbt.add_query = counting, add_counted  # type: ignore[method-assign,assignment]
    settings = settings_of(Path(folder))
    window = DayRange(first_day(), first_day() + timedelta(days=int(days) - 1))

    def work() -> dict[str, int]:
        run_build(
            load_definitions(settings),
            open_instance(settings),
            build_job_name("predictit"),
            window,
            lambda _: None,
        )
        return dict(counts)

    return work


def measures(sizes: Sizes, out: Path) -> list[Measure]:
    """The measures: a few days, a tenth of the range, and all of it."""
    taken: list[Measure] = []
    home = out / "range"
    for days in dict.fromkeys([FEW, max(FEW, sizes.range_days // 10), sizes.range_days]):
        name = f"range-{days}-{sizes.range_polls}-{sizes.contracts}"
        landed = land_days(sizes, out / name, days, sizes.range_polls)

        def fresh(landed: Path = landed) -> None:
            fresh_copy(landed, home)

        def statements(samples: Sequence[Sample]) -> list[Fact]:
            told = samples[0].told
            return [
                Fact("  statements of the layers", str(told["layers"]), "constant"),
                Fact("  statements of dbt", str(told["dbt"]), "constant"),
            ]

        if days < sizes.range_days or days == FEW:
            side = Side("ours", child(counted, home, days), fresh)
            taken.append(Measure(f"statements of {days} days", side, facts=statements))
        side = Side("ours", [PREDICTIT, "build"], fresh, {"PREDICTIT_HOME": str(home)})
        limit = ["300 s, 1,000 MB"] if days == sizes.range_days else []
        taken.append(
            Measure(f"{days} days of {sizes.range_polls} polls, one run", side, at_most=limit)
        )
    # As real archives are: whoever polled went away now and then.
    days, stretches = sizes.range_days - 1, sizes.stretches
    name = f"range-{days}-{sizes.range_polls}-{sizes.contracts}-in-{stretches}"
    landed = land_days(sizes, out / name, days, sizes.range_polls, stretches)
    side = Side(
        "ours",
        [PREDICTIT, "build"],
        lambda: fresh_copy(landed, home),
        {"PREDICTIT_HOME": str(home)},
    )
    whole = f"{days} days of {sizes.range_polls} polls in {stretches} stretches, one run"
    return [*taken, Measure(whole, side, at_most=["300 s, 1,000 MB"])]
