"""What is tried: each trial mistreats one home, and says how many things it tried."""

import json
import random
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from predictit_assets import factory
from predictit_assets.contract.arrival import ByDay, PerEntity, Polled
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.contract.source import Source, all_tables
from predictit_assets.sample.fakes import Fake
from predictit_assets.sample.server import SampleServer
from predictit_assets.storage.payloads import Zone
from soak import collector, database, servers
from soak.home import Held, Home
from soak.mutate import mutated

COMMANDS = 6
"""That are mistreated in a round."""
PAIRS = 3
DEATHS = 4
MUTANTS = 2_000
SLOWEST = 10.0
"""Seconds for one mutated body, after which it is said to hang."""
COLLECTED_MINUTES = 1.5
NOT_SERVED = {"ok", "drip"}
"""Faults that are none, or that take a minute for each answer."""


@dataclass
class Round:
    """One home, and what it is mistreated with."""

    chance: random.Random
    home: Home
    fake: Fake
    server: SampleServer
    archive: Path
    """Files that can be imported, where the source has such."""
    kept: set[tuple[str, str, str]] = field(default_factory=set)
    """All payloads that were ever held whole."""
    missed: set[tuple[str, str, str]] = field(default_factory=set)
    """What was acknowledged otherwise, and isn't there."""

    def commands(self) -> list[tuple[str, ...]]:
        """All that a person may do with the source."""
        name = self.home.source.name
        ways = [tuple(way) for way in self.home.ways(self.archive)]
        return [*ways, ("build", name), ("build", name), ("status",), ("expire",), ("report", name)]

    def remember(self) -> None:
        """What is held now may never be lost."""
        self.kept |= self.home.held()

    def begin(self) -> None:
        """Bring in payloads of a few days, by every way that the source has."""
        for way in self.home.ways(self.archive):
            self.home.must(*way)
        self.remember()

    def finish(self) -> None:
        """Nothing is against it any more: what comes now has to work, and to mend all."""
        self.begin()
        self.home.must("build", self.home.source.name)
        self.home.judge()

    @property
    def lost(self) -> Held:
        """What was held once and isn't any more."""
        return (frozenset(self.kept) - self.home.held()) | self.missed


def _mistreated(here: Round, treat: Callable[[tuple[str, ...]], object]) -> int:
    """Commands, each treated in some way; then nothing is against them any more."""
    here.begin()
    for _ in range(COMMANDS):
        treat(here.chance.choice(here.commands()))
        here.remember()
    here.finish()
    return COMMANDS


def kills(here: Round) -> int:
    """Commands are killed with all their processes, at any moment."""

    def treat(command: tuple[str, ...]) -> None:
        here.home.end(here.home.start(*command), kill_after=here.chance.uniform(0.2, 15))

    return _mistreated(here, treat)


def two_at_once(here: Round) -> int:
    """Any two commands at the same time, the same one twice among them."""
    for _ in range(PAIRS):
        processes = []
        for command in here.chance.choices(here.commands(), k=2):
            processes.append(here.home.start(*command))
            time.sleep(here.chance.choice((0, 0, 0.5, 3)))
        for process in processes:
            here.home.end(process)
        here.remember()
    here.finish()
    return PAIRS


