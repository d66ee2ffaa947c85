"""Analyses of several sources: where they lie, what they read, and what is said of them."""

import duckdb
import pytest
from analysing import ENGINES, described, reads, run

from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.sources import SOURCES

FOLDERS = {
    file.stem: file.parent.name
    for file in sorted(DBT_DIR.glob("analyses/*/*.sql"))
    if "{{" in file.read_text()
}
"""The source that each lies with. SQL that reads one source alone can be pasted as it is."""
each_analysis = pytest.mark.parametrize("name", FOLDERS)


def test_there_are_some() -> None:
    assert len(FOLDERS) >= 6


@each_analysis
def test_an_analysis_lies_with_the_last_built_of_the_sources_it_reads(name: str) -> None:
    sources = set(reads(name).values())
    assert len(sources) > 1
    assert FOLDERS[name] == max(sources, key=SOURCES.index)


@each_analysis
def test_an_analysis_says_what_a_row_and_each_column_is(name: str) -> None:
    node = described(name)
    assert "One row per " in " ".join(node["description"].split())
    assert all(column["description"] for column in node["columns"].values())


@pytest.mark.parametrize("engine", ENGINES)
@each_analysis
def test_an_analysis_of_empty_tables_has_no_rows(engine: str, name: str) -> None:
    assert run(engine, name, {table: [] for table in reads(name)}) == []


@each_analysis
def test_where_a_source_was_never_on_the_table_that_lacks_is_named(name: str) -> None:
    for source in set(reads(name).values()):
        there = {table: of for table, of in reads(name).items() if of != source}
        lacking = "|".join(table.split(".")[1] for table in reads(name).keys() - there.keys())
        with pytest.raises(duckdb.CatalogException, match=f"({lacking}) does not exist"):
            run("duckdb", name, {table: [] for table in there})
