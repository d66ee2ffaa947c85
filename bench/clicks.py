"""A day of hits through every layer: seconds, CPU and memory by layer, and by hit.

What is posted is made by the pumper and repeated under other names: other clients, users, request
and transaction numbers, at other times of the day. So each hit is one of its own, and a session is
as long as the pumper makes it, however many hits there are.
"""

import re
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from heapq import merge
from os import getpid
from pathlib import Path
from typing import Any

from bench.child import cpu_seconds
from bench.measure import Fact, Measure
from bench.refresh import CHECK, PREDICTIT
from bench.sampling import BEAT, Sample, Side, child, median, resident_mb
from predictit_assets.settings import Settings
from predictit_assets.sources.clickstream.fake import requests, world

SOURCE = "clickstream"
DAY = date(2026, 3, 3)
NUMBER = (DAY - date(1970, 1, 1)).days
"""Of the day, since 1970: the odd hits of the pumper have it in their names."""
DAY_MS = 86_400_000
SIZES, QUICK_SIZES = (50_000, 500_000, 5_000_000), (2_000,)
PATTERN, QUICK_PATTERN = 10_000, 1_000
"""Hits that are made by the pumper: 900 people, each with a visit or two."""
NAMES = re.compile(
    rb'(?<="received_at":)(?P<received>\d{13})'
    rb'|(?:(?<=&tm=)|(?<=tm\\": ))(?P<told>\d{13})'
    rb"|\b(?P<uuid>[0-9a-f]{8})(?=-[0-9a-f]{4}-)"
    rb"|(?<=\bT-\d{8}-)(?P<bought>\d+)"
    rb"|(?<=\buser)(?P<user>\d+)"
    rb"|(?P<odd>\b%d\b)" % NUMBER
)
"""What differs between two repetitions of a line."""


class Line:
    """A line of a collector, and where in it something is told anew each time."""

    def __init__(self, at: int, text: bytes) -> None:
        self.at = at
        """Milliseconds of the day."""
        self._texts: list[bytes] = []
        self._kinds: list[tuple[str, bytes]] = []
        end = 0
        for found in NAMES.finditer(text):
            self._texts.append(text[end : found.start()])
            self._kinds.append((found.lastgroup or "", found[0]))
            end = found.end()
        self._rest = text[end:] + b"\n"

    def again(self, n: int, shift: int) -> bytes:
        """The line in the nth repetition, so many milliseconds later."""
        parts = []
        for text, (kind, value) in zip(self._texts, self._kinds, strict=True):
            parts.append(text)
            if kind in ("received", "told"):
                parts.append(b"%d" % (int(value) + shift))
            elif kind == "uuid":
                parts.append(b"%08x" % ((int(value, 16) + n * 2_654_435_761) % 2**32))
            else:
                parts.append(b"%b%04d" % (value, n))
        return b"".join((*parts, self._rest))


def lines(hits: int, pattern: int) -> Iterator[bytes]:
    """The lines of a day with so many hits, about, as they arrive."""
    midnight = NUMBER * DAY_MS
    made = world.requests(DAY, DAY, pattern)
    once = [Line(one.at - midnight, requests.line(one).encode()) for one in made]
    times = max(1, round(hits / pattern))

    def shifted(n: int) -> Iterator[tuple[int, int, int]]:
        # What would end on the day after comes in the morning.
        by = n * DAY_MS // times
        moved = [((one.at + by) % DAY_MS, place) for place, one in enumerate(once)]
        for at, place in sorted(moved):
            yield at, n, place

    for at, n, place in merge(*map(shifted, range(times))):
        one = once[place]
        yield one.again(n, at - one.at)


def posted(hits: int, pattern: int, out: Path) -> Path:
    """A file with the lines of a day; one that is there stays as it is."""
    file = out / f"clicks-{hits}.ndjson"
    if not file.exists():
        making = file.with_suffix(".making")
        with making.open("wb") as to:
            to.writelines(lines(hits, pattern))
        making.rename(file)
    return file


class _Meter:
    """Seconds, CPU and the most memory of each step of this process and those it starts."""

    def __init__(self) -> None:
        self.spent: dict[str, dict[str, float]] = defaultdict(
            lambda: {"t": 0.0, "cpu": 0.0, "mb": 0.0}
        )
        self._step = ""
        self._from = (time.perf_counter(), cpu_seconds())
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def begin(self, step: str) -> None:
        """What follows is of this step."""
        now = (time.perf_counter(), cpu_seconds())
        if self._step:
            of = self.spent[self._step]
            of["t"] += now[0] - self._from[0]
            of["cpu"] += now[1] - self._from[1]
        self._step, self._from = step, now

    def end(self) -> None:
        """The last step has ended."""
        self.begin("")
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(BEAT):
            if step := self._step:
                self.spent[step]["mb"] = max(self.spent[step]["mb"], resident_mb(getpid()))


def by_step(folder: str) -> Callable[[], dict[str, Any]]:
    """A build of the day in this process: what each of its steps took."""
    from predictit_assets.build import build_job_name
    from predictit_assets.contract.calendar import DayRange
    from predictit_assets.instance.loading import load_definitions
    from predictit_assets.instance.runs import open_instance, run_build

    settings = Settings(home=Path(folder), sources=(SOURCE,))
    definitions, instance = load_definitions(settings), open_instance(settings)

    def work() -> dict[str, Any]:
        meter = _Meter()
        run_build(
            definitions,
            instance,
            build_job_name(SOURCE),
            DayRange(DAY, DAY),
            lambda progress: meter.begin(progress.doing),
        )
        meter.end()
        return {"steps": meter.spent}

    return work


def measures(quick: bool, out: Path) -> list[Measure]:
    """The measures: import and build of each size."""
    taken = []
    home = out / "clicks"
    pattern = QUICK_PATTERN if quick else PATTERN
    environment = {"PREDICTIT_HOME": str(home), "PREDICTIT_SOURCES": SOURCE}
    for hits in QUICK_SIZES if quick else SIZES:

        def fresh() -> None:
            shutil.rmtree(home, ignore_errors=True)

        def facts(samples: Sequence[Sample], hits: int = hits) -> list[Fact]:
            return list(_by_layer(samples, hits))

        file = posted(hits, pattern, out)
        taken += [
            Measure(
                f"{hits:,} hits: import",
                Side("ours", [PREDICTIT, "import", SOURCE, str(file)], fresh, environment),
            ),
            Measure(
                f"{hits:,} hits: build",
                Side("ours", child(by_step, home), environment=environment),
                facts=facts,
            ),
        ]
    return taken


def _by_layer(samples: Sequence[Sample], hits: int) -> Iterator[Fact]:
    steps = [one.told["steps"] for one in samples]

    def told(of: str, what: str, whole: Callable[[list[float]], float]) -> float:
        return median(
            [
                whole([spent[what] for name, spent in one.items() if _layer(name) == of] or [0.0])
                for one in steps
            ]
        )

    for layer in dict.fromkeys(_layer(name) for name in steps[0]):
        wall, cpu = told(layer, "t", sum), told(layer, "cpu", sum)
        a_hit = f"{cpu / hits * 1e6:.1f} us a hit, {told(layer, 'mb', max):.0f} MB"
        yield Fact(f"  {layer}", f"{wall:.1f} s, CPU {cpu:.1f}", a_hit)
    cpu = median([one.cpu for one in samples])
    yield Fact("  CPU a hit", f"{cpu / hits * 1e6:.0f} us")


def _layer(step: str) -> str:
    of = step.removeprefix(CHECK).split("_")[0]
    return f"{of}, checks" if step.startswith(CHECK) else of