def orders(here: Round) -> int:
    """Payloads arrive in any order, and days are built in any order, some of them twice."""
    here.begin()
    objects = here.home.settings.objects_dir
    waiting = objects.parent / "not_here_yet"
    files = sorted(file for file in (objects / "landing").rglob("*") if file.is_file())
    here.chance.shuffle(files)
    for file in files:
        aside = waiting / file.relative_to(objects)
        aside.parent.mkdir(parents=True, exist_ok=True)
        file.rename(aside)
    builds = 0
    while files:
        for _ in range(min(len(files), 1 + len(files) // 3)):
            file = files.pop()
            file.parent.mkdir(parents=True, exist_ok=True)
            (waiting / file.relative_to(objects)).rename(file)
        first, last = sorted(here.chance.choices(here.home.days(), k=2))
        window = ("--from", str(first), "--to", str(last))
        here.home.must("build", here.home.source.name, *window)
        builds += 1
    here.home.must("build", here.home.source.name, "--missing")
    here.home.judge()
    return builds


def bad_servers(here: Round) -> int:
    """The API answers wrongly, slowly, or not at all."""
    names = sorted(here.server.faults.keys() - NOT_SERVED)
    asking = [way for way in here.home.ways(here.archive) if way[0] != "import"]
    tried = 0
    for _ in range(3):
        faults = here.chance.choices(names, k=here.chance.randint(1, 6))
        here.server.fail_with(*faults)
        here.home.end(here.home.start(*here.chance.choice(asking)))
        here.remember()
        tried += len(faults)
    # What nobody asked for yet mustn't meet the command that has to work.
    here.server.forgive()
    here.finish()
    return tried


def full_disk(here: Round) -> int:
    """No file can grow beyond some bytes, of any command."""

    def treat(command: tuple[str, ...]) -> None:
        room = here.chance.choice((1_000, 20_000, 100_000, 1_000_000, 5_000_000))
        here.home.end(here.home.start(*command, file_bytes=room))

    return _mistreated(here, treat)


def clock_jumps(here: Round) -> int:
    """The clock is wrong by seconds, hours or days, ahead and behind."""

    def treat(command: tuple[str, ...]) -> None:
        off = here.chance.choice((2.0, 600.0, 7_200.0, 86_400.0, 3 * 86_400.0, 40 * 86_400.0))
        here.home.end(here.home.start(*command, ahead=off * here.chance.choice((1, -1))))

    return _mistreated(here, treat)


def dead_database(here: Round) -> int:
    """PostgreSQL, which serves what is built, dies at any moment and comes back, early or late."""
    build = ("build", here.home.source.name)
    with database.database() as server:
        serving = replace(here.home, api={**here.home.api, "PREDICTIT_SERVING_URL": server.url})
        here.begin()
        for _ in range(DEATHS):
            process = serving.start(*build)
            # Serving comes last: at any moment, a kill would mostly come before it.
            if here.chance.random() < 0.8:
                server.wait_for_client(while_runs=process)
            time.sleep(here.chance.choice((0, 0.1, 0.3, 1)))
            server.kill()
            if here.chance.random() < 0.5:
                server.start()
            serving.end(process)
            server.start()
            here.begin()  # so that the next build has something to tell
        serving.must(*build)
        here.home.wrong += database.differences(here.home, server.url)
    here.home.judge()
    return DEATHS


def dead_servers(here: Round) -> int:
    """Dagster's web server and daemon, which build by themselves, are killed with their runs."""
    with servers.servers(here.home) as both:
        for _ in range(DEATHS):
            both.start()
            both.wait_until_ready()
            here.begin()  # so that the sensors have something to do
            time.sleep(here.chance.uniform(0, 60))
            both.kill(*here.chance.choice(([], *([name] for name in both.names))))
            here.remember()
            # For a while, the other one is alone.
            time.sleep(here.chance.choice((0, 0, 10)))
        here.begin()
        both.kill()
        both.start(polls=False)
        both.wait_until_quiet()
        here.remember()
        if not both.runs():
            here.home.wrong.append("the daemon began no run by itself")
    here.home.judge()
    return DEATHS


def dead_collector(here: Round) -> int:
    """The collector is killed again and again while clients post."""
    folder = here.home.folder
    folder.mkdir(parents=True)
    told = collector.kill_for(folder, COLLECTED_MINUTES, 8, 50, here.chance.randrange(1_000))
    here.home.must("build", here.home.source.name)
    found = collector.compared(folder)
    for what in ("of them not in landing or raw", "lost"):
        here.missed |= {("hits", what, str(n)) for n in range(found[what])}
    if found["doubled"] or not found["the same"] or told["last collector ended with"]:
        here.home.wrong.append(json.dumps(told | found))
    here.home.judge()
    return int(told["kills"] + told["kills while it started"])


def mutants(here: Round) -> int:
    """Changed payloads are refused with a reason, or give rows that fit their tables."""
    for way in here.home.ways(here.archive):
        here.home.must(*way)
    tried = 0
    for dataset in here.home.source.datasets:
        store = factory.stream(here.home.settings, here.home.on, dataset).payloads
        stored = [one for day in store.days() for one in store.held(Zone.LANDING, day)]
        bodies = [loaded.payload for one in stored if (loaded := store.load(one))]
        small = [one for one in bodies if len(one.read()) < 500_000] or bodies
        wanted = {name: ibis_schema(one).to_pyarrow() for name, one in all_tables(dataset).items()}
        for _ in range(MUTANTS if small else 0):
            right = here.chance.choice(small)
            body = mutated(right.read(), here.chance)
            payload = Payload(right.day, right.captured_at, body, right.part)
            tried += 1
            began = time.monotonic()
            try:
                dataset.validate(payload)
                rows = dataset.rows([payload])
            except InvalidPayload as fault:
                if not fault.reason or not fault.path.startswith("$"):
                    here.home.wrong.append(f"{dataset.name}: refused without a reason or a place")
            except Exception as error:  # any other end is what is looked for
                file = here.home.folder.with_name(f"{tried}.body")
                file.write_bytes(body)
                where = traceback.format_exc(limit=-3)
                here.home.wrong.append(
                    f"{dataset.name} {right.part}: {error!r:.200} ({file})\n{where}"
                )
            else:
                for name, batch in rows.items():
                    if not batch.schema.equals(wanted[name]):
                        here.home.wrong.append(f"{dataset.name}: rows of {name} don't fit")
            if time.monotonic() - began > SLOWEST:
                here.home.wrong.append(
                    f"{dataset.name}: a body took {time.monotonic() - began:.0f} s"
                )
    return tried


def _every(_source: Source) -> bool:
    return True


def _asks(source: Source) -> bool:
    return any(
        isinstance(way, Polled | ByDay | PerEntity)
        for one in source.datasets
        for way in one.arrivals
    )


def _serves(source: Source) -> bool:
    return source.serving is not None and find_spec("pgserver") is not None


def _collects(source: Source) -> bool:
    return source.name == collector.SOURCE


class Trial(NamedTuple):
    """A way to mistreat a home."""

    run: Callable[[Round], int]
    """Says how many things it tried."""
    is_for: Callable[[Source], bool] = _every


TRIALS: Mapping[str, Trial] = {
    "kills": Trial(kills),
    "two at once": Trial(two_at_once),
    "orders of days": Trial(orders),
    "bad servers": Trial(bad_servers, _asks),
    "dead database": Trial(dead_database, _serves),
    "dead servers": Trial(dead_servers),
    "dead collector": Trial(dead_collector, _collects),
    "full disk": Trial(full_disk),
    "clock jumps": Trial(clock_jumps),
    "mutants": Trial(mutants),
}
