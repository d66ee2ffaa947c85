"""The command line as people meet it: real processes, real files, a made-up PredictIt."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import nullcontext
from datetime import UTC, date, datetime, timedelta
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import pytest
from conftest import steps_begun
from contract.rivers import RIVERS

from predictit_assets import cli, factory
from predictit_assets import settings as settings_module
from predictit_assets import sources as sources_module
from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.contract.payload import Payload
from predictit_assets.contract.source import Source
from predictit_assets.errors import ExpectedError, NothingHeld, SettingsError
from predictit_assets.instance import loading, runs
from predictit_assets.sample.server import SampleServer
from predictit_assets.sources import SOURCES
from predictit_assets.sources.predictit.ask import EASTERN

PREDICTIT = str(Path(sys.executable).with_name("predictit"))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def environment(home: Path, **settings: str) -> dict[str, str]:
    others = {
        name: value for name, value in os.environ.items() if not name.startswith("PREDICTIT_")
    }
    own = {"PREDICTIT_HOME": str(home), "DAGSTER_HOME": "", "COLUMNS": "100"}
    return others | own | {f"PREDICTIT_{name.upper()}": value for name, value in settings.items()}


def predictit(home: Path, *args: str, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [PREDICTIT, *args],
        env=environment(home, **settings),
        capture_output=True,
        text=True,
        check=False,
    )


def assert_one_clear_line(run: subprocess.CompletedProcess[str], *says: str) -> None:
    """It failed, with one line and no traceback."""
    assert run.returncode == 1, run.stdout + run.stderr
    lines = [line for line in run.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, run.stderr
    assert "Traceback" not in run.stderr
    for text in says:
        assert text in lines[0]


def imported(run: subprocess.CompletedProcess[str]) -> set[str]:
    """The packages that a command imported, when Python was asked to tell."""
    told = [line for line in run.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in told}


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize(
    "command",
    [
        [],
        ["sources"],
        ["poll"],
        ["fetch"],
        ["import"],
        ["build"],
        ["expire"],
        ["board"],
        ["report"],
        ["setup-warehouse"],
        ["sample"],
    ],
)
def test_every_command_helps(home: Path, command: list[str]) -> None:
    run = predictit(home, *command, "--help")
    assert run.returncode == 0
    assert "Usage" in run.stdout


def test_whoever_types_nothing_is_told_where_to_begin(home: Path) -> None:
    told = predictit(home).stdout
    assert "predictit sample demo" in " ".join(told.split())
    panels = [told.index(panel) for panel in (cli.LOOK, cli.BRING, cli.MAKE, cli.KEEP)]
    assert panels == sorted(panels)


def test_the_version_is_that_of_the_package(home: Path) -> None:
    assert predictit(home, "--version").stdout == f"predictit {version('predictit_assets')}\n"


def test_poll_build_and_board(
    home: Path, feed: SampleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One made-up poll goes the whole road, and is recorded in the Dagster instance."""
    polled = predictit(home, "poll", api_url=feed.url)
    assert re.search(r"landed landing/predictit/market_data/date=\S+\.json\.gz", polled.stdout)

    built = predictit(home, "build", "--from", "today", "--to", "today")
    assert built.returncode == 0, built.stderr
    assert built.stdout.startswith("built predictit ")

    board = predictit(home, "board", "--markets", "100", "--contracts", "100")
    assert board.returncode == 0, board.stderr
    assert "implied" in board.stdout
    assert "www.example.org" in board.stdout

    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    for command in (["board"], ["board", "--json"], ["board", "--csv"], ["report"]):
        told = predictit(home, *command)
        assert (told.returncode, told.stderr) == (0, "")
        assert told.stdout.isascii()
        assert len(told.stdout.splitlines()) > (command != ["report"])
    monkeypatch.delenv("PYTHONIOENCODING")

    missing = predictit(home, "build", "--missing")
    assert (missing.returncode, missing.stdout.split(":")[0]) == (0, "nothing is missing")

    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        (run,) = instance.get_runs()
        assert (run.job_name, run.status) == ("build_predictit", dg.DagsterRunStatus.SUCCESS)
        assert dg.AssetKey(["core", "predictit", "fact_prices"]) in instance.all_asset_keys()

    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    heavy = {"dagster", "dbt", "snowflake"}
    schemas = {"ibis", "numpy", "pandas", "pandera", "pyarrow"}  # a declaration names its tables
    for arguments, unwanted in (
        (["poll"], heavy | {"duckdb"}),
        (["board", "--json"], heavy | schemas),
    ):
        quick = predictit(home, *arguments, api_url=feed.url, poll_interval="0")
        assert quick.returncode == 0, quick.stderr
        assert "predictit_assets" in imported(quick)
        assert not imported(quick) & unwanted


