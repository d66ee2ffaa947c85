"""What comes out on terminals and pipes of any encoding, and which faults are one sentence."""

import contextlib
import errno
import io
import json
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import obstore.exceptions
import pytest
import sqlalchemy.exc
from rich.panel import Panel
from rich.progress import Progress
from rich.table import Table

from predictit_assets import cli, factory, terminal
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.errors import ExpectedError, SettingsError, fault_of_surroundings
from predictit_assets.instance.runs import open_instance
from predictit_assets.settings import Settings, load_settings
from predictit_assets.terminal import Terminal
from predictit_assets.text import steers

NASTY = "\x1b]0;owned\x07\x9b31mname\u202e\u200b"


def test_whatever_is_drawn_on_a_terminal_only_its_own_styles_steer() -> None:
    file = io.StringIO()
    console = Terminal(file=file, force_terminal=False)
    table = Table(title=NASTY)
    table.add_row(NASTY, Panel(NASTY))
    console.print(f"[red]{NASTY}[/red]", table)
    with Progress(console=console, transient=True) as progress:
        progress.add_task(NASTY)
        progress.refresh()
    with console.status(NASTY):
        pass
    assert file.getvalue().count("name") >= 4
    assert not any(map(steers, file.getvalue()))


def test_nothing_is_printed_past_the_terminal() -> None:
    """Whoever prints by themselves prints what others wrote."""
    package = Path(terminal.__file__).parent
    wrong = [
        str(file.relative_to(package))
        for file in package.rglob("*.py")
        if file.name != "terminal.py"
        and any(
            line.strip().startswith("print(") or "Console(" in line
            for line in file.read_text().splitlines()
        )
    ]
    assert wrong == []


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_what_an_encoding_lacks_is_written_out(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.BytesIO(), encoding))
    terminal.take_every_character()
    terminal.say("Île \U0001f5f3 end")
    sys.stdout.flush()
    text = written.getvalue().decode(encoding)
    assert text.startswith(("Île", "\\xcele"))
    assert text.endswith(" end\n")


def test_a_path_comes_out_in_the_bytes_of_the_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, "ascii"))
    terminal.say_path(os.fsdecode("/home/Île/".encode() + b"\xff\x1b[31m"))
    assert written.getvalue() == "/home/Île/".encode() + b"\xff[31m\n"


def wrapped(error: Exception) -> Exception:
    try:
        raise RuntimeError("a library wraps it") from error
    except RuntimeError as outer:
        return outer


def raised(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011
        call()
    return caught.value


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/y\x1b"), "/x/y: No space left"),
        (wrapped(PermissionError(errno.EACCES, "Permission denied", b"/x")), "/x: Permission"),
        (obstore.exceptions.GenericError("Generic error: No space\n\nDebug: {"), "error: No space"),
        (duckdb.IOException("IO Error: locked"), "locked"),
        (duckdb.FatalException("FATAL Error: broken"), "broken"),
        (raised(lambda: sqlite3.connect("/no/such/folder/file")), "unable to open"),
        (
            sqlalchemy.exc.DatabaseError("select 1", None, sqlite3.DatabaseError("malformed")),
            "malformed",
        ),
        (SettingsError("say so"), "say so"),
    ],
)
def test_a_fault_of_the_surroundings_is_one_sentence(error: Exception, said: str) -> None:
    text = fault_of_surroundings(error)
    assert text is not None
    assert said in text
    assert len(text.splitlines()) == 1
    assert not any(map(steers, text))


