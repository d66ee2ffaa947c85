"""`predictit sample`: the made-up feed from the terminal."""

import os
import signal
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import track

from predictit_assets.sources.predictit.fake.archive import write_archive
from predictit_assets.sources.predictit.fake.server import SampleServer
from predictit_assets.sources.predictit.fake.world import World

DAYS = 7

app = typer.Typer(
    no_args_is_help=True, help="A made-up PredictIt, to try everything where there is no internet."
)


@app.command()
def archive(
    folder: Annotated[Path, typer.Argument(help="where the payloads are written")],
    days: Annotated[int, typer.Option(min=1, help="how far back it begins")] = DAYS,
    minutes: Annotated[int, typer.Option(min=1, help="minutes between two payloads")] = 15,
) -> None:
    """Write an archive of made-up payloads that ends now."""
    every = timedelta(minutes=minutes)
    end = datetime.now(UTC).replace(second=0, microsecond=0)
    payloads = write_archive(World(), folder, end - timedelta(days=days), end, every)
    total = timedelta(days=days) // every
    written = sum(1 for _ in track(payloads, "writing", total, transient=True))
    print(f"{written} payloads in {folder}")


@app.command()
def serve(
    port: Annotated[int, typer.Option(help="port on 127.0.0.1")] = 8710,
) -> None:
    """Answer like PredictIt until interrupted.

    POST /fail_with?how=html&times=3 makes it fail_with.
    """
    with SampleServer(World(), port=port) as server:
        print(f"PREDICTIT_API_URL={server.url}", flush=True)
        signal.pause()


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def run(context: typer.Context) -> None:
    """Run a command with the made-up feed as its PredictIt, such as `run predictit poll`.

    Partitions begin where `archive` does by default, so that the UI shows no years of nothing.
    """
    with SampleServer(World()) as server:
        defaults = {
            "PREDICTIT_POLL_INTERVAL": "0",
            "PREDICTIT_START": str(date.today() - timedelta(days=DAYS)),
        }
        environment = defaults | os.environ | {"PREDICTIT_API_URL": server.url}
        try:
            # The command is the caller's own.
            sys.exit(subprocess.run(context.args, env=environment, check=False).returncode)  # noqa: S603
        except FileNotFoundError:
            sys.exit(f"error: there is no command {context.args[0]!r}")
        except KeyboardInterrupt:  # the command got it too, and has ended
            sys.exit(130)
