"""The terminal: every command of `predictit`, and the made-up feed under `predictit sample`."""

import atexit
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from predictit_assets.contract.calendar import DayRange, consecutive, today
from predictit_assets.errors import ExpectedError, NothingHeld
from predictit_assets.sample.commands import app as sample_app
from predictit_assets.settings import Settings, WarehouseHome, load_settings
from predictit_assets.sources.predictit.products.commands import board

if TYPE_CHECKING:
    import dagster as dg

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Keep and replay the odds of PredictIt.",
)
app.add_typer(sample_app, name="sample")
INTERRUPTED = 130
"""The exit code that Typer makes of a KeyboardInterrupt."""
out = Console()
err = Console(stderr=True)


def main() -> NoReturn:
    """Run the command line; what is expected to fail does so in one line, with exit code 1."""
    try:
        app()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except ExpectedError as error:
        _say(f"[red]error:[/red] {escape(str(error))}")
        code = 1
    if code == INTERRUPTED:
        _say("interrupted; nothing is lost: the same command goes on where it stopped")
    _end(code)


def _end(code: int) -> NoReturn:
    # Python would free what Dagster and dbt made, piece by piece, which takes over a second.
    atexit._run_exitfuncs()
    with suppress(BrokenPipeError):  # such as `predictit board --json | head`
        sys.stdout.flush()
    os._exit(code)


def _say(text: str) -> None:
    err.print(text, highlight=False, soft_wrap=True)


def _day(text: str) -> date:
    if text == "today":
        return today()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day: YYYY-MM-DD, or today") from None


@contextmanager
def _progress(doing: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on the terminal."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    # Dagster redirects standard error into its logs while a step runs: draw on a copy of it.
    with os.fdopen(os.dup(sys.stderr.fileno()), "w") as terminal:
        console = Console(file=terminal)
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
            yield progress, progress.add_task(doing, total=total)


@app.command()
def poll() -> None:
    """Ask the API once and keep the answer in landing."""
    from predictit_assets import factory as home
    from predictit_assets.sources.predictit import ask as predictit_feed

    settings = load_settings()
    with err.status(f"asking {settings.api_url}"):
        answer = predictit_feed.ask(home.client(settings, say=_say), settings.api_url)
        landed = home.feed_payloads(settings).land(answer)
    if landed:
        out.print(f"landed {landed.key} ({landed.size:,} bytes)", soft_wrap=True, highlight=False)
    else:
        out.print("the answer is held already")


@app.command()
def resolve() -> None:
    """Ask how the markets ended that have left the feed, and keep the answers in landing.

    Each is asked for once, at the pace of the polls. Safe to interrupt: what came is kept, and
    built with today.
    """
    from predictit_assets import factory as home

    settings = load_settings()
    source = home.closed_markets(settings, say=_say)
    payloads = home.payloads(source, settings)
    asked = 0
    with _progress("asking", len(source.wanted())) as (progress, task):
        for answer in source.fetch():
            payloads.land(answer)
            asked += 1
            progress.advance(task)
    then = ": `predictit build --from today` publishes what they say" if asked else ""
    out.print(f"{asked} answers landed{then}", highlight=False)


@app.command("import")
def import_(
    folder: Annotated[Path, typer.Argument(help="a folder of *.json and *.json.gz, at any depth")],
) -> None:
    """Land an archive of saved payloads, each under its own capture time.

    The capture time is what the file's name begins with (YYYYMMDDTHHMMSSZ), or else the payload's
    own timeStamp. Safe to repeat and to interrupt.
    """
    from predictit_assets import factory as home
    from predictit_assets.fetch.files import Imported, import_files, payload_files

    settings = load_settings()
    source = home.predictit(settings, say=_say)
    payloads = home.payloads(source, settings)
    files = payload_files(folder)
    imported: list[Imported] = []
    with _progress("importing", len(files)) as (progress, task):
        for one in import_files(files, source, payloads, settings.start, settings.max_body):
            imported.append(one)
            progress.advance(task)
    landed = sum(one.landed for one in imported)
    refused = [one for one in imported if one.refused]
    out.print(
        f"{landed} landed, {len(files) - landed - len(refused)} already there, "
        f"{len(refused)} refused",
        highlight=False,
    )
    for one in refused:
        _say(f"refused: {one.file}: {one.refused}")
    if refused:
        raise ExpectedError(f"{len(refused)} of {len(files)} files were refused")


@app.command()
def build(
    first: Annotated[
        date | None,
        typer.Option("--from", parser=_day, metavar="DAY", help="first trading day (YYYY-MM-DD)"),
    ] = None,
    last: Annotated[
        date | None, typer.Option("--to", parser=_day, metavar="DAY", help="last trading day")
    ] = None,
) -> None:
    """Build every layer, from what was landed to what is published.

    Without options every day that the store holds is built; `today` is a day too. Days that
    follow each other are one run, recorded in the Dagster instance. The API isn't asked.
    """
    settings = load_settings()
    windows = _windows(settings, first, last)
    with err.status("loading the code location"):
        from predictit_assets.instance.loading import load_definitions

        definitions = load_definitions(settings)
        from predictit_assets.instance.runs import open_instance

        instance = open_instance(settings)
    with instance:
        failures = _build_all(definitions, instance, windows)
    if failures:
        raise ExpectedError("; ".join(failures))


def _build_all(
    definitions: "dg.Definitions", instance: "dg.DagsterInstance", windows: list[DayRange]
) -> list[str]:
    """Build windows one after the other; returns why some failed, a sentence each."""
    from predictit_assets.instance.runs import BuildFailed, run_build
    from predictit_assets.instance.runs import Progress as Step

    failures: list[str] = []
    while windows:
        window = windows.pop(0)
        with _progress(str(window), None) as (progress, task):

            def tell(step: Step) -> None:
                progress.update(
                    task,
                    total=step.steps,
                    completed=step.done,
                    description=f"{window}: {step.doing:.60}",  # noqa: B023
                )

            try:
                warnings = run_build(definitions, instance, window, tell)
            except BuildFailed as failure:
                failures.append(str(failure))
                good = [day for day in window.days if day not in failure.bad_days]
                if failure.bad_days:  # one bad day takes no good ones with it
                    windows = consecutive(good) + windows
                continue
        out.print(f"built {window}", highlight=False)
        for warning in warnings:
            _say(f"[yellow]warning:[/yellow] {escape(warning)}")
    return failures


def _windows(settings: Settings, first: date | None, last: date | None) -> list[DayRange]:
    """What to build: the consecutive of days held, within the bounds asked for."""
    from predictit_assets import factory as home

    if first and last and first > last:
        raise ExpectedError(f"--from {first} is after --to {last}")
    sources = home.sources(settings, say=_say)
    days = sorted({day for one in sources for day in home.payloads(one, settings).days()})
    held = [day for day in days if day >= settings.start]
    if len(held) < len(days):
        _say(f"{len(days) - len(held)} days before PREDICTIT_START={settings.start} are left out")
    if not held:
        place = home.objects(settings).address("")
        raise NothingHeld(
            f"{place} holds no payload: `predictit poll` asks for one, "
            "`predictit import DIR` brings in saved ones"
        )
    asked = DayRange(first or held[0], last or held[-1])
    chosen = [day for day in held if day in asked]
    if not chosen:
        raise NothingHeld(f"no payload of {asked} is held; {held[0]} to {held[-1]} are")
    missing = consecutive([day for day in asked.days if day not in set(held)])
    if missing and (first or last):
        _say(f"nothing is held of {', '.join(map(str, missing))}")
    return consecutive(chosen, settings.days_a_run)


@app.command()
def expire(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only tell what would go, and change nothing")
    ] = False,
) -> None:
    """Delete what the settings let expire, as the Dagster schedule `housekeeping` does.

    PREDICTIT_EXPIRE_LANDING_DAYS, _QUARANTINE_DAYS and _RAW_DAYS say which payloads,
    PREDICTIT_KEEP_RUNS_DAYS what the Dagster instance remembers.
    """
    from predictit_assets import factory as home
    from predictit_assets.storage import retention

    settings = load_settings()
    chains = [(one, home.payloads(one, settings)) for one in home.sources(settings, say=_say)]

    def tell(expired: retention.Expired) -> None:
        out.print(str(expired), highlight=False, soft_wrap=True)

    retention.expire(chains, settings, tell, dry_run)
    if not retention.limits(settings):
        out.print("payloads are kept for ever")
    if settings.keep_runs_days:
        from predictit_assets.instance.cleanup import prune
        from predictit_assets.instance.runs import open_instance

        with open_instance(settings) as instance:
            pruned = prune(instance, settings.keep_runs_days, dry_run)
        out.print(f"Dagster: {pruned}", highlight=False, soft_wrap=True)


