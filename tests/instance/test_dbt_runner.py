"""Where dbt's manifest lies, and when it is parsed anew."""

import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from predictit_assets import factory
from predictit_assets.instance import dbt_runner
from predictit_assets.instance.dbt_runner import Dbt, DbtError
from predictit_assets.settings import Settings

NewDbt = Callable[[str], Dbt]


@pytest.fixture
def parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that a small project was parsed into, in a checkout at `tmp_path`."""
    folders: list[Path] = []

    def parse(self: Dbt, args: list[str], target: Path, *_: Any) -> SimpleNamespace:
        target.mkdir(parents=True, exist_ok=True)
        (target / "manifest.json").write_text("{}")
        folders.append(target)
        return SimpleNamespace(result=None)

    def trace(self: Dbt, parsed: Any, to: Path) -> None:
        (to / dbt_runner.LINEAGE).write_text('{"of": {}}')

    project = tmp_path / "dbt_project"
    (project / "models").mkdir(parents=True)
    (project / "models" / "one.sql").write_text("select 1 as one")
    monkeypatch.setattr(Dbt, "_invoke", parse)
    monkeypatch.setattr(Dbt, "_trace", trace)
    monkeypatch.setattr(dbt_runner, "DBT_DIR", project)
    monkeypatch.setattr(dbt_runner, "PARSED_DIR", project / "target")
    return folders


@pytest.fixture
def new_dbt(tmp_path: Path) -> NewDbt:
    return lambda home: Dbt(tmp_path / home, "duckdb", {}, dict)


def test_all_homes_share_the_manifest_of_a_checkout(
    tmp_path: Path, parsed: list[Path], new_dbt: NewDbt
) -> None:
    files = {new_dbt(home).manifest_file() for home in ("one", "two")}
    assert files == {tmp_path / "dbt_project" / "target" / "duckdb" / "manifest.json"}
    assert len(parsed) == 1


def test_what_is_installed_is_only_read(
    tmp_path: Path, parsed: list[Path], new_dbt: NewDbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dbt_runner, "IN_CHECKOUT", False)
    for _ in range(2):
        file = new_dbt("home").manifest_file()
        assert file == tmp_path / "home" / "dbt" / "duckdb" / "manifest.json"
    assert new_dbt("home").lineage() == {"of": {}}
    assert len(parsed) == 1
    assert [file.name for file in (tmp_path / "dbt_project").iterdir()] == ["models"]


def test_a_checkout_that_cannot_be_written_is_only_read(
    tmp_path: Path, parsed: list[Path], new_dbt: NewDbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Whom the system lets write everywhere, it lets make no folder below a file.
    (tmp_path / "dbt_project" / "target").touch()
    new_dbt("home").manifest_file()
    assert parsed == [tmp_path / "home" / "dbt" / "duckdb"]


def test_a_manifest_that_came_with_a_checkout_is_taken(
    tmp_path: Path, parsed: list[Path], new_dbt: NewDbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in an image, where nobody may write."""
    baked = new_dbt("home").manifest_file()
    monkeypatch.setattr(dbt_runner, "_writable", lambda folder: False)
    assert new_dbt("home").manifest_file() == baked
    assert len(parsed) == 1


def test_a_project_that_changed_is_parsed_whatever_its_files_say_of_the_time(
    tmp_path: Path, parsed: list[Path], new_dbt: NewDbt
) -> None:
    new_dbt("home").manifest_file()
    model = tmp_path / "dbt_project" / "models" / "one.sql"
    model.write_text("select 2 as one")
    os.utime(model, (0, 0))
    new_dbt("home").manifest_file()
    model.rename(model.with_name("two.sql"))
    new_dbt("home").manifest_file()
    assert len(parsed) == 3


def test_dbt_that_stumbles_over_what_it_remembers_parses_everything(
    tmp_path: Path, parsed: list[Path], new_dbt: NewDbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after a release that moved a model's YAML to another file."""
    quick = Dbt._invoke
    state = tmp_path / "dbt_project" / "target" / "duckdb" / dbt_runner.PARSE_STATE
    state.parent.mkdir(parents=True)
    state.write_text("of another release")

    def stumble(self: Dbt, *args: Any, **more: Any) -> Any:
        if state.exists():
            raise DbtError("two schema.yml entries")
        return quick(self, *args, **more)

    monkeypatch.setattr(Dbt, "_invoke", stumble)
    assert new_dbt("home").manifest_file().exists()
    assert len(parsed) == 1


def test_of_those_that_begin_at_once_one_parses(
    parsed: list[Path], new_dbt: NewDbt, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = Dbt._invoke

    def slow(self: Dbt, *args: Any, **more: Any) -> Any:
        time.sleep(0.2)
        return quick(self, *args, **more)

    monkeypatch.setattr(Dbt, "_invoke", slow)
    with ThreadPoolExecutor(3) as pool:
        files = set(pool.map(lambda home: new_dbt(home).manifest_file(), "abc"))
    assert len(files) == len(parsed) == 1


def test_a_new_home_parses_nothing_that_is_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of the project takes seconds, and each home would take them."""
    monkeypatch.setattr(dbt_runner, "_parsed", {})
    dbt = factory.dbt(Settings(home=tmp_path / "one"))
    assert dbt.parsed.nodes.keys() == dbt.manifest()["nodes"].keys()
    told = json.loads((tmp_path / "one" / "dbt" / "perf_info.json").read_bytes())
    assert told["path_count"] > 100
    assert told["parsed_path_count"] == 0
    # To read what was parsed takes a second.
    assert factory.dbt(Settings(home=tmp_path / "other")).parsed is dbt.parsed
