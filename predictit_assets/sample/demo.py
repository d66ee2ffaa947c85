"""`predictit sample demo`: a made-up past of each source, carried through the whole graph.

Here belongs the order of the steps, and how they and what they made are told. How much of a past a
source has, and which ways it comes in, is said by its fake.
"""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from predictit_assets.errors import ExpectedError, NothingPublished
from predictit_assets.paths import IN_CHECKOUT
from predictit_assets.sample.fakes import (
    AskedAfterwards,
    Fake,
    Fetched,
    Imported,
    PolledNow,
    WayIn,
)
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, enabled, load
from predictit_assets.status import status
from predictit_assets.terminal import err, out, say
from predictit_assets.text import printable

if TYPE_CHECKING:
    from predictit_assets.storage.warehouse import Warehouse

PAGE = "report "
"""How a line begins that names a page: where they are is told at the end."""
BAR = "▕"
"""What the bar begins with that DuckDB draws while a query takes long."""
NUMBERS = {"days", "rows staged"}
MAIN = "from predictit_assets.cli import main; main()"
FOLDER = "sample"
"""Of the default home: made-up payloads among real ones would look like what has ended."""
WARNING = "warning: "
LAST_WORDS = 12
"""Lines of a command that failed that are told."""


@dataclass(frozen=True)
class Step:
    """A command of `predictit`, and whether it needs the made-up APIs."""

    args: Sequence[str]
    asks: bool = False

    def typed(self) -> str:
        """As one would type it, its paths as seen from the current folder."""
        server = ("sample", "run", "predictit") if self.asks else ()
        return shlex.join(["predictit", *server, *map(near, self.args)])


def home_of_demo(settings: Settings) -> Path:
    """The home that is set; where none is, one beside the real one."""
    return settings.home if "home" in settings.model_fields_set else settings.home / FOLDER


def steps(fakes: Sequence[Fake], home: Path) -> Iterator[Step]:
    """The commands of the demo: what brings payloads in, the build, and what needs its tables."""
    afterwards: list[Step] = []
    for fake in fakes:
        for way in fake.demo.ways:
            made = list(_way_in(fake.name, way, home / "archive" / fake.name))
            if isinstance(way, AskedAfterwards):
                afterwards += made
            else:
                yield from made
    yield Step(["build"], asks=True)
    yield from afterwards


def _way_in(source: str, way: WayIn, folder: Path) -> Iterator[Step]:
    match way:
        case Imported(days, minutes, writer):
            if writer:
                yield Step(["sample", *writer, "--days", str(days), "--folder", str(folder)])
            else:
                since = ["--from", str(_ago(source, days)), "--minutes", str(minutes)]
                yield Step(["sample", "archive", "--source", source, *since, str(folder)])
            yield Step(["import", source, str(folder)])
        case Fetched(days):
            yield Step(["fetch", source, "--from", str(_ago(source, days))], asks=True)
        case PolledNow():
            yield Step(["poll", source], asks=True)
        case AskedAfterwards():
            yield Step(["fetch", source], asks=True)
            yield Step(["build", source, "--from", "today"], asks=True)


def _ago(source: str, days: int) -> date:
    return load(source).calendar.today() - timedelta(days=days)


def run_demo(fakes: Sequence[Fake], served: Mapping[str, str], settings: Settings) -> None:
    """Run the commands of the demo, one after the other, and tell what there is then.

    `served` leads to the made-up APIs. Raises ExpectedError when a command fails.
    """
    home = home_of_demo(settings)
    names = [fake.name for fake in fakes]
    defaults = {name: value for fake in fakes for name, value in fake.defaults.items()}
    own = {"PREDICTIT_HOME": str(home), "PREDICTIT_SOURCES": ",".join(names)}
    environment = {**defaults, **os.environ, **served, **own, "PYTHONUNBUFFERED": "1"}
    todo = list(steps(fakes, home))
    began = time.monotonic()
    warnings = 0
    for number, step in enumerate(todo, start=1):
        say(f"[{number}/{len(todo)}] {step.typed()}")
        warnings += _run(step, environment)
    say("")
    there = settings.model_copy(update={"home": home, "sources": tuple(names)})
    say(f"What there is now, after {time.monotonic() - began:.0f} s, in {near(home)}:")
    _tell_contents(there)
    if warnings:
        say(
            f"{warnings} checks warn, as some of what is made up is odd on purpose: "
            "the UI shows of what, and why."
        )
    say("")
    _tell_next_steps(fakes, home)


