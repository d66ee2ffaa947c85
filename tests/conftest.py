"""What the tests share: a home in a temporary folder, and a made-up week of odds."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from predictit_assets import home
from predictit_assets.build import build_definitions
from predictit_assets.runs import run_build
from predictit_assets.sample_feed import SampleServer, World
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit import PredictIt
from predictit_assets.sources.source import Observation
from predictit_assets.storage.payloads import Payloads
from predictit_assets.trading_day import Window

NOON = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
"""A Wednesday noon in New York."""


@pytest.fixture(scope="session")
def world() -> World:
    """A small made-up PredictIt."""
    return World(markets=20, contracts=60)


@pytest.fixture
def feed(world: World) -> Iterator[SampleServer]:
    """The made-up PredictIt behind a real socket, where it is always NOON."""
    with SampleServer(world, clock=lambda: NOON) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of an empty home; polls needn't wait, and nothing waits long for a lock."""
    return Settings(home=tmp_path / "home", poll_interval=0, lock_timeout=20)


@pytest.fixture
def source(settings: Settings) -> PredictIt:
    """PredictIt as a source, silent."""
    return home.predictit(settings, say=lambda text: None)


@pytest.fixture
def payloads(source: PredictIt, settings: Settings) -> Payloads:
    """The payloads of the home."""
    return home.payloads(source, settings)


def observe(world: World, first: datetime, polls: int, every: timedelta) -> list[Observation]:
    """What polling the made-up feed would have given."""
    times = [first + n * every for n in range(polls)]
    return [Observation(at, world.body(at)) for at in times]


def build(settings: Settings, window: Window, instance: dg.DagsterInstance | None = None) -> None:
    """Build a window of days as `predictit build` does."""
    run_build(
        build_definitions(settings),
        instance or dg.DagsterInstance.ephemeral(),
        window,
        tell=lambda progress: None,
    )
