"""What the tests share: a home in a temporary folder, and a made-up week of odds."""

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import boto3
import dagster as dg
import pytest
from dbt_common.behavior_flags import BehaviorFlagRendered
from s3_server import s3_server

from predictit_assets import factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.checks.model_schema import ModelSchema, model_schemas
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.contract.source import Dataset
from predictit_assets.instance.partitions import window_tags
from predictit_assets.instance.runs import run_build
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, Enabled, load
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.settings import PredictItSettings
from predictit_assets.storage.objects import Bucket
from predictit_assets.storage.payloads import PayloadStore
from predictit_assets.storage.stream import Stream

# What the developer's own shell says of the house is nothing to the tests.
for variable in [name for name in os.environ if name.startswith("PREDICTIT_")]:
    del os.environ[variable]
# Polls of made-up APIs needn't wait; what tests of the pace want, they say.
os.environ["PREDICTIT_POLL_INTERVAL"] = "0"
# Partitions begin before any day of the tests, not with the first of a test's home. Dagster goes
# through all of them many times in a run: eight years more would be a tenth of the tests' time.
for name in SOURCES:
    own = load(name).settings
    if own.model_fields["start"].default < date(2022, 1, 1):
        os.environ[f"{own.model_config.get('env_prefix', '')}START"] = "2022-01-01"

pytest_plugins = ("story", "postgres_server")
"""Whose fixtures every test may use."""

PREDICTIT = load("predictit")
FEED = PREDICTIT.dataset("market_data")
CLOSED = PREDICTIT.dataset("closed_markets")

NOON = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)
"""A Wednesday noon in New York."""

TIMED = dg.AssetSelection.checks(
    dg.AssetCheckKey(dg.AssetKey(["landing", "predictit", "market_data"]), "fresh"),
    dg.AssetCheckKey(dg.AssetKey(["core", "predictit", "fact_prices"]), "fresh"),
    dg.AssetCheckKey(dg.AssetKey(["core", "predictit", "fact_prices"]), "completeness"),
)
"""Checks that the clock fails, of days long ago: `predictit build` leaves them out too."""


@pytest.fixture(scope="session", autouse=True)
def flags_of_dbt() -> Iterator[None]:
    """dbt looks at the whole stack to say which module a flag is of, and pytest's is deep.

    That would be a twelfth of the tests' time, and nothing reads the answer.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(BehaviorFlagRendered, "_default_source", staticmethod(lambda: "dbt"))
        yield


@pytest.fixture(scope="session")
def world() -> FakePredictIt:
    """A small made-up PredictIt."""
    return FakePredictIt(markets=20, contracts=60)


@pytest.fixture
def feed(world: FakePredictIt) -> Iterator[SampleServer]:
    """The made-up PredictIt behind a real socket, where it is always NOON."""
    with SampleServer(world, clock=lambda: NOON) as server:
        yield server


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """The settings of an empty home, in which nothing waits long for a lock."""
    return Settings(home=tmp_path / "home", lock_timeout=20)


def predictit(**values: Any) -> Enabled:
    """PredictIt, on, as these settings of its own say; the rest is as the environment says."""
    return Enabled(PREDICTIT, PredictItSettings(**values))


def stream_of(settings: Settings, dataset: Dataset = FEED, **values: Any) -> Stream:
    """A dataset of PredictIt with its payloads in a home."""
    return factory.stream(settings, predictit(**values), dataset)


@pytest.fixture
def stream(settings: Settings) -> Stream:
    """The feed of open markets and its payloads in the home."""
    return stream_of(settings)


@pytest.fixture
def payloads(stream: Stream) -> PayloadStore:
    """The payloads of the feed in the home."""
    return stream.payloads


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of a real S3 server on loopback; the environment holds credentials for it."""
    with pytest.MonkeyPatch.context() as patch, s3_server() as address:
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN"):
            patch.delenv(name, raising=False)
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIDTESTING")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "no-secret-but-it-must-not-be-told")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield address


@pytest.fixture(scope="session")
def new_bucket(s3: str) -> Callable[[], Bucket]:
    """Makes an empty bucket at each call."""
    numbers = count()

    def make() -> Bucket:
        name = f"odds-{next(numbers)}"
        boto3.client("s3", endpoint_url=s3).create_bucket(Bucket=name)
        return Bucket(name, "us-east-1", s3)

    return make


@pytest.fixture
def bucket(new_bucket: Callable[[], Bucket]) -> Bucket:
    """An empty bucket."""
    return new_bucket()


@pytest.fixture(params=["folder", "s3"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Path | Bucket]:
    """Makes an empty place for objects at each call: what holds of a folder holds on S3."""
    if request.param == "s3":
        make: Callable[[], Bucket] = request.getfixturevalue("new_bucket")
        return make
    numbers = count()
    return lambda: tmp_path / "places" / str(next(numbers))


@pytest.fixture
def place(new_place: Callable[[], Path | Bucket]) -> Path | Bucket:
    """An empty place for objects."""
    return new_place()


def observe(world: FakePredictIt, first: datetime, polls: int, every: timedelta) -> list[Payload]:
    """What polling the made-up feed would have given."""
    times = [first + n * every for n in range(polls)]
    return [Payload(EASTERN.day_of(at), at, world.body(at)) for at in times]


def build(settings: Settings, window: DayRange, instance: dg.DagsterInstance | None = None) -> None:
    """Build a window of days as `predictit build` does."""
    run_build(
        build_definitions(settings),
        instance or dg.DagsterInstance.ephemeral(),
        build_job_name("predictit"),
        window,
        notify=lambda progress: None,
    )


def materialize(
    settings: Settings, selection: dg.AssetSelection, window: DayRange, **landing: bool
) -> dg.ExecuteInProcessResult:
    """Part of the graph over a window; `landing` is the configuration of its landing assets."""
    definitions = dg.Definitions.merge(
        build_definitions(settings),
        dg.Definitions(jobs=[dg.define_asset_job("part", selection=selection - TIMED)]),
    )
    job = definitions.resolve_job_def("part")
    config: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    if landing:
        names = [node.name for node in job.nodes if node.name.startswith("landing_")]
        config["ops"] = {name: {"config": landing} for name in names}
    return job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        tags=window_tags(window),
        run_config=config,
        raise_on_error=False,
    )


def published(settings: Settings, *sources: str) -> dict[tuple[str, str], ModelSchema]:
    """What dbt builds of these sources, or of those that are on, by schema and table."""
    models = model_schemas(factory.dbt(settings).manifest()).values()
    on = sources or settings.sources
    return {(model.layer, model.table): model for model in models if model.source in on}


STEPS_BEGUN = "select step_key from event_logs where dagster_event_type = 'STEP_START'"


def steps_begun(home: Path, since: float) -> set[str]:
    """The steps of the runs that have told of something since a time of the system's clock."""
    begun = set()
    for file in home.glob("dagster/history/runs/*-*.db"):
        if file.stat().st_mtime > since:
            # At first there is a file without tables.
            with closing(sqlite3.connect(file)) as log, suppress(sqlite3.OperationalError):
                begun |= {step for (step,) in log.execute(STEPS_BEGUN)}
    return begun
