"""Installation as people meet it: the wheel where there is no checkout, and the Makefile."""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import hatchling.build
import pytest

from predictit_assets.settings import PROJECT_DIR

# The wheel


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of an environment with the wheel, its dependencies, and no checkout."""
    folder = tmp_path_factory.mktemp("installed")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(PROJECT_DIR)
        wheel = folder / hatchling.build.build_wheel(str(folder))
    venv.create(folder / "env", with_pip=True)
    programs = folder / "env" / "bin"
    pip = [programs / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True)
    # The packages of the tests' own environment, without what its .pth files add: the checkout.
    (site,) = folder.glob("env/lib/python3*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "dependencies.pth").write_text("\n".join(others))
    return programs


def test_the_wheel_needs_no_checkout(installed: Path, tmp_path: Path) -> None:
    """From an empty folder an archive goes to the board; what is installed stays as it was."""
    env = {"PATH": f"{installed}:{os.environ['PATH']}", "PYTHONDONTWRITEBYTECODE": "1"}

    def run(*command: str) -> str:
        ended = subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        return ended.stdout

    package = run("python", "-c", "import predictit_assets; print(*predictit_assets.__path__)")
    assert installed.parent in Path(package.strip()).parents
    before = {file: file.stat().st_mtime_ns for file in Path(package.strip()).rglob("*")}

    run("predictit", "sample", "archive", "archive", "--days", "1", "--minutes", "360")
    run("predictit", "import", "archive")
    run("predictit", "sample", "run", "predictit", "poll")
    run("python", "-m", "dagster", "definitions", "validate", "-m", "predictit_assets.definitions")
    assert run("predictit", "build").startswith("built predictit ")
    assert "implied" in run("predictit", "board")
    assert run("predictit", "report").strip() == str(
        tmp_path / "data" / "objects" / "report" / "predictit.html"
    )

    assert {file: file.stat().st_mtime_ns for file in Path(package.strip()).rglob("*")} == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["archive", "data"]


# The Makefile

PROGRAM = """#!/bin/bash
# Python, and each program of an environment: notes what it is called with, and does nothing.
name=${0##*/}
{ printf '%s' "$name"; printf '|%s' "$@"; echo; } >> "$CALLS"
printf '%s|%s\n' "$name" "$PREDICTIT_HOME" >> "$CALLS.homes"
case "$name $*" in
    python*"-m venv"*)
        rm -rf .venv && mkdir -p .venv/bin
        echo "$VERSION" > .venv/version
        for program in python predictit dg dbt pytest ruff mypy sqlfluff; do
            cp "$STUB" .venv/bin/$program
        done ;;
    python*" -c import pip"*) cat "${0%/bin/*}/version" ;;
    python*" -c "*) echo "$VERSION" ;;
    python*"--require-hashes"*) for n in {1..60}; do echo "Collecting package$n"; done
        echo "Installing collected packages: package1"; exit ${PIP_FAILS:-0} ;;
