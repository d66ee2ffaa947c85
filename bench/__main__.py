"""`make bench`: every measure, in turns, in one sitting."""

import json
import os
import shlex
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import (
    boards,
    clicks,
    collect,
    day,
    disk,
    everything,
    location,
    poll,
    ranges,
    refresh,
    served,
    shown,
    sources,
    staged,
)
from bench.inputs import QUICK, REAL, Sizes
from bench.measure import Measure, Taken
from bench.sampling import Side, run

OUT = Path(__file__).parent / "output"
LONG = ("sources", "everything", "ranges", "clicks")
"""Groups whose runs take minutes."""


def main(
    quick: Annotated[
        bool, typer.Option(help="small inputs, one run: only whether it works")
    ] = False,
    runs: Annotated[int, typer.Option(min=1, help="how often each command is run")] = 5,
    long_runs: Annotated[int, typer.Option(min=1, help="the same, of ranges and large days")] = 1,
    only: Annotated[str, typer.Option(help="groups, separated by commas")] = "",
    chosen_sources: Annotated[
        str, typer.Option("--sources", help="of groups about every source: these, by commas")
    ] = "",
    ways: Annotated[
        str, typer.Option(help="of how sources grow: records, payloads, days; some, by commas")
    ] = "",
    board_days: Annotated[int, typer.Option(min=1, help="days below the dashboards")] = 365,
    peers: Annotated[
        Path | None,
        typer.Option(
            help="lines of `name: command` that read a day in other ways; those with {folder} read"
            " the raw objects of any source"
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="where inputs, table and plot go")] = OUT,
) -> None:
    """Measure. Only ratios of one sitting count: machines differ, and so do their hours."""
    console = Console(width=None if os.isatty(1) else 140)
    sizes = QUICK if quick else Sizes(**vars(REAL) | {"board_days": board_days})
    out = out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    lines = [line for line in peers.read_text().splitlines() if line] if peers else []
    of_any = [line for line in lines if "{folder}" in line]
    others = [_peer(line) for line in lines if line not in of_any]
    those = [one for one in chosen_sources.split(",") if one]
    some_ways = [one for one in ways.split(",") if one]
    # What takes minutes comes last: an interrupted sitting has told most by then.
    groups = {
        "location": location.measures,
        "day": lambda: day.measures(sizes, out, others),
        "staging": lambda: staged.measures(quick, out, of_any, those),
        "serving": lambda: served.measures(quick, out),
        "poll": lambda: poll.measures(sizes),
        "collect": lambda: collect.measures(quick),
        "refresh": lambda: refresh.measures(sizes, out),
        "disk": lambda: disk.measures(sizes, out),
        "everything": lambda: everything.measures(out),
        "ranges": lambda: ranges.measures(sizes, out),
        "sources": lambda: sources.measures(quick, out, those, some_ways),
        "boards": lambda: boards.measures(sizes, out),
        "clicks": lambda: clicks.measures(quick, out),
    }
    chosen = only.split(",") if only else list(groups)
    taken: list[Taken] = []
    failed = 0
    for name in chosen:
        times = 1 if quick or name == "disk" else long_runs if name in LONG else runs
        try:
            with console.status(f"{name}: inputs"):
                measures = groups[name]()
            for measure in measures:
                with console.status(measure.name):
                    taken.append(_take(measure, times, out / "samples.jsonl"))
                console.print(shown.line(taken[-1]), highlight=False)
        except Exception as error:  # the other groups are worth their hours all the same
            failed += 1
            told = f"{name} ended: {type(error).__name__}: {error}"
            console.print(told, markup=False, highlight=False)
    console.print(shown.table([one for one in taken if not isinstance(one.measure, sources.Sized)]))
    if growth := sources.table(taken):
        console.print(growth)
    shown.plot(taken, out / "bench.svg")
    console.print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; plot: {out}/bench.svg")
    raise typer.Exit(bool(failed))


def _take(measure: Measure, times: int, log: Path) -> Taken:
    """Run all sides in turns; each run is a line of the log, whatever happens to the next one."""
    sides = [measure.ours, *measure.others]
    taken = Taken(measure, {side.name: [] for side in sides})
    for _ in range(times):
        for side in sides:
            sample = run(side)
            taken.samples[side.name].append(sample)
            with log.open("a") as file:
                told = {"measure": measure.name, "side": side.name} | vars(sample)
                file.write(json.dumps(told) + "\n")
    return taken


def _peer(line: str) -> Side:
    name, _, command = line.partition(": ")
    return Side(name, shlex.split(command))


if __name__ == "__main__":
    typer.run(main)
