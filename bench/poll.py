"""One poll beside the network, and the proof of one payload."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

from bench.inputs import NOON, Sizes, payloads_of, settings_of, world
from bench.measure import Fact, Measure
from bench.sampling import Sample, Side, child, median
from predictit_assets.automation.polling import poll_sensor
from predictit_assets.home import predictit
from predictit_assets.sample_feed import SampleServer, World
from predictit_assets.settings import Settings
from predictit_assets.sources.source import Observation

TIMES = 50


def _observations(markets: str, contracts: str) -> list[Observation]:
    made = world(Sizes(0, 0, 0, 0, int(contracts), int(markets)))
    times = [NOON + timedelta(minutes=n) for n in range(TIMES)]
    return [Observation(at, made.body(at)) for at in times]


def land(markets: str, contracts: str) -> Callable[[], None]:
    """Hash, compress and store some payloads."""
    observations = _observations(markets, contracts)
    folder = TemporaryDirectory()
    held = payloads_of(Path(folder.name))

    def work() -> None:
        with folder:
            for one in observations:
                held.land(one)

    return work


def prove(markets: str, contracts: str) -> Callable[[], None]:
    """Prove some payloads."""
    observations = _observations(markets, contracts)
    source = predictit(Settings(), say=lambda text: None)

    def work() -> None:
        for one in observations:
            source.prove(one)

    return work


def tick(markets: str, contracts: str) -> Callable[[], dict[str, float]]:
    """Ticks of the poll sensor, network (loopback) and Dagster's record of the event included."""
    made = World(markets=int(markets), contracts=int(contracts))
    folder = TemporaryDirectory()
    home = Path(folder.name)
    minutes = count()

    def work() -> dict[str, float]:
        clock = lambda: NOON + timedelta(minutes=next(minutes))  # noqa: E731
        with folder, SampleServer(made, clock=clock) as server:
            settings = settings_of(home).model_copy(update={"api_url": server.url})
            source = predictit(settings, say=lambda text: None)
            sensor = poll_sensor(source, payloads_of(home), 0)
            (home / "dagster").mkdir(parents=True)
            with dg.DagsterInstance.local_temp(str(home / "dagster")) as instance:
                for _ in range(TIMES // 10):
                    with dg.build_sensor_context(instance=instance) as context:
                        result = sensor(context)
                    for event in result.asset_events:  # type: ignore[union-attr]
                        instance.report_runless_asset_event(event)
        return {"ticks": TIMES // 10}

    return work


def measures(sizes: Sizes) -> list[Measure]:
    """The measures."""
    size = (sizes.markets, sizes.contracts)

    def each(at_most: str) -> Callable[[Sequence[Sample]], list[Fact]]:
        def facts(samples: Sequence[Sample]) -> list[Fact]:
            cpu = median([one.cpu for one in samples]) / TIMES
            return [Fact("  CPU of one", f"{cpu * 1000:.1f} ms", at_most)]

        return facts

    def of_tick(samples: Sequence[Sample]) -> list[Fact]:
        cpu = median([one.cpu / one.told["ticks"] for one in samples])
        return [Fact("  CPU of one, the made-up API included", f"{cpu * 1000:.0f} ms")]

    return [
        Measure(f"land {TIMES} polls", Side("ours", child(land, *size)), facts=each("35 ms")),
        Measure(f"prove {TIMES} payloads", Side("ours", child(prove, *size)), facts=each("3 ms")),
        Measure("poll sensor", Side("ours", child(tick, *size)), facts=of_tick),
    ]