app.command()(board)


@app.command("setup-warehouse")
def setup_warehouse(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print the SQL, for an administrator to run")
    ] = False,
    role: Annotated[
        str, typer.Option(help="who may create databases, roles and integrations")
    ] = "ACCOUNTADMIN",
) -> None:
    """Make what the pipeline needs in Snowflake. Safe to repeat."""
    from predictit_assets import factory as home

    settings = load_settings()
    if settings.warehouse is not WarehouseHome.SNOWFLAKE:
        out.print("nothing to set up: DuckDB's file is made by `predictit build`")
        return
    from predictit_assets.storage import snowflake_account

    tables = {
        table: schema
        for source in home.sources(settings, say=_say)
        for table, schema in source.tables.items()
    }
    if dry_run:
        # Not by rich: it is to be pasted.
        print(f"use role {role};\n\n{snowflake_account.setup_script(settings, tables)}", end="")
        return
    with err.status(f"setting up {settings.snowflake_database}"):
        trusted = snowflake_account.set_up(settings, role, tables)
    out.print(f"{settings.snowflake_database} is set up", highlight=False)
    out.print("the trust policy of the storage role has to name:", highlight=False)
    for name, value in trusted.items():
        out.print(f"  {name} {value}", highlight=False, soft_wrap=True)


@app.command()
def report() -> None:
    """Write the page of the newest odds that are published: one HTML file that loads nothing."""
    from predictit_assets import factory as home
    from predictit_assets.sources.predictit.products.report import page

    settings = load_settings()
    objects = home.objects(settings)
    with err.status("drawing the report"):
        body = page.render(home.warehouse(settings), objects)
    objects.replace(page.OBJECT, body)
    # Not by rich: a path has to come out as it is.
    print(objects.address(page.OBJECT))
