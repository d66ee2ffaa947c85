"""The terminal: `predictit poll | import | build | board`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from predictit_assets.errors import NothingHeld, PredictitError
from predictit_assets.settings import Settings, load_settings
from predictit_assets.trading_day import Window, stretches, today

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keep and replay the odds of PredictIt.",
)
out = Console()
err = Console(stderr=True)


def main() -> None:
    """Run the command line; what is expected to fail does so in one line, with exit code 1."""
    try:
        app()
    except PredictitError as error:
        err.print(f"[red]error:[/red] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
