"""The made-up shop: what is posted on its days."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from pathlib import Path

from predictit_assets.sample.clock import Clock
from predictit_assets.sample.fakes import Demo, Imported
from predictit_assets.sample.faults import Fault
from predictit_assets.sample.http import Route
from predictit_assets.sample.random import SeededRandom
from predictit_assets.sources.clickstream.fake.requests import (
    Request,
    line,
    milliseconds,
    moment,
)
from predictit_assets.sources.clickstream.fake.traps import traps
from predictit_assets.sources.clickstream.fake.visits import DAY, HITS_A_VISIT, visit

SEED = 7
HITS_A_DAY = 600
"""Where nobody says how many."""
FIRST_OF_ALL = date(1970, 1, 1)


def requests(first: date, last: date, hits_a_day: int, seed: int = SEED) -> Iterator[Request]:
    """What arrives on some days, in order of arrival.

    Of what begins on the last day, and goes on after it, the rest is left out.
    """
    draw = SeededRandom(seed)
    waiting: list[Request] = []
    for n in range((last - first).days + 1):
        day = first + timedelta(days=n)
        number = (day - FIRST_OF_ALL).days
        odd = traps(number)
        visits = max(0, hits_a_day - sum(len(one.meant) for one in odd)) / HITS_A_VISIT
        waiting += odd
        for one in range(round(visits)):
            waiting += visit(draw, day, number * DAY, one)
        waiting.sort(key=lambda request: request.at)
        end = (number + 1) * DAY
        yield from (request for request in waiting if request.at < end)
        waiting = [request for request in waiting if request.at >= end]


def written(folder: Path, requests: Iterable[Request]) -> Iterator[tuple[int, Request]]:
    """Write requests as lines, a file a day, and yield each with the time at which it arrives."""
    for day, some in groupby(requests, key=lambda request: moment(request.at).date()):
        with (folder / f"{day}.ndjson").open("w", encoding="utf-8") as file:
            for request in some:
                file.write(f"{line(request)}\n")
                yield request.at, request


class FakeClickstream:
    """A made-up shop whose visitors post to a collector; nobody can ask it for anything."""

    name = "clickstream"
    faults: Sequence[Fault] = ()
    defaults: Mapping[str, str] = {}
    demo = Demo(ways=(Imported(days=3, writer=("pump", "--hits", "10000")),))

    def __init__(self, seed: int = SEED, hits_a_day: int = HITS_A_DAY) -> None:
        self.seed = seed
        self.hits_a_day = hits_a_day

    def routes(self, clock: Clock) -> Sequence[Route]:  # noqa: ARG002  # no API is made up
        """Nothing is asked of it."""
        return []

    def environment(self, url: str) -> Mapping[str, str]:  # noqa: ARG002
        """Nothing leads to it."""
        return {}

    def archive(
        self, folder: Path, start: datetime, end: datetime, every: timedelta
    ) -> Iterator[Path]:
        """The lines of a collector, one file for each step in which anything arrived."""
        folder.mkdir(parents=True, exist_ok=True)
        begin, until = milliseconds(start), milliseconds(end)
        step = round(every / timedelta(milliseconds=1))
        days = [at.astimezone(UTC).date() for at in (start, end)]
        files: dict[Path, list[str]] = {}
        for request in requests(days[0], days[1], self.hits_a_day, self.seed):
            if begin <= request.at < until:
                at = start + every * ((request.at - begin) // step)
                file = folder / f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.ndjson"
                files.setdefault(file, []).append(line(request))
        for file, lines in files.items():
            file.write_text("".join(f"{one}\n" for one in lines), encoding="utf-8")
            yield file
