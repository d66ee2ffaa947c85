"""A drill: a home loses its warehouse and its Dagster instance, and gets both back.

It works on a copy of the objects, and only reads the home. `make drill` runs it.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import duckdb
import typer

DERIVED = ("curated", "report")
"""Folders of objects that are made of what was received."""
OF_THE_RUN = {"load_log": ["run_id"]}
"""Columns that tell who made a row, by table."""


def main(
    home: Annotated[
        Path, typer.Option(envvar="PREDICTIT_HOME", help="the home that is rehearsed with")
    ] = Path("data"),
    keep_derived: Annotated[
        bool,
        typer.Option(
            "--keep-curated",
            help="copy curated too: it is the only copy of days whose raw payloads have expired",
        ),
    ] = False,
) -> None:
    """Rebuild a home from its objects alone, elsewhere, and compare every table row for row."""
    warehouse = home / "warehouse.duckdb"
    for needed in (home / "objects", warehouse):
        if not needed.exists():
            sys.exit(f"error: {needed} isn't there: only what was built can be compared")
    # Where the home is there is more likely room for as much again than in /tmp.
    with TemporaryDirectory(prefix="drill-", dir=home.absolute().parent) as folder:
        restored = Path(folder)
        left_out = () if keep_derived else DERIVED
        without = f", without {' and '.join(left_out)}" if left_out else ""
        print(f"copying {home / 'objects'}{without}", flush=True)
        shutil.copytree(
            home / "objects",
            restored / "objects",
            ignore=lambda at, names: [
                name for name in names if Path(at) == home / "objects" and name in left_out
            ],
        )
        environment = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"}
        build = [Path(sys.executable).with_name("predictit"), "build"]
        environment |= {"PREDICTIT_HOME": str(restored)}
        built = subprocess.run(build, env=environment, check=False)
        if built.returncode:
            sys.exit(f"error: the build failed with exit code {built.returncode}")
        if lost := compare(warehouse, restored / "warehouse.duckdb"):
            sys.exit(f"error: {len(lost)} tables didn't come back: {', '.join(lost)}")


def compare(before: Path, after: Path) -> list[str]:
    """The tables and views whose rows differ; prints a line for each."""
    different = []
    with duckdb.connect() as both:
        for name, file in (("before", before), ("after", after)):
            path = str(file).replace("'", "''")
            both.execute(f"attach '{path}' as {name} (read_only)")
        listed = both.execute(
            "select schema_name, table_name from (select database_name, schema_name, table_name"
            " from duckdb_tables() union all select database_name, schema_name, view_name"
            " from duckdb_views() where not internal) where database_name = 'before' order by all"
        ).fetchall()
        for schema, table in listed:
            told = OF_THE_RUN.get(table, [])
            columns = f"* exclude ({', '.join(told)})" if told else "*"
            one, other = (
                f'select {columns} from {place}."{schema}"."{table}"'
                for place in ("before", "after")
            )
            counts = (
                f"select (select count(*) from ({one})),"
                f" (select count(*) from ({one} except all {other})),"
                f" (select count(*) from ({other} except all {one}))"
            )
            try:
                rows, missing, added = both.execute(counts).fetchone() or (0, 0, 0)
            except duckdb.CatalogException:
                rows, missing, added = 0, -1, 0
            same = not missing and not added
            words = f"{rows:,} rows" if same else "is missing" if missing < 0 else ""
            words = words or f"{missing:,} of {rows:,} rows are missing, {added:,} are new"
            print(f"{'ok' if same else 'DIFFERS':<8} {schema}.{table}: {words}")
            if not same:
                different.append(f"{schema}.{table}")
    return different


if __name__ == "__main__":
    typer.run(main)