esac
"""
LOCKS = ("requirements/run.txt", "requirements/dev.txt")
Make = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """What make needs of a checkout, in a folder whose name is no plain word."""
    folder = tmp_path / "it's my (old) clone & more"
    (folder / "requirements").mkdir(parents=True)
    for name in ("Makefile", "pyproject.toml", "dagster.yaml", *LOCKS):
        shutil.copy(PROJECT_DIR / name, folder / name)
    return folder


@pytest.fixture
def make(checkout: Path, tmp_path: Path) -> Make:
    """Runs make there with a Python 3.13.7 that only notes its calls, in the file `calls`."""
    (tmp_path / "path").mkdir()
    stub = tmp_path / "path" / "python3.13"
    stub.write_text(PROGRAM)
    stub.chmod(0o755)
    # A name that leads nowhere, as pyenv has them.
    (tmp_path / "path" / "python3.12").write_text("#!/bin/bash\nexit 127\n")
    (tmp_path / "path" / "python3.12").chmod(0o755)

    def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
        own = {"PATH": f"{stub.parent}:/usr/bin:/bin", "VERSION": "3.13.7"}
        own |= {"STUB": str(stub), "CALLS": str(tmp_path / "calls")}
        for name in ("calls", "calls.homes"):
            (tmp_path / name).write_text("")
        return subprocess.run(
            ["make", *args],
            cwd=checkout,
            env=own | env,
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def calls(tmp_path: Path, program: str) -> list[list[str]]:
    """What the programs of that name were called with by the last make."""
    lines = [line.split("|") for line in (tmp_path / "calls").read_text().splitlines()]
    return [args for name, *args in lines if name.startswith(program)]


def homes(tmp_path: Path) -> set[str]:
    """The homes that `predictit` was called in by the last make."""
    lines = (tmp_path / "calls.homes").read_text().splitlines()
    return {home for name, home in (line.split("|") for line in lines) if name == "predictit"}


def test_make_alone_begins_with_what_comes_first(make: Make) -> None:
    lines = make().stdout.splitlines()
    assert [line.split()[1] for line in lines[:4]] == ["demo", "run", "dev", "docs"]


def test_the_demo_and_its_ui_have_the_same_sources(make: Make, tmp_path: Path) -> None:
    demo = make("demo")
    assert demo.returncode == 0, demo.stderr
    assert calls(tmp_path, "predictit") == [["sample", "demo"]]
    dev = make("dev", FEED="sample")
    assert dev.returncode == 0, dev.stderr
    (run,) = calls(tmp_path, "predictit")
    assert run[:5] == ["sample", "run", "--demo", "dg", "dev"]
    # Which of them are on is said in one place, and by no target.
    assert "PREDICTIT_SOURCES" not in (PROJECT_DIR / "Makefile").read_text()


@pytest.mark.parametrize("home", ["", "homes/one (1)", "/my $home's & more"])
def test_every_target_takes_a_path_of_several_words(
    make: Make, checkout: Path, tmp_path: Path, home: str
) -> None:
    given = str(tmp_path) + home if home.startswith("/") else home
    place = checkout / given if home else checkout / "data"
    sample = place if home else checkout / "data" / "sample"

    demo = make("demo", PREDICTIT_HOME=given)
    assert demo.returncode == 0, demo.stderr
    assert str(checkout) not in demo.stdout
    assert "25 packages" in demo.stdout
    assert homes(tmp_path) == {str(sample)}

    assert make("run", PREDICTIT_HOME=given).returncode == 0
    assert calls(tmp_path, "predictit")[0] == ["poll"]
    dev = make("dev", PREDICTIT_HOME=given)
    assert dev.returncode == 0, dev.stderr
    assert (place / "dagster" / "dagster.yaml").is_file()

    docs = make("docs", PREDICTIT_HOME=given)
    assert docs.stdout.endswith(f"{checkout}/docs/_build/site/index.html\n"), docs.stderr
    *_, dbt_page, site = calls(tmp_path, "python")
    assert dbt_page == ["docs/dbt_page.py", "docs/_build/dbt-page/dbt.html"]
    assert site[-4:] == ["-b", "html", ".", "docs/_build/site"]

    for target in ("lint", "test", "test-system", "format", "clean"):
        ended = make(target)
        assert ended.returncode == 0, ended.stderr
    assert not (checkout / ".venv").exists()


def renewed(tmp_path: Path) -> bool:
    """Whether the last make made the environment anew."""
    return ["-m", "venv", "--clear", ".venv"] in calls(tmp_path, "python3.13")


def installed_locks(tmp_path: Path) -> list[str]:
    """The locks that the last make installed."""
    return [args[-1] for args in calls(tmp_path, "python") if "--require-hashes" in args]


def test_an_environment_is_used_while_it_is_right(
    make: Make, checkout: Path, tmp_path: Path
) -> None:
    assert make("run").returncode == 0
    assert renewed(tmp_path)
    make("run")
    assert not renewed(tmp_path)
    assert installed_locks(tmp_path) == []
    make("lint")
    assert not renewed(tmp_path)
    assert installed_locks(tmp_path) == ["requirements/dev.txt"]
    make("run")
    assert installed_locks(tmp_path) == []


def other_python(checkout: Path) -> None:
    (checkout / ".venv" / "version").write_text("3.12.1\n")


def without_pip(checkout: Path) -> None:
    (checkout / ".venv" / "version").unlink()


def without_python(checkout: Path) -> None:
    (checkout / ".venv" / "bin" / "python").unlink()


def moved(checkout: Path) -> None:
    (checkout / ".venv" / "run").write_text("/where/it/was/before\n")


def only_begun(checkout: Path) -> None:
    (checkout / ".venv" / "run").unlink()


@pytest.mark.parametrize(
    "harm", [other_python, without_pip, without_python, moved, only_begun], ids=lambda f: f.__name__
)
def test_an_environment_that_is_wrong_is_made_anew(
    make: Make, checkout: Path, tmp_path: Path, harm: Callable[[Path], None]
) -> None:
    make("run")
    harm(checkout)
    assert make("run").returncode == 0
    assert renewed(tmp_path)
    make("run")
    assert not renewed(tmp_path)


def test_an_installation_that_failed_is_begun_anew(make: Make, tmp_path: Path) -> None:
    assert make("run").returncode == 0
    failed = make("lint", PIP_FAILS="1")
    assert failed.returncode == 2
    assert calls(tmp_path, "ruff") == []
    assert make("run").returncode == 0
    assert renewed(tmp_path)


def test_without_a_python_make_says_which_it_needs(make: Make, tmp_path: Path) -> None:
    (tmp_path / "path" / "python3.13").write_text("#!/bin/bash\nexit 1\n")
    failed = make("run", PATH=f"{tmp_path / 'path'}:{bare_path(tmp_path)}")
    assert failed.returncode == 2
    assert failed.stderr.startswith("error: there is no Python 3.13, 3.12 or 3.11 ")
    failed = make("run", PYTHON="/usr/bin/false")
    assert failed.stderr.startswith("error: PYTHON=/usr/bin/false isn't a Python 3.13")
    assert make().returncode == 0


def bare_path(tmp_path: Path) -> Path:
    """A folder with what the Makefile itself calls, and no Python."""
    folder = tmp_path / "bare"
    folder.mkdir()
    for name in ("make", "bash", "cat", "awk", "grep"):
        (folder / name).symlink_to(str(shutil.which(name)))
    return folder