def test_an_interrupted_build_says_so_and_goes_on_later(home: Path, feed: SampleServer) -> None:
    assert predictit(home, "poll", api_url=feed.url).returncode == 0
    for step in ("curated_predictit_market_data", "core_predictit", "check_core_predictit"):
        # Whoever started the tests may have told them to ignore interrupts.
        code = (
            "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from predictit_assets.cli import main; main()"
        )
        started = time.time()
        build = subprocess.Popen(
            [sys.executable, "-c", code, "build"],
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        while step not in steps_begun(home, started):
            assert build.poll() is None
            time.sleep(0.01)
        build.send_signal(signal.SIGINT)
        out, err = build.communicate(timeout=60)
        assert build.returncode == 130, err
        assert (out, err.strip()) == (
            "",
            "interrupted; nothing is lost: the same command goes on where it stopped",
        )
    assert predictit(home, "build").returncode == 0
    with dg.DagsterInstance.from_config(str(home / "dagster")) as instance:
        ended = [run.status for run in instance.get_runs()]
    canceled, succeeded = dg.DagsterRunStatus.CANCELED, dg.DagsterRunStatus.SUCCESS
    assert ended == [succeeded, canceled, canceled, canceled]


def test_a_command_that_is_interrupted_ends_with_130_and_one_line(
    home: Path, feed: SampleServer
) -> None:
    feed.fail_with("drip")
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from predictit_assets.cli import main; main()"
    )
    poll = subprocess.Popen(
        [sys.executable, "-c", code, "poll"],
        env=environment(home, api_url=feed.url),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not feed.requests:
        assert poll.poll() is None
        time.sleep(0.01)
    poll.send_signal(signal.SIGINT)
    out, err = poll.communicate(timeout=60)
    assert (poll.returncode, out) == (130, "")
    assert err.strip().splitlines()[-1].startswith("interrupted; nothing is lost")
    assert "Traceback" not in err


@pytest.mark.parametrize("args", [["sources"], ["--help"], ["sample", "--help"]])
def test_a_reader_that_hangs_up_is_no_error_to_complain_of(home: Path, args: list[str]) -> None:
    """As `predictit sources | head -0` does."""
    reading, writing = os.pipe()
    os.close(reading)
    run = subprocess.run(
        [PREDICTIT, *args],
        env=environment(home),
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writing)
    assert "Traceback" not in run.stderr
    assert "Broken" not in run.stderr


def test_nothing_is_fetched_while_no_row_lacks_an_answer(home: Path) -> None:
    run = predictit(home, "fetch")
    assert (run.returncode, run.stdout) == (0, "closed_markets: 0 answers landed\n")
    assert predictit(home, "fetch", "predictit").stdout == run.stdout


def test_the_page_of_a_source_is_written_where_the_command_says(
    home: Path, feed: SampleServer
) -> None:
    assert_one_clear_line(predictit(home, "report"), "predictit build")
    predictit(home, "poll", "predictit", api_url=feed.url)
    assert predictit(home, "build", "predictit").returncode == 0
    pages = home / "objects" / "report"
    assert (pages / "index.html").exists()
    for name in ("predictit.html", "index.html"):
        (pages / name).unlink()
    for page in (predictit(home, "report"), predictit(home, "report", "predictit")):
        assert page.returncode == 0, page.stderr
        assert Path(page.stdout.strip()).read_bytes().rstrip().endswith(b"</html>")
    assert b'href="predictit.html"' in (pages / "index.html").read_bytes()

    # What is on and holds nothing costs no other its page.
    several = predictit(home, "report", sources="predictit,orders")
    assert several.returncode == 0, several.stderr
    assert several.stdout.split() == [str(pages / "predictit.html")]
    assert "nothing is published yet" in several.stderr
    index = (pages / "index.html").read_text()
    assert "<code>predictit build orders</code>" in index


def test_two_polls_within_the_interval_are_kept_apart(home: Path, feed: SampleServer) -> None:
    for _ in range(2):
        assert predictit(home, "poll", api_url=feed.url, poll_interval="3").returncode == 0
    first, second = feed.requests
    assert second.monotonic - first.monotonic > 2.9


def test_an_api_that_cannot_be_reached(home: Path) -> None:
    run = predictit(home, "poll", api_url=f"http://127.0.0.1:{unused_port()}")
    assert_one_clear_line(run, "can't be read", "Connection refused")


def test_an_answer_that_is_a_page(home: Path, feed: SampleServer) -> None:
    feed.fail_with("html")
    run = predictit(home, "poll", api_url=feed.url)
    assert_one_clear_line(run, "answered 200 with a page")
    assert not list(home.glob("objects/**/*.gz"))


def test_unknown_settings_name_the_known_ones(home: Path) -> None:
    run = predictit(home, "build", warehouse="oracle")
    assert_one_clear_line(run, "PREDICTIT_WAREHOUSE='oracle'", "'duckdb'")


def test_a_bad_date(home: Path) -> None:
    run = predictit(home, "build", "--from", "2026-13-01")
    assert_one_clear_line(run, "2026-13-01", "YYYY-MM-DD, today or yesterday")


def test_a_range_that_ends_before_it_begins(home: Path) -> None:
    run = predictit(home, "build", "--from", "2026-01-02", "--to", "2026-01-01")
    assert_one_clear_line(run, "--from 2026-01-02 is after --to 2026-01-01")


def test_nothing_to_build(home: Path) -> None:
    assert_one_clear_line(predictit(home, "build"), "holds no payload", "predictit poll")


def test_no_board_before_a_build(home: Path) -> None:
    assert_one_clear_line(predictit(home, "board"), "no warehouse", "predictit build")


def test_days_that_hold_nothing_are_named_and_left_out(home: Path, feed: SampleServer) -> None:
    predictit(home, "poll", api_url=feed.url)
    run = predictit(home, "build", "--from", "2026-01-01", "--to", "2026-01-03")
    assert_one_clear_line(run, "no payload of predictit of 2026-01-01 to 2026-01-03 is held")


def test_an_import_that_refuses_files_says_which_and_fails(home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    folder.mkdir()
    (folder / "20260304T170000Z.json").write_text("")
    run = predictit(home, "import", "predictit", str(folder))
    assert_one_clear_line(run, "1 of 1 files were refused")
    assert "0 landed, 0 already there, 1 refused" in run.stdout
    assert "20260304T170000Z.json: is empty" in run.stderr


def test_what_would_expire_is_told_before_it_does(home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    predictit(home, "sample", "archive", str(archive), "--days", "4", "--minutes", "480")
    predictit(home, "import", str(archive))
    objects = [path for path in home.glob("objects/**/*") if path.is_file()]
    for path in objects:
        os.utime(path, (0, 0))

    assert "payloads are kept for ever" in predictit(home, "expire", keep_runs_days="0").stdout
    limit = {"expire_landing_days": "1", "keep_runs_days": "1"}
    run = predictit(home, "expire", "--dry-run", **limit)
    assert run.returncode == 0, run.stderr
    assert re.search(
        r"landing/predictit/market_data/date=\S+: \d objects, [\d,]+ bytes", run.stdout
    )
    assert "Dagster: 0 runs, 0 events without a run and 0 results" in run.stdout
    assert all(path.exists() for path in objects)
    assert predictit(home, "expire", **limit).stdout == run.stdout
    assert not all(path.exists() for path in objects)


def test_raw_expires_only_when_told_twice(home: Path) -> None:
    run = predictit(home, "expire", expire_raw_days="30")
    assert_one_clear_line(run, "PREDICTIT_EXPIRE_RAW_CONFIRMED", "'raw payloads are gone for ever'")


def test_a_command_run_on_the_sample_feed_gets_its_address(home: Path) -> None:
    run = predictit(home, "sample", "run", PREDICTIT, "poll")
    assert run.returncode == 0, run.stderr
    assert "landed landing/predictit" in run.stdout
    # The UI of the demo tells of no years that nobody has.
    watched = predictit(home, "sample", "run", "--demo", "env", sources="predictit")
    told = dict(line.partition("=")[::2] for line in watched.stdout.splitlines())
    assert told["PREDICTIT_START"] == str(EASTERN.today()), watched.stderr
    assert told["PREDICTIT_SOURCES"] == "predictit"
    assert told["PREDICTIT_POLL_INTERVAL"] == "60"
    every = predictit(home, "sample", "run", "--demo", "printenv", "PREDICTIT_SOURCES")
    assert every.stdout.strip() == ",".join(SOURCES)


def test_a_sample_run_without_a_command_is_one_clear_error(home: Path) -> None:
    assert_one_clear_line(predictit(home, "sample", "run"), "say which command to run")
    assert_one_clear_line(predictit(home, "sample", "run", "no-such-command"), "no command")
    assert_one_clear_line(
        predictit(home, "sample", "run", "--source", "nobody", "predictit"), "'nobody'", "predictit"
    )
    assert "COMMAND" in predictit(home, "sample", "run", "--help").stdout


def test_the_sample_archive_can_be_imported(home: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    args = ["sample", "archive", str(archive), "--days", "1", "--minutes", "240"]
    assert "6 payloads in" in predictit(home, *args).stdout
    assert "6 landed, 0 already there, 0 refused" in predictit(home, "import", str(archive)).stdout
    assert "0 landed, 6 already there, 0 refused" in predictit(home, "import", str(archive)).stdout


# Several sources: one of the tests is listed beside PredictIt


@pytest.fixture
def two_sources(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PredictIt is on and rivers, of the tests, is off, in this process and in an empty home."""
    for name in [name for name in os.environ if name.startswith("PREDICTIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PREDICTIT_HOME", str(home))
    list_rivers(monkeypatch, RIVERS)


def list_rivers(monkeypatch: pytest.MonkeyPatch, source: Source) -> None:
    for module in (cli, settings_module, sources_module):
        monkeypatch.setattr(module, "SOURCES", ("predictit", "rivers"))
    declaration = ModuleType("source")
    declaration.SOURCE = source  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "predictit_assets.sources.rivers.source", declaration)


def command(*args: str) -> None:
    """What `predictit` does with these arguments, in this process."""
    cli.app(list(args), standalone_mode=False)


@pytest.mark.usefixtures("two_sources")
def test_sources_are_listed_with_what_each_still_needs(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    command("sources")
    first, second = capfd.readouterr().out.splitlines()
    assert re.fullmatch(r"predictit +on +PredictIt.*; America/New_York; ready", first)
    assert re.fullmatch(r"rivers +off +Rivers.*; UTC; needs PREDICTIT_RIVERS_API_KEY .*", second)

    monkeypatch.setenv("PREDICTIT_SOURCES", "rivers")
    monkeypatch.setenv("PREDICTIT_RIVERS_API_KEY", "a-key-that-nobody-sees")
    monkeypatch.setenv("PREDICTIT_START", "never")
    command("sources")
    said = capfd.readouterr()
    first, second, *asked = said.out.splitlines()
    assert re.fullmatch(r"predictit +off .*; needs PREDICTIT_START='never': .*", first)
    assert re.fullmatch(r"rivers +on .*; ready", second)
    # Of what is on and ready it is told what is due.
    assert asked
    assert all(re.fullmatch(r" +due +\w+: (nothing|\d+ days: .*)", line) for line in asked)
    assert "a-key-that-nobody-sees" not in said.out + said.err


@pytest.mark.usefixtures("two_sources")
@pytest.mark.parametrize(
    "args",
    [["poll", "nobody"], ["fetch", "nobody"], ["import", "nobody", "."], ["report", "nobody"]],
)
def test_an_unknown_source_is_an_error_that_names_the_known_ones(args: list[str]) -> None:
    with pytest.raises(SettingsError, match="'nobody'; known are predictit, rivers"):
        command(*args)


@pytest.mark.usefixtures("two_sources")
@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["poll", "rivers"], "rivers needs PREDICTIT_RIVERS_API_KEY"),
        (["fetch", "rivers"], "rivers needs PREDICTIT_RIVERS_API_KEY"),
        (["report", "rivers"], "rivers has no report"),
        (["import", "rivers", "a", "b"], "one path"),
        (["import", "rivers", ".", "--dataset", "odds"], "rivers takes no files of odds"),
        (["build", "rivers"], "rivers: off; PREDICTIT_SOURCES"),
        (["build", "predictit", "nobody"], "'nobody'; known are predictit, rivers"),
        (["build", "--from", "tomorrow"], "'tomorrow' is no day"),
        (["fetch", "rivers", "--from", "2024-01-02", "--to", "2024-01-01"], "is after --to"),
    ],
)
def test_what_a_source_cant_do_is_said_in_a_sentence(args: list[str], says: str) -> None:
    with pytest.raises(ExpectedError, match=re.escape(says)):
        command(*args)


@pytest.mark.usefixtures("two_sources")
def test_a_source_that_isnt_asked_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    pushed = [one for one in RIVERS.datasets if one.name in ("alarms", "surveys")]
    list_rivers(monkeypatch, RIVERS._replace(datasets=pushed))
    with pytest.raises(ExpectedError, match="isn't polled: `predictit import rivers PATH` or "):
        command("poll", "rivers")
    with pytest.raises(ExpectedError, match="nothing to fetch: `predictit import rivers PATH`"):
        command("fetch", "rivers")


@pytest.mark.usefixtures("two_sources")
def test_files_are_imported_into_the_dataset_of_the_source_that_is_named(
    home: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "2024-03-04.json").write_text("[1, 2]")
    command("import", "rivers", str(tmp_path / "2024-03-04.json"), "--dataset", "surveys")
    assert "1 landed, 0 already there, 0 refused" in capfd.readouterr().out
    (landed,) = (file for file in home.glob("objects/**/*") if file.is_file())
    folder = home / "objects/landing/rivers/surveys/date=2024-03-04"
    assert landed.parent == folder


@pytest.mark.usefixtures("two_sources")
def test_a_source_without_days_in_the_range_keeps_no_other_from_being_built(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    built: list[tuple[str, list[date]]] = []

    def note(*told: Any) -> list[str]:
        _definitions, _instance, source, days, _longest = told
        built.append((source, days))
        return []

    monkeypatch.setattr(cli, "_build_all", note)
    monkeypatch.setattr(cli, "_build_index", lambda *_: [])
    monkeypatch.setattr(loading, "load_definitions", lambda _settings: None)
    monkeypatch.setattr(runs, "open_instance", lambda _settings: nullcontext())
    monkeypatch.setenv("PREDICTIT_SOURCES", "rivers, predictit")
    settings = settings_module.load_settings()
    yesterday = UTC_CALENDAR.today() - timedelta(days=1)
    for name, dataset, day in (
        ("predictit", "market_data", date(2024, 3, 4)),
        ("rivers", "surveys", yesterday),
    ):
        (on,) = sources_module.enabled([name])
        payloads = factory.stream(settings, on, on.source.dataset(dataset)).payloads
        payloads.land(Payload(day, datetime(day.year, day.month, day.day, 17, tzinfo=UTC), b"{}"))

    command("build", "--from", "yesterday", "--to", "yesterday")
    of_rivers = ("rivers", [yesterday])
    assert built == [("predictit", []), of_rivers]
    assert "no payload of predictit of" in capfd.readouterr().err

    built.clear()
    command("build")
    of_predictit = ("predictit", [date(2024, 3, 4)])
    assert built == [of_predictit, of_rivers]
    built.clear()
    command("build", "rivers")
    assert built == [of_rivers]
    with pytest.raises(NothingHeld, match=r"of predictit of .*; no payload of rivers of"):
        command("build", "--to", "2024-02-01")
