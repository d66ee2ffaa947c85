"""The second law of docs/laws.md: order does not matter, shown by building again and again."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg
import hypothesis
from hypothesis import Phase, example, given
from hypothesis import strategies as st
from story import (
    AUTUMN,
    POLLS_A_DAY,
    SPRING,
    TWINS,
    Tables,
    build_unchecked,
    contents,
    copied,
    differences,
    land,
    objects,
    plain,
    settings_of,
)

from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.calendar import DayRange, consecutive
from predictit_assets.contract.payload import Payload
from predictit_assets.instance.runs import run_build
from predictit_assets.settings import Settings


@dataclass(frozen=True)
class Plan:
    """Builds, by the numbers of their first and last days, and the payloads that come late."""

    builds: Sequence[tuple[int, int]]
    late: frozenset[int]
    """Payloads that land only after the first build of their day."""


DAYS = len(SPRING.days)
PAYLOADS = DAYS * POLLS_A_DAY + len(TWINS)
"""Those of TWINS come last."""


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any sub-ranges in any order, perhaps one twice. A day's first poll is never late."""
    cuts = sorted(draw(st.sets(st.integers(1, DAYS - 1), min_size=1)))
    parts = list(zip([0, *cuts], [cut - 1 for cut in [*cuts, DAYS]], strict=True))
    again = draw(st.lists(st.sampled_from(parts), max_size=1))
    can_be_late = [n for n in range(PAYLOADS) if n not in range(0, PAYLOADS, POLLS_A_DAY)]
    late = draw(st.frozensets(st.sampled_from(can_be_late), max_size=8))
    return Plan(draw(st.permutations(parts + again)), late)


@hypothesis.settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # looking for a smaller example would take minutes
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@given(plans())
@example(Plan(builds=[(3, 3), (2, 2), (1, 1), (0, 0)], late=frozenset({0, 3, 9, 14, 23})))
@example(Plan(builds=[(1, 2), (0, 3), (1, 2)], late=frozenset({2, 4, 8, 12, 20, 24, 25})))
def test_the_order_of_builds_and_payloads_does_not_matter(
    spring: list[Payload], truth: Tables, plan: Plan
) -> None:
    with TemporaryDirectory() as folder:
        settings = settings_of(Path(folder))
        late = [spring[n] for n in sorted(plan.late)]
        land(settings, [one for one in spring if one not in late])
        unbuilt = set()
        for first, last in plan.builds:
            window = DayRange(SPRING.days[first], SPRING.days[last])
            build_unchecked(settings, window)
            unbuilt -= set(window.days)
            landing = [one for one in late if one.day in window]
            land(settings, landing)
            unbuilt |= {one.day for one in landing}
            late = [one for one in late if one not in landing]
        for window in reversed(consecutive(list(unbuilt))):
            build_unchecked(settings, window)
        assert differences(settings, truth) == []


def test_the_real_build_takes_days_in_any_order(
    half_told: Settings, truth: Tables, tmp_path: Path
) -> None:
    """Through `run_build`, with every check: the first half of spring, long after the second."""
    settings = copied(half_told, tmp_path / "home")
    first, second, third, fourth = SPRING.days
    build_unchecked(settings, DayRange(third, fourth))
    built = run_build(
        build_definitions(settings),
        dg.DagsterInstance.ephemeral(),
        build_job_name("predictit"),
        DayRange(first, second),
        notify=lambda progress: None,
    )
    (warning,) = built.warnings
    assert warning.startswith("raw/predictit/market_data: 1 payload was quarantined: ")
    assert differences(settings, truth) == []


def test_building_again_at_another_time_gives_the_same_rows_and_the_same_bytes(
    copy_of_built: Settings, built: Settings
) -> None:
    settings = copy_of_built
    settings.duckdb_file.unlink()
    shutil.rmtree(settings.objects_dir / "curated")
    for window in (SPRING, AUTUMN):
        build_unchecked(settings, window)
    was, found = contents(built), contents(settings)
    assert was.keys() == found.keys()
    for name in was:
        assert plain(found[name]) == plain(was[name]), name
    assert objects(settings) == objects(built)
