"""`predictit sample`: the made-up APIs of the sources, from the terminal."""

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from predictit_assets.errors import ExpectedError
from predictit_assets.settings import load_settings
from predictit_assets.terminal import err, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from predictit_assets.sample.fakes import Fake

DAYS = 7
PORT = 8710

Sources = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        help="which source's API; repeat it for more; default: those that are on",
        show_default=False,
    ),
]

app = typer.Typer(
    no_args_is_help=True, help="Made-up APIs, to try everything where there is no internet."
)


def _fakes(sources: list[str] | None) -> "list[Fake]":
    # Imported late: every command of `predictit` imports this module.
    from predictit_assets.sample.fakes import find_fake

    return [find_fake(name) for name in dict.fromkeys(sources or load_settings().sources)]


def _fakes_of_demo(sources: list[str] | None = None) -> "list[Fake]":
    """Those of the sources that are on; where nobody says which are, of all sources."""
    from predictit_assets.sample.fakes import find_fake, names
    from predictit_assets.sources import SOURCES

    settings = load_settings()
    if sources or "sources" in settings.model_fields_set:
        return _fakes(sources)
    known = names()
    return [find_fake(name) for name in SOURCES if name in known]


def _serve(stack: ExitStack, fakes: "Sequence[Fake]", port: int) -> dict[str, str]:
    """Serve the fakes, each on a port of its own; the environment that leads to them."""
    from predictit_assets.sample.clock import utc_now
    from predictit_assets.sample.server import SampleServer

    environment: dict[str, str] = {}
    with_an_api = [fake for fake in fakes if fake.routes(utc_now)]
    for n, fake in enumerate(with_an_api):
        server = SampleServer(fake, port=port + n if port else 0)
        try:
            stack.enter_context(server)
        except OSError as error:
            raise ExpectedError(f"port {port + n} can't be used: {error.strerror}") from None
        environment |= fake.environment(server.url)
    return environment


def _of_demo(fakes: "Sequence[Fake]") -> dict[str, str]:
    """The environment of who watches the demo, where none is set: home, sources, pace, starts.

    Each source begins with the first day that is held of it. Of the years before, the UI would
    tell for ever that they are missing.
    """
    from predictit_assets import factory
    from predictit_assets.sample.demo import home_of_demo
    from predictit_assets.sources import enabled

    settings = load_settings()
    settings = settings.model_copy(update={"home": home_of_demo(settings)})
    found = {
        "PREDICTIT_HOME": str(settings.home),
        "DAGSTER_HOME": str(settings.dagster_home),
        # People watch it: what is polled is soon to be seen in the tables.
        "PREDICTIT_TODAY_MINUTES": "5",
    }
    for fake in fakes:
        found |= fake.demo.watched
    for on in enabled([fake.name for fake in fakes]):
        streams = [factory.stream(settings, on, dataset) for dataset in on.source.datasets]
        days = {day for stream in streams for day in stream.known_days()}
        if days:
            found[on.settings.variable("start")] = str(min(days))
    return found


@app.command()
def demo(source: Sources = None) -> None:
    """Carry a past of made-up payloads through the whole graph: where to begin.

    Of all sources, unless PREDICTIT_SOURCES says which are on. Each command that is run is told as
    one would type it, and at last what there is to look at. Safe to repeat.
    """
    from predictit_assets.sample.demo import run_demo

    with ExitStack() as stack:
        fakes = _fakes_of_demo(source)
        run_demo(fakes, _serve(stack, fakes, port=0), load_settings())


@app.command()
def archive(
    folder: Annotated[Path, typer.Argument(help="where the files are written")],
    source: Annotated[
        str | None, typer.Option(help="which source's API", show_default=False)
    ] = None,
    days: Annotated[int, typer.Option(min=1, help="how far back it begins")] = DAYS,
    first: Annotated[
        datetime | None,
        typer.Option(
            "--from",
            formats=["%Y-%m-%d"],
            metavar="DAY",
            help="or the day with whose first moment it begins: YYYY-MM-DD",
        ),
    ] = None,
    minutes: Annotated[int, typer.Option(min=1, help="minutes between two payloads")] = 15,
) -> None:
    """Write an archive of made-up payloads that ends now."""
    from rich.progress import track

    from predictit_assets.sample.clock import utc_now
    from predictit_assets.sources import load

    fake, *_ = _fakes([source] if source else None)
    every = timedelta(minutes=minutes)
    end = utc_now().replace(second=0, microsecond=0)
    start = load(fake.name).calendar.start_of(first.date()) if first else end - timedelta(days=days)
    if start >= end:
        raise ExpectedError(f"--from {start:%Y-%m-%d}: that is to come")
    files = fake.archive(folder, start, end, every)
    total = (end - start) // every
    written = sum(1 for _ in track(files, "writing", total, console=err, transient=True))
    say(f"{written} payloads in {folder}")


@app.command()
def serve(
    source: Sources = None,
    port: Annotated[
        int, typer.Option(min=0, help="port on 127.0.0.1; further sources take the next ones")
    ] = PORT,
) -> None:
    """Answer like the APIs until interrupted.

    POST /fail?how=html&times=3 makes one fail; an unknown `how` lists the known ones.
    """
    with ExitStack() as stack:
        for name, value in _serve(stack, _fakes(source), port).items():
            say(f"{name}={value}")
        signal.pause()


@app.command(context_settings={"allow_interspersed_args": False, "ignore_unknown_options": True})
def run(
    command: Annotated[
        list[str] | None,
        typer.Argument(
            help="what is run, such as `predictit poll`", metavar="COMMAND", show_default=False
        ),
    ] = None,
    source: Sources = None,
    in_demo: Annotated[
        bool,
        typer.Option(
            "--demo",
            help="in the demo's home, with its sources, each from the first day that is held of it",
        ),
    ] = False,
) -> None:
    """Run a command against the made-up APIs, such as `sample run predictit poll`."""
    if not command:
        raise ExpectedError(
            "say which command to run, such as `predictit sample run predictit poll`"
        )
    with ExitStack() as stack:
        fakes = _fakes_of_demo(source) if in_demo else _fakes(source)
        defaults = {"PREDICTIT_SOURCES": ",".join(fake.name for fake in fakes)}
        for fake in fakes:
            defaults |= fake.defaults
        if in_demo:
            defaults |= _of_demo(fakes)
        served = _serve(stack, fakes, port=0)
        try:
            # The command is the caller's own.
            ended = subprocess.run(command, env=defaults | os.environ | served, check=False)  # noqa: S603
        except FileNotFoundError:
            raise ExpectedError(f"there is no command {command[0]!r}") from None
        except OSError as error:
            raise ExpectedError(f"{command[0]!r} can't be run: {error.strerror}") from None
        except KeyboardInterrupt:  # the command got it too, and has ended
            sys.exit(130)
        sys.exit(ended.returncode)
