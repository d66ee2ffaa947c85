"""The analyses of the dbt project, on rows that a test makes up: in DuckDB's SQL and Snowflake's.

Snowflake's SQL is held against its grammar, and run as the emulator would run it: translated.
"""

import os
from collections.abc import Mapping
from decimal import Decimal
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import duckdb
import snowflake_grammar
from dbt.cli.main import dbtRunner
from fakesnow.dialect import parse_one

from predictit_assets import factory
from predictit_assets.checks.model_schema import model_schemas, source_and_layer
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.contract.source import all_tables
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, load
from predictit_assets.storage.migrations import sql_types
from predictit_assets.storage.warehouse import MODEL_LAYERS, STAGING

ENGINES = ("duckdb", "snowflake")
DATABASE = "warehouse"
Rows = list[dict[str, Any]]


@cache
def _manifest() -> Mapping[str, Any]:
    with TemporaryDirectory() as folder:
        return factory.dbt(Settings(home=Path(folder))).manifest()


@cache
def compiled(engine: str) -> Mapping[str, str]:
    """The SQL of every analysis by its name, compiled for one of ENGINES, which isn't asked."""
    with TemporaryDirectory() as folder:
        home = Path(folder)
        environment = {
            "PREDICTIT_HOME": folder,
            "PREDICTIT_SNOWFLAKE_ACCOUNT": "nobody",
            "PREDICTIT_SNOWFLAKE_USER": "nobody",
        }
        parsed = factory.dbt(Settings(home=home)).parsed
        with patch.dict(os.environ, environment):
            run = dbtRunner(manifest=parsed).invoke(
                [
                    *("--log-level", "none", "compile", "--target", engine, "--no-write-json"),
                    *("--no-introspect", "--no-populate-cache"),
                    *("--select", "resource_type:analysis"),
                    *("--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)),
                    *("--target-path", folder, "--log-path", folder),
                ]
            )
    assert run.success, run.exception
    return {one.node.name: one.node.compiled_code for one in run.result.results}


@cache
def _types() -> dict[str, dict[str, str]]:
    """The columns of each table of the warehouse with their types, by its name with its schema."""
    made = {f"{one.layer}.{one.table}": one.types for one in model_schemas(_manifest()).values()}
    staged = {
        f"staging.{name}": sql_types(ibis_schema(schema))
        for source in map(load, SOURCES)
        for dataset in source.datasets
        for name, schema in all_tables(dataset).items()
    }
    return {**staged, **made}


def described(name: str) -> Mapping[str, Any]:
    """An analysis as the manifest has it, with what the YAML says of it."""
    node: Mapping[str, Any] = _manifest()["nodes"][f"analysis.predictit.{name}"]
    return node


def reads(name: str) -> dict[str, str]:
    """The tables that an analysis reads, by their names with the schema, and the source of each."""
    found = {}
    for parent in described(name)["depends_on"]["nodes"]:
        node = (_manifest()["nodes"] | _manifest()["sources"])[parent]
        source, layer = source_and_layer(node)
        found[f"{layer}.{node['name']}"] = source
    return found


def run(engine: str, name: str, tables: Mapping[str, Rows]) -> Rows:
    """The rows of an analysis over these tables, in its order; decimals as floats.

    A column that a row doesn't name is NULL. A table that isn't named isn't there.
    """
    statement = compiled(engine)[name]
    if engine == "snowflake":
        assert snowflake_grammar.faults(statement) == []
        assert snowflake_grammar.unfit_names(statement) == []
        statement = parse_one(statement).sql(dialect="duckdb")
    with duckdb.connect() as sql:
        sql.execute(f"attach ':memory:' as {DATABASE}")
        sql.execute(f"use {DATABASE}")
        for layer in (STAGING, *MODEL_LAYERS):
            sql.execute(f"create schema {layer}")
        for table, rows in tables.items():
            _make(sql, table, rows)
        found = sql.execute(statement)
        columns = [column for column, *_ in found.description]
        return [dict(zip(columns, map(_plain, row), strict=True)) for row in found.fetchall()]


def _make(sql: duckdb.DuckDBPyConnection, table: str, rows: Rows) -> None:
    types = _types()[table]
    sql.execute(f"create table {table} ({', '.join(f'{n} {t}' for n, t in types.items())})")
    for row in rows:
        assert row.keys() <= types.keys(), (table, row.keys() - types.keys())
        values = [None if value is None else str(value) for value in row.values()]
        marks = ", ".join("?" for _ in row)
        sql.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", values)


def table(text: str, **same: object) -> Rows:
    """Rows as a table of words: the names of the columns first. `-` is NULL, `_` a blank.

    `same` are columns that are the same in all.
    """
    names, *rows = (line.split() for line in text.strip().splitlines())
    return [
        {
            name: None if word == "-" else word.replace("_", " ")
            for name, word in zip(names, row, strict=True)
        }
        | same
        for row in rows
    ]


def numbers(rows: Rows, *columns: str) -> list[tuple[Any, ...]]:
    """Some columns of rows."""
    return [tuple(row[name] for name in columns) for row in rows]


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value
