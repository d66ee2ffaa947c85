"""One poll beside the network, and the validation of one payload."""

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from bench.grown import environment_of
from bench.inputs import NOON, Sizes, first_day, predictit, settings_of, world
from bench.measure import Fact, Measure
from bench.sampling import Sample, Side, child, median
from predictit_assets import factory
from predictit_assets.automation.poll import poll_sensor
from predictit_assets.contract.arrival import Polled
from predictit_assets.contract.payload import Payload
from predictit_assets.layers.intake import Intake
from predictit_assets.sample.fakes import find_fake, names
from predictit_assets.sample.server import SampleServer
from predictit_assets.sources import SOURCES, Enabled, enabled, load
from predictit_assets.sources.predictit.ask import MARKET_DATA
from predictit_assets.sources.predictit.fake import FakePredictIt

TIMES = 50


def _answer(told: Connection, markets: int, contracts: int) -> None:
    """Be PredictIt, with a new answer for each who asks."""
    minutes = count()
    clock = lambda: NOON + timedelta(minutes=next(minutes))  # noqa: E731
    with SampleServer(FakePredictIt(markets=markets, contracts=contracts), clock=clock) as server:
        told.send(server.url)
        signal.pause()


def _served(markets: str, contracts: str) -> Enabled:
    """A PredictIt in a process that isn't measured and ends with this one."""
    processes = multiprocessing.get_context("spawn")
    ours, theirs = processes.Pipe()
    size = (int(markets), int(contracts))
    processes.Process(target=_answer, args=(theirs, *size), daemon=True).start()
    return predictit(api_url=ours.recv())


def _intake(folder: str, on: Enabled) -> Intake:
    """The feed, into an empty home."""
    return factory.intake(settings_of(Path(folder)), on, on.source.dataset(MARKET_DATA))


def land(markets: str, contracts: str) -> Callable[[], None]:
    """Receive, hash, compress and store some payloads."""
    folder = TemporaryDirectory()
    on = _served(markets, contracts)
    intake = _intake(folder.name, on)
    client = factory.client(settings_of(Path(folder.name)), on, lambda text: None)

    def work() -> None:
        with folder:
            for _ in range(TIMES):
                for _stored in intake.poll(client):
                    pass

    return work


def validate(markets: str, contracts: str) -> Callable[[], None]:
    """Validate some payloads."""
    made = world(Sizes(0, 0, 0, 0, 0, int(contracts), int(markets)))
    times = [NOON + timedelta(minutes=n) for n in range(TIMES)]
    payloads = [Payload(first_day(), at, made.body(at)) for at in times]
    feed = predictit().source.dataset(MARKET_DATA)

    def work() -> None:
        for one in payloads:
            feed.validate(one)

    return work


def tick(markets: str, contracts: str) -> Callable[[], None]:
    """Ticks of the poll sensor, Dagster's record of the event included."""
    folder = TemporaryDirectory()
    settings = settings_of(Path(folder.name))
    on = _served(markets, contracts)
    intake = _intake(folder.name, on)
    sensor = poll_sensor(
        on.name, [intake], lambda: factory.sensor_client(settings, on), {intake.stream.name: []}
    )
    settings.dagster_home.mkdir(parents=True)

    def work() -> None:
        with folder, dg.DagsterInstance.local_temp(str(settings.dagster_home)) as instance:
            for _ in range(TIMES):
                with dg.build_sensor_context(instance=instance) as context:
                    result = sensor(context)
                for event in result.asset_events:  # type: ignore[union-attr]
                    instance.report_runless_asset_event(event)

    return work


def _answer_as(told: Connection, source: str) -> None:
    """Be the API of a source, five minutes later for each who asks."""
    start = datetime.now(UTC) - timedelta(days=2)
    steps = count()
    clock = lambda: start + timedelta(minutes=5 * next(steps))  # noqa: E731
    with SampleServer(find_fake(source), clock=clock) as server:
        told.send(server.url)
        signal.pause()


def land_any(source: str) -> Callable[[], dict[str, int]]:
    """Polls of a source, as its fake answers."""
    folder = TemporaryDirectory()
    processes = multiprocessing.get_context("spawn")
    mine, theirs = processes.Pipe()
    processes.Process(target=_answer_as, args=(theirs, source), daemon=True).start()
    os.environ.update(environment_of(Path(folder.name), source, url=mine.recv()))
    (on,) = enabled([source])
    # Nobody waits: what a poll costs is measured, not how often it may be made.
    on = replace(on, source=on.source._replace(rate_limit=None))
    settings = settings_of(Path(folder.name))
    intakes = [
        factory.intake(settings, on, one)
        for one in on.source.datasets
        if any(isinstance(way, Polled) for way in one.arrivals)
    ]
    client = factory.client(settings, on, lambda text: None)

    def work() -> dict[str, int]:
        landed = 0
        with folder:
            for _ in range(TIMES):
                landed += sum(1 for intake in intakes for _stored in intake.poll(client))
        return {"landed": landed}

    return work


def polled() -> list[str]:
    """The sources that are polled and have a fake."""
    return [
        name
        for name in SOURCES
        if name in names()
        for one in load(name).datasets
        if any(isinstance(way, Polled) for way in one.arrivals)
    ]


def measures(sizes: Sizes) -> list[Measure]:
    """The measures."""
    size = (sizes.markets, sizes.contracts)

    def each(at_most: str = "") -> Callable[[Sequence[Sample]], list[Fact]]:
        def facts(samples: Sequence[Sample]) -> list[Fact]:
            cpu = median([one.cpu for one in samples]) / TIMES
            return [Fact("  CPU of one", f"{cpu * 1000:.1f} ms", at_most)]

        return facts

    return [
        Measure(
            f"receive and land {TIMES} polls", Side("ours", child(land, *size)), facts=each("35 ms")
        ),
        Measure(
            f"validate {TIMES} payloads", Side("ours", child(validate, *size)), facts=each("3 ms")
        ),
        Measure(
            f"{TIMES} ticks of the poll sensor", Side("ours", child(tick, *size)), facts=each()
        ),
        *(
            Measure(
                f"{TIMES} polls of {name}, as its fake answers",
                Side("ours", child(land_any, name)),
                facts=each(),
            )
            for name in dict.fromkeys(polled())
        ),
    ]
