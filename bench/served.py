"""What a source serves, into PostgreSQL: beside pandas and beside a plain COPY of the same rows."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import duckdb
import psutil
import psycopg2
import sqlalchemy

from bench.child import cpu_seconds
from bench.grown import Grown, days_of, larger, turned_on
from bench.inputs import fresh_copy
from bench.measure import Fact, Measure
from bench.refresh import PREDICTIT
from bench.sampling import Sample, Side, child, median, run
from predictit_assets import factory
from predictit_assets.checks.model_schema import model_schemas
from predictit_assets.layers.served import served_tables
from predictit_assets.storage.serving import Served, Serving, postgres_type, quoted

SOURCE = "orders"
DAYS, QUICK_DAYS = 10, 2
TIMES, QUICK_TIMES = 250, 2
READER, PATIENCE = "bench_reader", 60.0


@contextmanager
def _server() -> Iterator[tuple[str, Callable[[], float]]]:
    """A PostgreSQL of its own, as durable as one comes: its URL, and the CPU that it took."""
    import pgserver

    # Root's PostgreSQL runs as somebody else, who mayn't look into every folder.
    folder = Path(mkdtemp(prefix="postgres-"))
    server = pgserver.get_server(folder, cleanup_mode="delete")
    root = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))

    def cpu() -> float:
        times = [root.cpu_times()]
        for one in root.children():
            with suppress(psutil.NoSuchProcess):  # a worker of autovacuum comes and goes
                times.append(one.cpu_times())
        ended = times[0].children_user + times[0].children_system
        return float(ended + sum(one.user + one.system for one in times))

    try:
        yield server.get_uri(), cpu
    finally:
        server.cleanup()


def _tables(home: Path) -> list[Served]:
    """What is served of the source, but views: they hold no rows."""
    settings, on = turned_on(home, SOURCE)
    assert on.source.serving  # noqa: S101
    served = served_tables(
        SOURCE, on.source.serving, model_schemas(factory.dbt(settings).manifest())
    )
    return [one for one in served if not one.is_view]


def _timed(work: Callable[[], object], server_cpu: Callable[[], float]) -> dict[str, float]:
    """The time of some work, and the CPU of both sides of the connection."""
    wall, cpu = time.perf_counter(), cpu_seconds() + server_cpu()
    work()
    return {"t": time.perf_counter() - wall, "cpu": cpu_seconds() + server_cpu() - cpu}


def publish(folder: str, times: str) -> Callable[[], dict[str, Any]]:
    """Ours: keys, foreign keys, rights and comments, sums compared; the last of so many times."""
    home = Path(folder)
    settings, _ = turned_on(home, SOURCE)
    tables = _tables(home)
    warehouse = factory.warehouse(settings)

    def work() -> dict[str, Any]:
        with _server() as (url, cpu):
            serving = Serving(url, READER, PATIENCE)
            for _ in range(int(times)):
                told = _timed(
                    lambda: serving.publish(SOURCE, tables, warehouse, [], whole=True), cpu
                )
            with psycopg2.connect(url) as connection, connection.cursor() as cursor:
                rows = 0
                for one in tables:
                    cursor.execute(f"select count(*) from {one.name}")
                    rows += cursor.fetchone()[0]
        return told | {"rows": rows}

    return work


def _query(one: Served) -> str:
    columns = ", ".join(quoted(column.name) for column in one.model.columns)
    return f"select {columns} from {one.name}"


def to_sql(folder: str) -> Callable[[], dict[str, Any]]:
    """Pandas: each table read into a frame, and written as a new table without keys."""
    tables = _tables(Path(folder))

    def write(url: str) -> None:
        engine = sqlalchemy.create_engine(url.replace("postgresql://", "postgresql+psycopg2://"))
        with (
            duckdb.connect(f"{folder}/warehouse.duckdb", read_only=True) as warehouse,
            engine.begin() as connection,
        ):
            for one in tables:
                frame = warehouse.execute(_query(one)).df()
                # Its other method, `multi`, takes several times as long.
                frame.to_sql(one.table, connection, index=False, if_exists="replace")

    def work() -> dict[str, Any]:
        with _server() as (url, cpu):
            return _timed(lambda: write(url), cpu)

    return work


def copy(folder: str) -> Callable[[], dict[str, Any]]:
    """The limit: the rows as CSV into tables with types and nothing else."""
    tables = _tables(Path(folder))

    def write(url: str) -> None:
        with (
            TemporaryDirectory() as spare,
            duckdb.connect(f"{folder}/warehouse.duckdb", read_only=True) as warehouse,
            psycopg2.connect(url) as connection,
            connection.cursor() as cursor,
        ):
            for one in tables:
                file = Path(spare) / "rows.csv"
                warehouse.execute(f"copy ({_query(one)}) to '{file}' (format csv, header false)")
                columns = ", ".join(
                    f"{quoted(column.name)} {postgres_type(column.data_type)}"
                    for column in one.model.columns
                )
                cursor.execute(f"create table {quoted(one.table)} ({columns})")
                with file.open("rb") as rows:
                    cursor.copy_expert(f"copy {quoted(one.table)} from stdin (format csv)", rows)

    def work() -> dict[str, Any]:
        with _server() as (url, cpu):
            return _timed(lambda: write(url), cpu)

    return work


def _built(quick: bool, out: Path) -> Grown:
    """A home whose core tables hold some rows; it is built once."""
    days = days_of(SOURCE, out / "sources", QUICK_DAYS if quick else DAYS)
    landed = larger(days, QUICK_TIMES if quick else TIMES)
    built = Grown(SOURCE, out / f"served-{landed.folder.name}", landed.first, landed.last)
    if not built.folder.exists():
        making = Grown(SOURCE, out / "served.making", landed.first, landed.last)
        fresh_copy(landed.folder, making.folder)
        command = [PREDICTIT, "build", SOURCE, *making.window]
        run(Side("build", command, environment=making.environment))
        making.folder.rename(built.folder)
    return built


def measures(quick: bool, out: Path) -> list[Measure]:
    """The measures: the first publication of all rows, and one that replaces them all."""
    if sys.version_info >= (3, 13):  # as in the tests: pgserver has no wheel
        return []
    home = _built(quick, out).folder
    others = [
        Side("plain COPY of the rows, no keys", child(copy, home)),
        Side("pandas to_sql", child(to_sql, home)),
    ]

    def rows(samples: Sequence[Sample]) -> list[Fact]:
        many = samples[0].told["rows"]
        us = median([one.cpu for one in samples]) / many * 1e6
        return [Fact(f"  {many:,} rows", f"CPU {us:.1f} us a row")]

    return [
        Measure(
            "serving, all tables made", Side("ours", child(publish, home, 1)), others, facts=rows
        ),
        Measure("serving, all rows replaced", Side("ours", child(publish, home, 2)), facts=rows),
    ]