@pytest.mark.parametrize(
    "error",
    [
        KeyError("x"),
        raised(lambda: duckdb.sql("selec 1")),
        sqlite3.ProgrammingError("used after it was closed"),
        sqlalchemy.exc.IntegrityError("insert", None, Exception("twice")),
        UnicodeDecodeError("utf-8", b"", 0, 1, "bad"),
    ],
)
def test_a_defect_is_none(error: Exception) -> None:
    assert fault_of_surroundings(error) is None


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Exception], int]:
    """Runs a command that fails; the exit code."""

    def run(error: Exception) -> int:
        def fail() -> None:
            raise error

        monkeypatch.setattr(cli, "app", fail)
        monkeypatch.setattr(cli, "_add_commands_of_sources", lambda: None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(str(ended.value.code))

    return run


def test_at_the_edge_a_full_disk_is_a_line_and_a_defect_a_traceback(
    command: Callable[[Exception], int],
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/x\x1b[31m")
    assert command(full) == 1
    assert capfd.readouterr().err == "error: /x[31m: No space left on device\n"
    assert command(ExpectedError(f"{NASTY} is wrong")) == 1
    assert not any(map(steers, capfd.readouterr().err))
    with pytest.raises(KeyError):
        command(KeyError("a defect"))
    monkeypatch.setenv("PREDICTIT_DEBUG", "1")
    with pytest.raises(OSError, match="No space"):
        command(full)


def test_no_word_of_others_is_a_style(
    command: Callable[[Exception], int], capfd: pytest.CaptureFixture[str]
) -> None:
    assert command(ExpectedError("it answered 503: [/b] [red]x[/red]")) == 1
    cli._log("[/i] waiting")
    cli._warn("[/i] odd")
    assert capfd.readouterr().err.splitlines() == [
        "error: it answered 503: [/b] [red]x[/red]",
        "[/i] waiting",
        "warning: [/i] odd",
    ]


# Homes


def test_a_home_is_made_for_its_owner_only_and_one_that_is_there_stays(tmp_path: Path) -> None:
    made = tmp_path / "a" / "b"
    factory.objects(Settings(home=made))
    assert made.stat().st_mode & 0o777 == 0o700
    made.chmod(0o755)
    factory.objects(Settings(home=made))
    assert made.stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("home", ["file", "file/below", "file/below/it"])
def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path: Path, home: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="can't be made"):
        factory.objects(Settings(home=tmp_path / home))


def test_a_home_of_nobody_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_HOME", "~no-such-user/x")
    with pytest.raises(SettingsError, match="there is no such user"):
        load_settings()


def test_a_key_that_is_no_text_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(b"\xff\xfe")
    own = SourceSettings(api_key_file=str(tmp_path / "key"))
    with pytest.raises(SettingsError, match="can't be read as text"):
        own.key()


@pytest.mark.parametrize("folder", ["dag", "./dag", "~no-such-user/dag"])
def test_a_dagster_home_that_is_no_whole_path_is_refused_before_it_is_made(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", folder)
    with pytest.raises(SettingsError, match="has to be the whole path"):
        open_instance(settings)
    assert list(tmp_path.iterdir()) == []


def test_a_dagster_home_may_begin_with_a_tilde(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", "~/dag")
    with open_instance(settings):
        assert (tmp_path / "dag" / "dagster.yaml").exists()


def test_a_broken_dagster_instance_is_one_sentence(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "dag" / "history" / "runs.db"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no database" * 1000)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "dag"))
    with pytest.raises(ExpectedError, match=r"the Dagster instance .*: file is not a database"):
        open_instance(settings)


# The warehouse


def failing(texts: dict[bool, str], calls: list[bool]) -> Callable[..., Any]:
    def connect(_file: str, read_only: bool = False, **_options: Any) -> Any:
        calls.append(read_only)
        if read_only in texts:
            raise duckdb.IOException(texts[read_only])
        return real(":memory:")

    real = duckdb.connect
    return connect


def test_who_may_only_read_reads_at_once(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.duckdb_file.parent.mkdir(parents=True)
    settings.duckdb_file.write_bytes(b"")
    calls: list[bool] = []
    monkeypatch.setattr(duckdb, "connect", failing({False: "IO Error: Permission denied"}, calls))
    with factory.warehouse(settings).read_connection() as query:
        assert query("select 1") == [(1,)]
    assert calls == [False, True]


def test_what_waiting_cannot_mend_isnt_waited_for(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.duckdb_file.parent.mkdir(parents=True)
    settings.duckdb_file.write_bytes(b"no database" * 1000)
    naps: list[float] = []
    here, sleep = threading.get_ident(), time.sleep
    monkeypatch.setattr(
        # Threads that earlier tests left behind go on sleeping.
        "time.sleep",
        lambda s: naps.append(s) if threading.get_ident() == here else sleep(s),
    )
    with (
        pytest.raises(ExpectedError, match=r"can't be opened: .*not a valid DuckDB database"),
        factory.warehouse(settings).read_connection(),
    ):
        pass
    assert naps == []


def test_json_of_any_terminal_is_json(monkeypatch: pytest.MonkeyPatch) -> None:
    from predictit_assets.sources.predictit.products.board import write_json

    for encoding in ("ascii", "cp1252", "utf-8"):
        written = io.BytesIO()
        with contextlib.closing(io.TextIOWrapper(written, encoding)) as to:
            write_json([{"name": "Île \U0001f5f3\x1b"}], to)
            to.flush()
            assert json.loads(written.getvalue().decode(encoding)) == [
                {"name": "Île \U0001f5f3\x1b"}
            ]
