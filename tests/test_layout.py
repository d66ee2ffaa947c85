"""Each room of the package holds what belongs there: imports, and the words of sources."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from predictit_assets.settings import PROJECT_DIR

PACKAGE = PROJECT_DIR / "predictit_assets"
DBT = PROJECT_DIR / "dbt_project"
EXPORTED = {"dagster", "dagster_dbt", "pandera", "pandera.ibis", "pandera.config", "ibis"}
"""What is imported of these libraries must be exported by one of these."""
INTERNALS = re.compile(
    r"dagster\._|dagster_dbt\.|pandera\.(api|backends|engines)(\.|$)|ibis\.backends(\.|$)"
)
WITHOUT_DAGSTER = ("contract", "storage", "fetch", "report", "sources")
SOURCE_WORDS = re.compile(
    r"(?<![a-z])(markets?|odds|coins?|tickers?|eastern|new_york|contracts)(?![a-z])"
    r"|contract_(?:id|ids|name|names)(?![a-z])",
    re.IGNORECASE,
)
"""Words of one source, whole or as a part of an identifier."""
CAMEL_CASE = re.compile(
    r"Markets?(?=[A-Z]|\b)|Odds(?=[A-Z]|\b)|Coins?(?=[A-Z]|\b)|Tickers?(?=[A-Z]|\b)"
    r"|Contracts(?=[A-Z]|\b)|(?<=[a-z])Contract(?=[A-Z]|\b)|PredictIt"
)
"""The same in names of classes. (The house itself is predictit_assets and PREDICTIT_…)"""
SUFFIXES = {".py", ".sql", ".yml", ".j2", ".md", ".csv", ".css", ".js"}
GENERATED = {"target", "dbt_packages", "logs"}


def sources() -> set[str]:
    """The names of the sources: the folders of `sources/`."""
    return {
        folder.name
        for folder in (PACKAGE / "sources").iterdir()
        if folder.is_dir() and folder.name != "__pycache__"
    }


def imports(file: Path) -> Iterator[tuple[int, str]]:
    """The modules and names that a file imports, with their lines."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def found(pattern: str, folder: Path) -> list[str]:
    """`file:line:import` of each import in a folder that matches."""
    return [
        f"{file.relative_to(PROJECT_DIR)}:{line}: {name}"
        for file in sorted(folder.rglob("*.py"))
        for line, name in imports(file)
        if re.match(pattern, name)
    ]


def test_the_internals_of_libraries_are_imported_in_instance_only() -> None:
    wrong = [
        f"{file.relative_to(PROJECT_DIR)}:{line}: {name}"
        for file in sorted(PACKAGE.rglob("*.py"))
        if PACKAGE / "instance" not in file.parents
        for line, name in imports(file)
        # `from dagster_dbt import DbtProject` is an export, `dagster_dbt.asset_utils` a submodule.
        if INTERNALS.match(name) and name.rpartition(".")[0] not in EXPORTED
    ]
    assert wrong == []


@pytest.mark.parametrize("room", WITHOUT_DAGSTER)
def test_what_a_source_is_and_where_it_is_kept_knows_nothing_of_dagster(room: str) -> None:
    wrong = found(r"dagster(\.|$)", PACKAGE / room)
    if room == "sources":
        wrong = [one for one in wrong if "products" not in Path(one.split(":")[0]).parts]
    assert wrong == []


def test_what_receives_and_asks_knows_nothing_of_a_warehouse() -> None:
    """A poller, a collector and a function have a store, and nothing else."""
    warehouse = (
        r"duckdb|ibis|snowflake|predictit_assets\.storage\.(duckdb|snowflake|warehouse|serving)"
    )
    assert found(rf"({warehouse})", PACKAGE / "fetch") == []


def test_the_layers_know_no_source() -> None:
    names = "|".join(sources())
    assert found(rf"predictit_assets\.sources\.({names})(\.|$)", PACKAGE / "layers") == []


def general_files() -> Iterator[Path]:
    """The files that belong to no source."""
    for top in (PACKAGE, DBT):
        for file in sorted(top.rglob("*")):
            room, *inner = file.relative_to(top).parts
            folders = inner[:-1] if top == DBT else inner[:1] if room == "sources" else []
            own = not sources().isdisjoint(folders)
            if file.suffix in SUFFIXES and not own and room not in GENERATED:
                yield file


def words(file: Path) -> Iterator[str]:
    """`file:line:word` of each word of a source in a file."""
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        for word in [*SOURCE_WORDS.finditer(line), *CAMEL_CASE.finditer(line)]:
            yield f"{file.relative_to(PROJECT_DIR)}:{number}:{word[0]}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def market_key(marketing): ...", {"market"}),
        ("from predictit_assets.contract.source import Source", set()),
        ("contract: {enforced: true}", set()),
        ("a.contract_id, contracts", {"contract_id", "contracts"}),
        ("class MarketSnapshots", {"Market"}),
        ("class ContractSource", set()),
        ("America/New_York", {"New_York"}),
        ("EASTERN, northeastern, PredictItError, PREDICTIT_START", {"EASTERN", "PredictIt"}),
        ("coincidence, BTC_COINS", {"COINS"}),
    ],
)
def test_the_words_of_sources_are_found(text: str, expected: set[str]) -> None:
    hits = [*SOURCE_WORDS.finditer(text), *CAMEL_CASE.finditer(text)]
    assert {hit[0] for hit in hits} == expected


def test_no_word_of_a_source_is_in_a_general_room() -> None:
    wrong = sorted({word for file in general_files() for word in words(file)})
    assert wrong == [], f"{len(wrong)} words:\n" + "\n".join(wrong)
