"""The terminal: every command of `predictit`, and the made-up APIs under `predictit sample`."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from importlib.metadata import version
from ipaddress import IPv4Network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from pydantic import SecretStr
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text

from predictit_assets.errors import (
    ExpectedError,
    FetchError,
    NothingHeld,
    NothingPublished,
    SettingsError,
    fault_of_surroundings,
)
from predictit_assets.sample.commands import app as sample_app
from predictit_assets.settings import Settings, WarehouseHome, load_settings
from predictit_assets.sources import SOURCES, Enabled, enabled, load
from predictit_assets.terminal import Terminal, err, out, say, say_path, take_every_character
from predictit_assets.text import printable

if TYPE_CHECKING:
    import dagster as dg

    from predictit_assets.contract.calendar import Calendar
    from predictit_assets.layers.intake import Intake
    from predictit_assets.storage.payloads import StoredPayload

LOOK, BRING, MAKE, KEEP = "Look", "Bring payloads in", "Build and read", "Keep house"
"""The panels of the help, in this order."""
app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",  # joins the lines of a paragraph
    pretty_exceptions_enable=False,
    help=(
        "Keep what public APIs forget, and make history of it that can be asked.\n\n"
        "To begin without internet: `predictit sample demo`. With it: `predictit sources` says "
        "what there is and what each still needs; then `predictit poll`, `predictit build` and "
        "`predictit report --open`. PREDICTIT_SOURCES says which sources are on."
    ),
)
app.add_typer(sample_app, name="sample", rich_help_panel=LOOK)
MOST_RANGES = 4
"""Ranges of days that a line spells out."""
INTERRUPTED = 130
"""The exit code that Typer makes of a KeyboardInterrupt."""
DEBUG = "PREDICTIT_DEBUG"
"""The variable that lets faults of the surroundings keep their tracebacks."""

SourceName = Annotated[str, typer.Argument(help=f"one of {', '.join(SOURCES)}")]
SourceNames = Annotated[
    list[str] | None,
    typer.Argument(metavar="SOURCE", help="which sources; default: all that are on"),
]
From = Annotated[
    str, typer.Option("--from", metavar="DAY", help="first day: YYYY-MM-DD, today or yesterday")
]
To = Annotated[str, typer.Option("--to", metavar="DAY", help="last day")]


def _print_version(asked: bool) -> None:
    if asked:
        say(f"predictit {version('predictit_assets')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    pass


def main() -> NoReturn:
    """Run the command line; what is expected to fail does so in one line, with exit code 1."""
    take_every_character()
    _add_commands_of_sources()
    try:
        app()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 0
    except BrokenPipeError:  # whoever reads has gone: said below
        code = 1
    except Exception as error:
        fault = fault_of_surroundings(error)
        if fault is None or (os.environ.get(DEBUG) and not isinstance(error, ExpectedError)):
            raise
        _error(fault)
        code = 1
    if code == INTERRUPTED:
        _log("interrupted; nothing is lost: the same command goes on where it stopped")
    try:
        sys.stdout.flush()
        sys.exit(code)
    except BrokenPipeError:  # such as `predictit sources | head`
        pass
    except OSError as error:
        _error(f"the output can't be written: {error.strerror or error}")
        code = 1
    # Python would complain of what couldn't be written once more when it ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def _add_commands_of_sources() -> None:
    """What only one source adds to the terminal: COMMANDS in the commands.py of two folders.

    Those of products/ stand beside the others, those of fake/ under `predictit sample`.
    """
    for name in SOURCES:
        for part, terminal in (("products", app), ("fake", sample_app)):
            # Looked for as a file: where there is none, nothing of the source is imported.
            if (Path(__file__).parent / "sources" / name / part / "commands.py").is_file():
                module = import_module(f"predictit_assets.sources.{name}.{part}.commands")
                for command in module.COMMANDS:
                    panel = MAKE if terminal is app else None
                    terminal.command(rich_help_panel=panel)(command)


def _log(text: str) -> None:
    err.print(printable(text), highlight=False, soft_wrap=True, markup=False)


def _error(text: str) -> None:
    err.print(Text.assemble(("error: ", "red"), printable(text)), soft_wrap=True)


def _warn(text: str) -> None:
    err.print(Text.assemble(("warning: ", "yellow"), printable(text)), soft_wrap=True)


def _day(text: str, calendar: "Calendar") -> date | None:
    """A day of a calendar as people write it. Raises ExpectedError."""
    from datetime import timedelta

    if not text:
        return None
    if text in ("today", "yesterday"):
        return calendar.today() - timedelta(days=text == "yesterday")
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ExpectedError(f"{text!r} is no day: YYYY-MM-DD, today or yesterday") from None


def _bounds(first: str, last: str, calendar: "Calendar") -> tuple[date | None, date | None]:
    """The days of --from and --to. Raises ExpectedError."""
    begin, end = _day(first, calendar), _day(last, calendar)
    if begin and end and begin > end:
        raise ExpectedError(f"--from {begin} is after --to {end}")
    return begin, end


@contextmanager
def _progress(doing: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    """A progress bar on the terminal."""
    columns = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()]
    # Dagster redirects standard error into its logs while a step runs: draw on a copy of it.
    copy, encoding = os.dup(sys.stderr.fileno()), sys.stderr.encoding
    with os.fdopen(copy, "w", encoding=encoding, errors="backslashreplace") as terminal:
        console = Terminal(file=terminal)
        with Progress(*columns, TimeElapsedColumn(), console=console, transient=True) as progress:
            yield progress, progress.add_task(doing, total=total)


def _source(name: str) -> Enabled:
    """A source by name, on or off. Raises SettingsError."""
    (one,) = enabled([name], load_settings().sources)
    return one


def _intakes(settings: Settings, on: Enabled) -> "list[Intake]":
    from predictit_assets import factory

    return [factory.intake(settings, on, dataset) for dataset in on.source.datasets]


@app.command(rich_help_panel=LOOK)
def sources() -> None:
    """List all sources, on or off, with what each still needs."""
    settings = load_settings()
    for name in SOURCES:
        source = load(name)
        state = "on" if name in settings.sources else "off"
        try:
            missing = source.settings.load().missing()
        except SettingsError as error:
            missing = [str(error)]
        needs = f"needs {' and '.join(missing)}" if missing else "ready"
        # The columns stay what they are: folding white space would move them.
        line = f"{name:<12} {state:<4} {source.title}; {source.calendar.zone}; {needs}"
        out.print(line, highlight=False, soft_wrap=True, markup=False)
        if state == "on" and not missing:
            for word, sentence in _asking(settings, name):
                line = f"{'':<12} {word:<7} {sentence}"
                out.print(line, highlight=False, soft_wrap=True, markup=False)
    _log("PREDICTIT_SOURCES says which are on, separated by commas; all: every one.")


def _asking(settings: Settings, name: str) -> Iterator[tuple[str, str]]:
    """What a source is asked for, a word and a sentence each: its plan, its calls, what is due."""
    from datetime import UTC, datetime

    from predictit_assets import factory
    from predictit_assets.contract.arrival import ByDay
    from predictit_assets.contract.calendar import spelt

    on = _source(name)
    if plan := on.settings.plan_text():
        yield "plan", plan
    limit = factory.rate_limit(settings, on)
    now = datetime.now(UTC)
    if limit and limit.a_month is not None:
        left = max(0, limit.a_month - limit.spent(now))
        polls = f", {limit.polls_to_come(now):,} of them for polls to come" * bool(limit.for_polls)
        yield (
            "calls",
            f"{limit.spent(now):,} of {limit.a_month:,} of {now:%Y-%m} (UTC) are spent, "
            f"{left:,} are left{polls}",
        )
    for intake in _intakes(settings, on):
        if not intake.way(ByDay):
            continue
        try:
            due = intake.due()
        except Exception as error:  # the list of sources is told all the same
            fault = fault_of_surroundings(error)
            if fault is None:
                raise
            days = f"unknown: {fault}"
        else:
            days = f"{len(due)} days: {spelt(due, MOST_RANGES)}" if due else "nothing"
        yield "due", f"{intake.stream.dataset.name}: {days}"


@app.command(rich_help_panel=LOOK)
def status(names: SourceNames = None) -> None:
    """Tell what is held of each source, what waits, what is published and what is to build."""
    from datetime import UTC, datetime

    from predictit_assets import factory
    from predictit_assets.status import status as look

    settings = load_settings()
    warehouse = factory.warehouse(settings, patience=0)
    say(f"objects in {factory.objects(settings).address('')}")
    if serving := factory.serving(settings):
        say(f"served from {serving.place}")
    for on in enabled(names or settings.sources, settings.sources):
        say("")
        say(f"{on.name}: {on.source.title}")
        found = look(on, factory.streams(settings, on), warehouse)
        for word, sentence in found.lines(datetime.now(UTC)):
            line = f"  {word:<11} {sentence}"
            out.print(line, highlight=False, soft_wrap=True, markup=False)


@app.command(rich_help_panel=BRING)
def poll(source: SourceName = SOURCES[0]) -> None:
    """Ask an API what is true now, and keep the answer in landing."""
    from predictit_assets import factory
    from predictit_assets.contract.arrival import Polled

    settings = load_settings()
    on = _source(source)
    polled = [intake for intake in _intakes(settings, on) if intake.way(Polled)]
    if not polled:
        raise ExpectedError(f"{source} isn't polled: {_ways_in(on)}")
    client = factory.client(settings, on, _log)
    failures = []
    for intake in polled:
        answers: list[StoredPayload | None] = []
        try:
            with err.status(f"asking {escape(on.settings.api_url)}"):
                answers.extend(intake.poll(client))
        except FetchError as error:  # the other datasets are asked all the same
            failures.append(str(error))
        for landed in answers:
            if landed:
                say(f"landed {landed.key} ({landed.size:,} bytes): {_told(intake, landed)}")
            else:
                say("the answer is held already")
    if failures:
        raise ExpectedError("; ".join(dict.fromkeys(failures)))


def _ways_in(on: Enabled) -> str:
    """The commands that bring in payloads of a source."""
    from predictit_assets.contract.arrival import ByDay, Dropped, PerEntity, Polled, Pushed

    ways = [way for dataset in on.source.datasets for way in dataset.arrivals]
    commands = {
        "poll": any(isinstance(way, Polled) for way in ways),
        "fetch": any(isinstance(way, ByDay | PerEntity) for way in ways),
        "import": any(isinstance(way, Dropped | Pushed) for way in ways),
        "collect": any(isinstance(way, Pushed) and way.endpoint for way in ways),
    }
    able = [
        f"`predictit {command} {on.name}{' PATH' * (command == 'import')}`"
        for command, is_one in commands.items()
        if is_one
    ]
    return f"{' or '.join(able)} brings some in" if able else "it has no way in here"


def _told(intake: "Intake", landed: "StoredPayload") -> str:
    """What a payload that was just landed holds, or why it will be quarantined."""
    from predictit_assets.contract.payload import InvalidPayload

    try:
        loaded = intake.stream.payloads.load(landed)
        if loaded is None:
            return "it has moved on"
        found = intake.stream.dataset.validate(loaded.payload)
    except InvalidPayload as fault:
        return f"it will be quarantined: {fault}"
    counted = [f"{number:,} {what}" for what, number in found.counts.items()]
    if intake.stream.dataset.rejects:
        counted.append(f"{found.rejected:,} rejected rows")
    return ", ".join(counted) or "it is sound"


@app.command(rich_help_panel=BRING)
def fetch(source: SourceName = SOURCES[0], first: From = "", last: To = "") -> None:
    """Ask an API for what is due or missing, and keep the answers in landing.

    Of an API with a past these are days that are due, within the bounds asked for; of others what
    published tables name and nobody asked about yet. Each answer is kept at once: the command can
    be interrupted at any call, and goes on where it stopped.
    """
    settings = load_settings()
    on = _source(source)
    asked = False
    failures = []
    for intake in _intakes(settings, on):
        try:
            asked |= _fetch(settings, on, intake, first, last)
        except FetchError as error:  # the other datasets are asked all the same
            failures.append(str(error))
    if failures:
        raise ExpectedError("; ".join(dict.fromkeys(failures)))
    if not asked:
        raise ExpectedError(f"{source} has nothing to fetch: {_ways_in(on)}")


def _fetch(settings: Settings, on: Enabled, intake: "Intake", first: str, last: str) -> bool:
    """Ask for what a dataset wants; False when it wants nothing."""
    from predictit_assets import factory
    from predictit_assets.contract.arrival import ByDay, Dropped, PerEntity
    from predictit_assets.contract.calendar import DayRange

    name = intake.stream.dataset.name
    then = f": `predictit build {on.name}` publishes what they say"
    asked = False
    if intake.way(ByDay):
        asked = True
        days = intake.stream.days
        begin, end = _bounds(first, last, intake.stream.calendar)
        window = DayRange(max(begin or days.first, days.first), min(end or days.last, days.last))
        result = intake.ask_due(_log, window.days if first or last else None)
        for day, refusal in result.refused.items():
            _warn(f"{day} is refused: {refusal}")
        for day, fault in result.failed.items():
            _warn(f"{day} failed and stays due: {fault}")
        left = f"; {len(result.left)} days stay due" if result.left else ""
        say(
            f"{name}: {len(result.asked)} days asked in {result.calls} calls, "
            f"{result.landed} answers landed{left}{then if result.landed else ''}"
        )
    if intake.way(PerEntity):
        asked = True
        rows = intake.pending(factory.warehouse(settings))
        replies = []
        with _progress("asking", len(rows)) as (progress, task):
            for reply in intake.ask_pending(rows, _log):
                replies.append(reply)
                progress.advance(task)
        landed = sum(reply.stored is not None for reply in replies)
        nothing = [reply.fault for reply in replies if reply.fault]
        said = f", {len(nothing)} said nothing ({nothing[0]})" if nothing else ""
        useful = any(reply.stored and not reply.fault for reply in replies)
        say(f"{name}: {landed} answers landed{said}{then if useful else ''}")
    dropped = intake.way(Dropped)
    if dropped and dropped.url(on.settings):
        asked = True
        results = intake.fetch_address(_log)
        for one in results:
            if one.refused:
                _log(f"refused: {one.file}: {one.refused}")
        say(f"{name}: {sum(one.landed for one in results)} files landed")
    return asked


@app.command("import", rich_help_panel=BRING)
def import_(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="[SOURCE] PATH", help="a folder of payloads, at any depth, a zip, or one file"
        ),
    ],
    dataset: Annotated[str, typer.Option(help="whose payloads, where a source has several")] = "",
) -> None:
    """Land an archive of saved payloads, each under its own capture time or day.

    Safe to repeat and to interrupt.
    """
    if len(arguments) > 2:
        raise ExpectedError("say the source, if you like, and one path")
    *named, path = arguments
    settings = load_settings()
    on = _source(named[0] if named else SOURCES[0])
    intakes = [
        intake
        for intake in _intakes(settings, on)
        if intake.files and dataset in ("", intake.stream.dataset.name)
    ]
    if not intakes:
        raise ExpectedError(f"{on.name} takes no files" + (f" of {dataset}" if dataset else ""))
    intake, *others = intakes
    if others:
        names = ", ".join(one.stream.dataset.name for one in intakes)
        raise ExpectedError(
            f"several datasets of {on.name} take files: --dataset says which ({names})"
        )
    imported = []
    with _progress("importing", None) as (progress, task):
        for one in intake.import_path(Path(path), lambda total: progress.update(task, total=total)):
            imported.append(one)
            progress.advance(task)
    landed = sum(one.landed for one in imported)
    refused = [one for one in imported if one.refused]
    say(
        f"{landed} landed, {len(imported) - landed - len(refused)} already there, "
        f"{len(refused)} refused"
    )
    for one in refused:
        _log(f"refused: {one.file}: {one.refused}")
    if refused:
        raise ExpectedError(f"{len(refused)} of {len(imported)} files were refused")


@app.command(rich_help_panel=BRING)
def collect(
    source: Annotated[
        str, typer.Argument(help="which source's; default: the one that is collected")
    ] = "",
) -> None:
    """Take what clients post, until interrupted. An answer of 200 means that it is on disk.

    What was taken waits in a spool and is landed in batches, each as one object. Once a minute the
    log tells how many requests were answered, and how.
    """
    from predictit_assets import factory
    from predictit_assets.fetch.collector import PortUnusable
    from predictit_assets.fetch.collector import collect as run

    settings = load_settings()
    names = [source] if source else dict.fromkeys((*settings.sources, *SOURCES))
    found = ((on, factory.collected(settings, on)) for on in map(_source, names))
    on, collected = next(((on, one) for on, one in found if one), (None, None))
    if on is None or collected is None:
        takes = f"{source} takes nothing" if source else "no source takes anything"
        raise ExpectedError(f"{takes} that is posted")
    what, spool = collected
    with spool:
        if left := len(spool.closed()):
            _log(f"{left:,} segments of an earlier collector are landed first")
        try:
            run(what, spool, _log, lambda where, _: say(f"collecting {on.name} at {where}"))
        except PortUnusable as fault:
            host, port = on.settings.variable("host"), on.settings.variable("port")
            raise ExpectedError(f"{fault}: {port} or {host} names another") from None


@app.command(rich_help_panel=MAKE)
def build(
    names: SourceNames = None,
    first: From = "",
    last: To = "",
    missing: Annotated[
        bool, typer.Option("--missing", help="only days that hold what isn't published yet")
    ] = False,
) -> None:
    """Build every layer, from what was landed to what is published.

    Without options every day that the store holds is built, all of them in one run, recorded in the
    Dagster instance. No API is asked.
    """
    settings = load_settings()
    on = enabled(settings.sources)
    chosen = [one for one in on if not names or one.name in names]
    if off := sorted(set(names or ()) - {one.name for one in on}):
        for name in off:
            load(name)  # an unknown name is told as such
        with_them = ",".join(name for name in SOURCES if name in (*settings.sources, *off))
        raise ExpectedError(
            f"{', '.join(off)}: off; PREDICTIT_SOURCES says which are on: "
            f"PREDICTIT_SOURCES={with_them} has it too"
        )
    held = {}
    nothing = []
    for one in chosen:
        try:
            held[one.name] = _days_to_build(settings, one, first, last, missing)
        except NothingHeld as reason:  # the other sources may hold something
            held[one.name] = []
            nothing.append(str(reason))
    if not any(held.values()):
        if missing and not nothing:
            say("nothing is missing: what is held is published")
            return
        if nothing:
            raise NothingHeld("; ".join(nothing))
        _nothing_held(settings, chosen)
    for text in nothing:
        _log(text)
    with err.status("loading the code location"):
        from predictit_assets.instance.loading import load_definitions

        definitions = load_definitions(settings)
        from predictit_assets.instance.runs import open_instance

        instance = open_instance(settings)
    failures = []
    with instance:
        for one in chosen:
            days = held[one.name]
            failures += _build_all(definitions, instance, one.name, days, settings)
        failures += _build_index(settings, on, instance)
    from predictit_assets.report.index import INDEX

    for name in (*(one.name for one in chosen), INDEX):
        if page := _report_page(settings, name):
            say(f"report {page}")
    if failures:
        raise ExpectedError("; ".join(failures))


def _build_index(
    settings: Settings, on: Sequence[Enabled], instance: "dg.DagsterInstance"
) -> list[str]:
    """Write the index of the reports, if there are any; returns why it failed, a sentence."""
    from predictit_assets import factory
    from predictit_assets.layers.index import report_index
    from predictit_assets.report.index import card_of

    if not any(_renders(one) for one in on):
        return []
    cards = {one.name: card_of(one.source) for one in on}
    objects, warehouse = factory.objects(settings), factory.warehouse(settings)
    try:
        report_index(instance, settings.asset_names, cards, objects, warehouse)
    except ExpectedError as error:
        return [f"the index of the reports: {error}"]
    return []


def _report_page(settings: Settings, name: str) -> str | None:
    """Where the page of a source lies, or the index of all, if it is there."""
    from predictit_assets import factory
    from predictit_assets.layers.report import report_object

    objects = factory.objects(settings)
    key = report_object(name)
    return objects.address(key) if objects.exists(key) else None


def _build_all(
    definitions: "dg.Definitions",
    instance: "dg.DagsterInstance",
    source: str,
    held: Sequence[date],
    settings: Settings,
) -> list[str]:
    """Build the days of which something is held; returns why some failed, a sentence each."""
    from predictit_assets.build import build_job_name
    from predictit_assets.contract.calendar import DayRange, spans, without
    from predictit_assets.instance.runs import BuildFailed, run_build
    from predictit_assets.instance.runs import Progress as Step

    failures: list[str] = []
    today = load(source).calendar.today()
    windows = spans([day for day in held if day <= today], settings.days_a_run)
    # A clock that was ahead made them up: no range goes on to there.
    windows += [DayRange(day, day) for day in held if day > today]
    while windows:
        window = windows.pop(0)
        with _progress(f"{source} {window}", None) as (progress, task):

            def show(step: Step) -> None:
                progress.update(
                    task,
                    total=step.steps,
                    completed=step.done,
                    description=f"{window}: {step.doing:.60}",  # noqa: B023
                )

            try:
                built = run_build(definitions, instance, build_job_name(source), window, show)
            except BuildFailed as failure:
                failures.append(str(failure))
                if failure.bad_days:  # one bad day takes no good ones with it
                    windows = without(window, failure.bad_days, held) + windows
                continue
        made = sum(day in window for day in held)
        holes = f", {made} days that hold payloads" if made < len(window.days) else ""
        published = load(source).published
        names = settings.asset_names
        key = "/".join(names.key("core", source, published.table)) if published else ""
        rows = f"; {built.rows[key]:,} rows in {key}" if key in built.rows else ""
        say(f"built {source} {window}{holes}{rows}")
        for warning in built.warnings:
            _warn(warning)
    return failures


def _days_to_build(
    settings: Settings, on: Enabled, first: str, last: str, only_missing: bool
) -> list[date]:
    """What to build of a source: the days that hold something, within the bounds asked for."""
    from predictit_assets import factory
    from predictit_assets.contract.calendar import DayRange, spelt

    begin, end = _bounds(first, last, on.source.calendar)
    streams = factory.streams(settings, on)
    days = sorted({day for stream in streams for day in stream.known_days()})
    held = [day for day in days if day >= on.settings.start]
    if early := len(days) - len(held):
        verb = "day is" if early == 1 else "days are"
        start = f"{on.settings.variable('start')}={on.settings.start}"
        _log(f"{early} {verb} left out: before {start}")
    if not held:
        return []
    asked = DayRange(begin or held[0], end or held[-1])
    chosen = [day for day in held if day in asked]
    if not chosen:
        wanted = (
            str(asked) if begin and end else f"{begin} or later" if begin else f"{end} or earlier"
        )
        raise NothingHeld(
            f"no payload of {on.name} of {wanted} is held; {held[0]} to {held[-1]} are"
        )
    missing = set(asked.days) - set(days)
    if missing and (first or last):
        _log(f"nothing is held of {spelt(missing)}")
    if only_missing and not on.source.published:
        _log(f"{on.name} has no table that tells which of its days are published: all are built")
    elif only_missing:
        from predictit_assets.status import status as look

        found = look(on, streams, factory.warehouse(settings))
        if found.unknown:
            raise ExpectedError(f"what is missing of {on.name} can't be told: {found.unknown}")
        return [day for day in chosen if day in found.to_build]
    return chosen


def _nothing_held(settings: Settings, chosen: Sequence[Enabled]) -> NoReturn:
    from predictit_assets import factory

    place = factory.objects(settings).address("")
    names = ", ".join(one.name for one in chosen)
    raise NothingHeld(
        f"{place} holds no payload of {names}: `predictit poll` or `predictit fetch` asks for "
        "some, `predictit import PATH` brings in saved ones"
    )


@app.command(rich_help_panel=KEEP)
def expire(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="only tell what would go, and change nothing")
    ] = False,
) -> None:
    """Delete what the settings let expire, as the Dagster schedule `housekeeping` does.

    PREDICTIT_EXPIRE_LANDING_DAYS, _QUARANTINE_DAYS and _RAW_DAYS say which payloads,
    PREDICTIT_KEEP_RUNS_DAYS what the Dagster instance remembers.
    """
    from predictit_assets import factory
    from predictit_assets.storage import retention

    settings = load_settings()
    streams = [
        stream for on in enabled(settings.sources) for stream in factory.streams(settings, on)
    ]

    def log(expired: retention.Expired) -> None:
        say(str(expired))

    retention.expire(streams, settings, log, dry_run)
    if not retention.limits(settings):
        say("payloads are kept for ever")
    if settings.runs_kept_days:
        with err.status("loading the code location"):
            from predictit_assets.instance.cleanup import prune
            from predictit_assets.instance.loading import load_definitions
            from predictit_assets.instance.runs import open_instance

            keys = load_definitions(settings).resolve_all_asset_keys()
        with open_instance(settings) as instance:
            pruned = prune(instance, settings.runs_kept_days, keys, dry_run)
        say(f"Dagster: {pruned}")


@app.command("setup-warehouse", rich_help_panel=KEEP)
def setup_warehouse(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="print the SQL, for an administrator to run")
    ] = False,
    administrator: Annotated[
        str, typer.Option("--as", metavar="USER", help="the administrator who logs in")
    ] = "",
    key: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="that user's private key; without it a browser asks"
        ),
    ] = None,
    role: Annotated[
        str, typer.Option(help="who may create databases, users and integrations")
    ] = "ACCOUNTADMIN",
    public_key: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            dir_okay=False,
            help="the pipeline's; default: that of its private key in the environment",
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(metavar="CIDR", help="from where the pipeline may log in; may be repeated"),
    ] = None,
    credits_a_month: Annotated[
        int,
        typer.Option("--credits", min=0, help="a month, then both warehouses are suspended"),
    ] = 0,
) -> None:
    """Make what the pipeline needs in Snowflake: user, roles, database, stage. Safe to repeat.

    An administrator runs it with a login of their own; the pipeline's user is made by it. --dry-run
    prints every statement instead, and logs in nowhere.
    """
    from predictit_assets import factory

    settings = load_settings(login=False)
    if settings.warehouse is not WarehouseHome.SNOWFLAKE:
        say("nothing to set up: DuckDB's file is made by `predictit build`")
        return
    from predictit_assets.storage import snowflake_setup as setup

    tables = {
        table: schema
        for on in enabled(settings.sources)
        for stream in factory.streams(settings, on)
        for table, schema in stream.tables.items()
    }
    options = setup.Options(
        role=role,
        public_key=public_key.read_text() if public_key else "",
        allowed=[_network(one) for one in allow or ()],
        credits_a_month=credits_a_month,
    )
    if dry_run:
        for line in setup.setup_script(settings, tables, options).splitlines():
            out.print(line, soft_wrap=True, highlight=False, markup=False)
        return
    if not administrator:
        raise ExpectedError("setup-warehouse logs in as an administrator: --as USER [--key FILE]")
    who = setup.Administrator(administrator, key, _passphrase(key))
    with err.status(f"setting up {settings.snowflake_database}"):
        trusted = setup.set_up(settings, who, tables, options)
    say(f"{settings.snowflake_database} is set up")
    say("the trust policy of the storage role has to name:")
    for name, value in trusted.items():
        say(f"  {name} {value}")
    say("people who read get the first of these roles, who build by hand the second:")
    for kind in ("READER", "WRITER"):
        say(f"  grant role {settings.snowflake_database}_{kind} to user ...")


def _network(text: str) -> IPv4Network:
    try:
        return IPv4Network(text)
    except ValueError as error:
        raise ExpectedError(f"--allow {text}: {error}") from None


def _passphrase(key_file: Path | None) -> SecretStr:
    """The passphrase of a key, asked for without echo if it has one."""
    if not key_file or b"ENCRYPTED" not in key_file.read_bytes():
        return SecretStr("")
    return SecretStr(typer.prompt(f"passphrase of {key_file}", hide_input=True, err=True))


@app.command(rich_help_panel=MAKE)
def report(
    source: Annotated[
        str,
        typer.Argument(help="whose page; default: all that are on, and the index that leads there"),
    ] = "",
    show: Annotated[bool, typer.Option("--open", help="open it in a browser too")] = False,
) -> None:
    """Write the page about what is published of a source: one HTML file that loads nothing.

    Without a source: the pages of all that are on. The last line is what --open opens: the page,
    where only one was written, else the index.
    """
    from predictit_assets import factory
    from predictit_assets.layers.index import render_index
    from predictit_assets.layers.report import report_object
    from predictit_assets.report.index import INDEX, card_of

    settings = load_settings()
    on = enabled(settings.sources)
    chosen = [_source(source)] if source else [one for one in on if _renders(one)]
    if source and not _renders(chosen[0]):
        raise ExpectedError(f"{source} has no report")
    if not chosen:
        raise ExpectedError("no source that is on has a report; PREDICTIT_SOURCES says which are")
    objects, warehouse = factory.objects(settings), factory.warehouse(settings)
    written, nothing = [], []
    with err.status("drawing the report"):
        for one in chosen:
            try:
                body = import_module(one.source.products).render_report(warehouse, objects)
            except (NothingHeld, NothingPublished) as reason:  # others may hold something
                nothing.append(reason)
                continue
            objects.replace(report_object(one.name), body)
            written.append(objects.address(report_object(one.name)))
        if written:
            cards = {one.name: card_of(one.source) for one in on}
            objects.replace(report_object(INDEX), render_index(cards, objects, warehouse))
    if not written:
        raise nothing[0]
    for fault in nothing:
        _log(str(fault))
    if len(written) > 1:
        written.append(objects.address(report_object(INDEX)))
    for page in written:
        say_path(page)
    if show:
        typer.launch(written[-1])


def _renders(on: Enabled) -> bool:
    """Whether a source has a page."""
    return bool(on.source.products) and hasattr(import_module(on.source.products), "render_report")
