"""What is installed is what the checkout holds: the wheel, the sdist, and the locks."""

import json
import re
import subprocess
import tarfile
import tomllib
import zipfile
from pathlib import Path

import hatchling.build
import pytest

from predictit_assets.settings import PROJECT_DIR

INSTALLED = ("predictit_assets", "dbt_project", "dagster.yaml")
"""What the wheel holds of the checkout, the package at the top and the rest inside it."""


def kept_by_git(*paths: str) -> set[str]:
    """The files of the checkout that git tracks, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *paths]
    listed = subprocess.run(command, cwd=PROJECT_DIR, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"git can't say what the checkout holds: {listed.stderr.strip()}")
    return {name for name in listed.stdout.splitlines() if (PROJECT_DIR / name).is_file()}


@pytest.fixture(autouse=True)
def _in_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(PROJECT_DIR)


def in_wheel(folder: Path) -> dict[str, bytes]:
    """What a wheel of the current folder holds, but for what a wheel says of itself."""
    with zipfile.ZipFile(folder / hatchling.build.build_wheel(str(folder))) as wheel:
        return {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}


def test_the_wheel_holds_what_git_keeps_of_the_package_and_its_data(tmp_path: Path) -> None:
    inside = {
        name if name.startswith("predictit_assets/") else f"predictit_assets/{name}": name
        for name in kept_by_git(*INSTALLED)
    }
    wheel = in_wheel(tmp_path)
    assert set(wheel) == set(inside)
    assert wheel == {name: (PROJECT_DIR / file).read_bytes() for name, file in inside.items()}


def test_the_sdist_holds_what_git_keeps_and_makes_the_same_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tarfile.open(tmp_path / hatchling.build.build_sdist(str(tmp_path))) as sdist:
        names = {name.partition("/")[2] for name in sdist.getnames()}
        sdist.extractall(tmp_path, filter="data")
    assert names - {"PKG-INFO"} == kept_by_git()
    (unpacked,) = tmp_path.glob("predictit_assets-*/")
    expected = in_wheel(tmp_path)
    monkeypatch.chdir(unpacked)
    assert in_wheel(tmp_path) == expected


def test_every_supported_python_is_tried_by_ci_and_found_by_make() -> None:
    project = tomllib.loads((PROJECT_DIR / "pyproject.toml").read_text())["project"]
    lowest, above = re.fullmatch(r">=3\.(\d+),<3\.(\d+)", project["requires-python"]).groups()  # type: ignore[union-attr]
    supported = [f"3.{minor}" for minor in range(int(lowest), int(above))]
    ci = (PROJECT_DIR / ".github" / "workflows" / "ci.yml").read_text()
    assert f"python: {json.dumps(supported)}" in ci
    newest_first = " ".join(f"python{one}" for one in reversed(supported))
    assert f"for p in {newest_first}; do" in (PROJECT_DIR / "Makefile").read_text()


@pytest.mark.parametrize(
    "lock", sorted(Path(PROJECT_DIR, "requirements").glob("*.txt")), ids=lambda lock: lock.stem
)
def test_a_lock_pins_by_hash_and_names_no_host(lock: Path) -> None:
    text = lock.read_text()
    requirements = re.split(r"\n(?=\S)", text.strip())
    assert all(re.match(r"[\w.-]+==\S+", one) and "--hash=sha256:" in one for one in requirements)
    assert "://" not in text


def test_the_zip_of_the_function_is_made_for_its_python() -> None:
    def named(pattern: str, *file: str) -> list[str]:
        return re.findall(pattern, PROJECT_DIR.joinpath(*file).read_text())

    (python,) = named(r'RUNTIME = "([\d.]+)"', "deploy", "lambda", "bundle.py")
    assert named(r'runtime += "python([\d.]+)"', "deploy", "terraform", "poller.tf") == [python]
    assert named(r"requirements\.in .*--python-version ([\d.]+)", "Makefile") == [python]
