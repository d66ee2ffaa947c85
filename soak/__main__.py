"""`make soak`: trials in turns, drawn by a seed, until the time is up; then one table."""

import os
import random
import shutil
import sys
import time
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Annotated
from unittest.mock import patch

import typer
from rich.console import Console
from rich.table import Table

from predictit_assets.sample.clock import utc_now
from predictit_assets.sample.fakes import find_fake, names
from predictit_assets.sample.server import SampleServer
from predictit_assets.sources import Enabled, load
from soak.home import Home
from soak.trials import TRIALS, Round

EVERY = (timedelta(hours=2), timedelta(hours=6), timedelta(hours=12))
"""Between two payloads of an archive."""


@dataclass
class Total:
    """What one kind of trial came to, over all sources."""

    rounds: int = 0
    tried: int = 0
    lost: int = 0
    wrong: int = 0
    seconds: float = 0.0


def main(
    minutes: Annotated[float, typer.Option(min=0, help="how long it goes on")] = 60.0,
    seed: Annotated[int | None, typer.Option(help="repeats a run (default: another one)")] = None,
    only: Annotated[str, typer.Option(help="trials, separated by commas")] = "",
    sources: Annotated[str, typer.Option(help="sources, separated by commas")] = "",
    rounds: Annotated[int, typer.Option(min=0, help="no more than these; 0: no end")] = 0,
    keep: Annotated[
        Path | None, typer.Option(help="where homes of rounds that found something stay")
    ] = None,
) -> None:
    """Mistreat made-up homes, and tell what was lost or wrong: nothing, if all is well."""
    console = Console(width=None if os.isatty(1) else 120)
    seed = seed if seed is not None else random.SystemRandom().randrange(1_000_000)
    chosen = only.split(",") if only else list(TRIALS)
    known = sources.split(",") if sources else names()
    if unknown := [one for one in chosen if one not in TRIALS]:
        sys.exit(f"error: there is no trial {unknown[0]!r}; there are {', '.join(TRIALS)}")
    pairs = [(name, on) for name in chosen for on in known if TRIALS[name].is_for(load(on))]
    if not pairs:
        sys.exit(f"error: {only} is for none of {', '.join(known)}")
    folder = Path(mkdtemp(prefix="soak-", dir=keep))
    console.print(f"seed {seed}, homes in {folder}")
    end = time.monotonic() + minutes * 60
    totals: dict[str, Total] = defaultdict(Total)
    number = 0
    while time.monotonic() < end and (not rounds or number < rounds):
        number += 1
        # Each trial meets each source before any meets one again, in an order that the seed says.
        cycle, place = divmod(number - 1, len(pairs))
        trial, source = random.Random(f"{seed} {cycle}").sample(pairs, len(pairs))[place]
        _round(console, totals[trial], folder / f"{number}", trial, source, f"{seed} {number}")
    console.print(_table(totals))
    bad = sum(one.lost + one.wrong for one in totals.values())
    if not bad:
        shutil.rmtree(folder)
    sys.exit(1 if bad else 0)


def _round(
    console: Console, total: Total, folder: Path, trial: str, source: str, seed: str
) -> None:
    chance = random.Random(seed)
    fake = find_fake(source)
    began = time.monotonic()
    with ExitStack() as stack:
        server = stack.enter_context(SampleServer(fake, hang_seconds=3))
        api = {**fake.defaults, **fake.environment(server.url)}
        stack.enter_context(patch.dict(os.environ, api))
        declared = load(source)
        home = Home(folder / "home", Enabled(declared, declared.settings.load()), api)
        archive = folder / "archive"
        archive.mkdir(parents=True)
        now = utc_now()
        days = timedelta(days=chance.randint(1, 3))
        list(fake.archive(archive, now - days, now, chance.choice(EVERY)))
        here = Round(chance, home, fake, server, archive)
        with console.status(f"{trial}: {source}"):
            tried = TRIALS[trial].run(here)
        lost = here.lost
    took = time.monotonic() - began
    total.rounds += 1
    total.tried += tried
    total.lost += len(lost)
    total.wrong += len(home.wrong)
    total.seconds += took
    verdict = f"{len(lost)} lost, {len(home.wrong)} wrong"
    console.print(
        f"{trial:<16}{source:<14}{tried:>7,} tried, {verdict}, {took:.0f} s", highlight=False
    )
    for one in [f"lost: {' '.join(what)}" for what in sorted(lost)[:10]] + home.wrong[:20]:
        console.print(f"  {one}", markup=False, highlight=False)
    if not lost and not home.wrong:
        shutil.rmtree(folder)


def _table(totals: dict[str, Total]) -> Table:
    table = Table("trial", "rounds", "tried", "lost", "wrong", "minutes")
    for column in table.columns[1:]:
        column.justify = "right"
    for name, one in totals.items():
        row = (one.rounds, one.tried, one.lost, one.wrong)
        table.add_row(name, *(f"{figure:,}" for figure in row), f"{one.seconds / 60:.1f}")
    return table


if __name__ == "__main__":
    typer.run(main)