def _run(step: Step, environment: Mapping[str, str]) -> int:
    """Run a command, telling what it says on its standard output; gives how often it warned.

    Raises ExpectedError, after what a command that failed said last.
    """
    command = [sys.executable, "-c", MAIN, *step.args]
    with err.status("…"), TemporaryFile() as log:
        try:
            with subprocess.Popen(  # noqa: S603  # this package's own command
                command, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
            ) as running:
                for line in running.stdout or ():
                    if not line.startswith(PAGE) and BAR not in line:
                        _detail(line.rstrip())
                code = running.wait()
        except KeyboardInterrupt:  # the command got it too, and has ended
            sys.exit(130)
        log.seek(0)
        complaints = log.read().decode(errors="replace").splitlines()
    if code:
        for line in complaints[-LAST_WORDS:]:
            err.print(printable(line), soft_wrap=True, highlight=False, markup=False)
        raise ExpectedError(f"`{step.typed()}` failed; to repeat the demo does no harm")
    return sum(line.startswith(WARNING) for line in complaints)


def _detail(line: str) -> None:
    """A line below its command; what is too long for the terminal is cut."""
    if line:
        text = Text(f"      {printable(line)}", style="dim")
        out.print(text, no_wrap=True, overflow="ellipsis", crop=True)


def _tell_contents(settings: Settings) -> None:
    """A line for each source: what is held of it, and where its page is."""
    from predictit_assets import factory
    from predictit_assets.layers.report import report_object
    from predictit_assets.report.index import INDEX

    objects, warehouse = factory.objects(settings), factory.warehouse(settings)
    staged = _staged(warehouse)
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for name in ("source", "days", "rows staged", "newest payload, UTC", "page"):
        table.add_column(name, justify="right" if name in NUMBERS else "left", no_wrap=True)
    for on in enabled(settings.sources):
        streams = factory.streams(settings, on)
        held = status(on, streams, warehouse)
        page = report_object(on.name)
        table.add_row(
            on.name,
            f"{len(held.held):,}",
            f"{sum(staged.get(one, 0) for stream in streams for one in stream.tables):,}",
            f"{held.newest:%Y-%m-%d %H:%M}" if held.newest else "",
            page.rpartition("/")[2] if objects.exists(page) else "",
        )
    out.print(table)
    if objects.exists(report_object(INDEX)):
        say(f"Its pages, for a browser: {near(objects.address(report_object(INDEX)))}")


def _staged(warehouse: "Warehouse") -> dict[str, int]:
    """The rows of each staging table."""
    try:
        with warehouse.read_connection() as query:
            counted = "select table_name, sum(row_count) from staging.load_log group by 1"
            return {table: int(rows) for table, rows in query(counted)}
    except NothingPublished:
        return {}


def _tell_next_steps(fakes: Sequence[Fake], home: Path) -> None:
    """What to type next, as it works in the folder that one is in."""
    names = [fake.name for fake in fakes]
    sources = "all" if set(names) == set(SOURCES) else ",".join(names)
    programs = near(Path(sys.prefix) / "bin")
    say("Look at it:")
    if IN_CHECKOUT:
        look = {
            "make dev FEED=sample": "its graph in the Dagster UI, on http://127.0.0.1:3000",
            "make docs": "all that is written of it, every table, column and their lineage",
        }
    else:
        look = {
            "predictit sample run --demo dagster dev -m predictit_assets.definitions": (
                "its graph in the Dagster UI"
            )
        }
    _tell_commands(look)
    say("or here, after")
    place = shlex.quote(near(home))
    environment = f'PREDICTIT_HOME={place} PREDICTIT_SOURCES={sources} PATH="{programs}:$PATH"'
    out.print(f"  export {environment}", soft_wrap=True, highlight=False, markup=False)
    look = {"predictit report --open": "the pages, in a browser"}
    for fake in fakes:
        look |= fake.demo.looks
    look["predictit status"] = "what is held, published, in quarantine, and to build"
    _tell_commands(look)
    if IN_CHECKOUT:
        say("Without anything made up:")
        _tell_commands({"make run": "one live poll; `make dev` goes on with it"})


def _tell_commands(commands: Mapping[str, str]) -> None:
    for command, meaning in commands.items():
        # Its columns stay what they are: folding white space would move them.
        line = f"  {command:<27} {meaning}"
        out.print(line, soft_wrap=True, highlight=False, markup=False)


def near(path: str | Path) -> str:
    """A path as seen from the current folder, where it lies in it; any other text as it is."""
    if Path(path).is_absolute() and Path(path).is_relative_to(Path.cwd()):
        return str(Path(path).relative_to(Path.cwd()))
    return str(path)
