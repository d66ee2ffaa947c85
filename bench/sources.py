"""Every source at 1, 10 and 100 times its day: how the cost of a row moves.

Three ways to grow: more days in one run; more payloads in one day, where an API is polled; more
records in each payload. The commands are the real ones, from landing to the report.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rich.table import Table

from bench.grown import POLLS_A_DAY, Grown, days_of, landed_rows, larger, turned_on
from bench.inputs import fresh_copy
from bench.measure import Measure, Taken
from bench.refresh import PREDICTIT
from bench.sampling import Side, median
from predictit_assets.contract.arrival import Polled
from predictit_assets.contract.rejected import REJECTED
from predictit_assets.sample.fakes import names
from predictit_assets.sources import SOURCES

TIMES, QUICK_TIMES = (10, 100), (2,)
A_DAY, QUICK_A_DAY = 1_000, 10
"""Rows that a day has at least: the records of a fake's own day are repeated until it has them."""
ONE, DAYS, PAYLOADS, RECORDS = "a day", "days", "payloads", "records"


@dataclass(frozen=True)
class Growth:
    """A home of some size, and what it is larger by."""

    axis: str
    times: int
    built: Grown
    """Where it is built; its rows are counted there."""


@dataclass(frozen=True, kw_only=True)
class Sized(Measure):
    """The build of such a home."""

    growth: Growth


def ordinary(source: str, out: Path, quick: bool) -> tuple[Grown, int]:
    """The fake's own day, and how often its records are repeated in what is called a day."""
    own = days_of(source, out, 1)
    return own, max(1, math.ceil((QUICK_A_DAY if quick else A_DAY) / max(1, landed_rows(own))))


def _homes(source: str, out: Path, quick: bool) -> Iterator[tuple[str, int, Callable[[], Grown]]]:
    _, on = turned_on(out, source)
    polled = any(isinstance(way, Polled) for one in on.source.datasets for way in one.arrivals)
    own, many = ordinary(source, out, quick)
    times = QUICK_TIMES if quick else TIMES
    yield ONE, 1, partial(larger, own, many)
    for n in times:
        yield RECORDS, n, partial(larger, own, many * n)
    for n in times if polled else ():
        yield PAYLOADS, n, partial(days_of, source, out, 1, POLLS_A_DAY * n)
    # Of the fake's own size: a row more says what a day costs.
    for n in times:
        yield DAYS, n, partial(days_of, source, out, n)


def measures(
    quick: bool, out: Path, chosen: Sequence[str] = (), ways: Sequence[str] = ()
) -> list[Measure]:
    """The builds of all sources that have a fake; of some, and some ways to grow, where said."""
    taken: list[Measure] = []
    # In the order in which they are built; a fake without a source is nothing.
    for source in [one for one in SOURCES if one in names() and (not chosen or one in chosen)]:
        for axis, times, make in _homes(source, out / "sources", quick):
            if ways and axis not in (ONE, *ways):
                continue
            home = make()
            built = Grown(source, out / "sources-built" / home.folder.name, home.first, home.last)

            def fresh(home: Grown = home, built: Grown = built) -> None:
                fresh_copy(home.folder, built.folder)

            command = [PREDICTIT, "build", source, *home.window]
            side = Side("ours", command, fresh, built.environment)
            growth = Growth(axis, times, built)
            taken.append(Sized(f"{source}, {axis} x {times}", side, growth=growth))
    return taken


def table(taken: Sequence[Taken]) -> Table | None:
    """The cost of a row by source and way to grow; None when no source was measured.

    `us a row more` is what a row costs beyond those of the size before: without what every build
    costs, however little it holds. Its ratio is to the same number one size before.
    """
    sized = [one for one in taken if isinstance(one.measure, Sized)]
    if not sized:
        return None
    shown = Table(title="What a row costs, as a day grows", title_justify="left")
    shown.add_column("source")
    shown.add_column("larger by")
    for heading in ("times", "rows", "rejected", "seconds", "CPU", "MB"):
        shown.add_column(heading, justify="right")
    for heading in ("us of CPU a row", "ratio", "us a row more", "ratio"):
        shown.add_column(heading, justify="right")
    costs = [_cost(one) for one in sized]
    day = costs[0]
    for n, cost in enumerate(costs):
        if cost.growth.axis == ONE:
            day = cost
            shown.add_section()
        same = [one for one in costs[:n] if cost.is_larger_than(one)]
        # A single day is of another size than the days of a fake.
        starts = [] if cost.growth.axis == DAYS else [day]
        before = (starts + same)[-1] if cost is not day and starts + same else None
        before_that = (starts + same)[-2] if len(starts + same) > 1 else None
        shown.add_row(
            cost.growth.built.source,
            cost.growth.axis,
            str(cost.growth.times),
            f"{cost.rows:,}",
            f"{cost.rejected:,}",
            f"{cost.wall:.1f}",
            f"{cost.cpu:.1f}",
            f"{cost.peak_mb:.0f}",
            f"{cost.a_row():,.0f}",
            f"{cost.a_row() / before.a_row():.3f} x" if before else "",
            f"{cost.a_row(before):,.0f}" if before else "",
            f"{cost.a_row(before) / before.a_row(before_that):.2f} x"
            if before and before_that
            else "",
        )
    return shown


@dataclass(frozen=True)
class _Cost:
    """What a build took."""

    growth: Growth
    rows: int
    rejected: int
    wall: float
    cpu: float
    peak_mb: float

    def is_larger_than(self, other: "_Cost") -> bool:
        """Whether the same source has grown in the same way."""
        return (self.growth.built.source, self.growth.axis) == (
            other.growth.built.source,
            other.growth.axis,
        )

    def a_row(self, before: "_Cost | None" = None) -> float:
        """Microseconds of CPU a row, or of each row beyond those of a smaller size."""
        rows, cpu = (before.rows, before.cpu) if before else (0, 0.0)
        return (self.cpu - cpu) / max(1, self.rows - rows) * 1e6


def _cost(one: Taken) -> _Cost:
    assert isinstance(one.measure, Sized)  # noqa: S101
    samples = one.samples[one.measure.ours.name]
    counted = one.measure.growth.built.rows()
    rejected = sum(rows for name, rows in counted.items() if name.startswith(REJECTED))
    return _Cost(
        one.measure.growth,
        sum(counted.values()) - rejected,
        rejected,
        median([sample.wall for sample in samples]),
        median([sample.cpu for sample in samples]),
        max(sample.peak_mb for sample in samples),
    )
