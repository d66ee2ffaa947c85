"""A PostgreSQL that can die, and whether it serves what the warehouse holds."""

import json
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psutil
import psycopg2

from predictit_assets import factory
from predictit_assets.checks.model_schema import model_schemas
from predictit_assets.layers.served import served_tables
from soak.home import Home

CLIENTS = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
STARTS = 3
"""Attempts to start the server: after a crash it may take longer than it is waited for."""


class Database:
    """A server of its own, with nothing in it."""

    def __init__(self) -> None:
        import pgserver

        # Root's PostgreSQL runs as somebody else, who mayn't look into every folder.
        self._server = pgserver.get_server(Path(mkdtemp(prefix="postgres-")), cleanup_mode="delete")
        self.url: str = self._server.get_uri()

    def wait_for_client(self, while_runs: "subprocess.Popen[str]") -> None:
        """Wait until somebody is connected, or a process has ended."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        with closing(connection), connection.cursor() as cursor:
            while while_runs.poll() is None:
                cursor.execute(CLIENTS)
                if cursor.fetchone() != (1,):
                    return
                time.sleep(0.05)

    def kill(self) -> None:
        """Kill it with all its processes: what isn't committed is gone."""
        root = psutil.Process(self._server.get_pid())
        processes = [root, *root.children(recursive=True)]
        for one in processes:
            with suppress(psutil.NoSuchProcess):
                one.kill()
        psutil.wait_procs(processes)

    def start(self) -> None:
        """Start it, unless it runs."""
        for attempt in range(1, STARTS + 1):
            try:
                self._server.ensure_postgres_running()
            except subprocess.TimeoutExpired:
                if attempt == STARTS:
                    raise
            else:
                return

    def end(self) -> None:
        """Stop it, and forget all it held."""
        self._server.cleanup()


@contextmanager
def database() -> Iterator[Database]:
    """A server that is there for so long."""
    server = Database()
    try:
        yield server
    finally:
        server.end()


def differences(home: Home, url: str) -> list[str]:
    """The served tables and views whose rows aren't those of the warehouse, a sentence each."""
    serving = home.source.serving
    assert serving  # noqa: S101
    models = model_schemas(factory.dbt(home.settings).manifest())
    found = []
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("set time zone 'UTC'")
        for one in served_tables(home.source.name, serving, models):
            query = f"select {', '.join(one.model.types)} from {one.model.layer}.{one.table}"
            cursor.execute(query)
            served = Counter(repr([*map(naive, row)]) for row in cursor.fetchall())
            with factory.warehouse(home.settings).read_connection() as ask:
                held = Counter(repr([*map(parsed, row)]) for row in ask(query))
            if served != held:
                missing, more = (held - served).total(), (served - held).total()
                found.append(
                    f"served {one.name}: {missing:,} of {held.total():,} rows are missing, "
                    f"{more:,} are in none of the warehouse's"
                )
    return found


def naive(value: Any) -> Any:
    """A value of PostgreSQL as the warehouse has it: times without a zone."""
    return value.replace(tzinfo=None) if isinstance(value, datetime) else parsed(value)


def parsed(value: Any) -> Any:
    """What is semi-structured comes as objects of Python or as JSON: then numbers are doubles."""
    if isinstance(value, dict | list):
        value = json.dumps(value)
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        read = json.loads(value, parse_int=_number, parse_float=_number)
        return json.dumps(read, sort_keys=True)
    except (ValueError, RecursionError):  # what only looks like it, or is nested for ever
        return value


def _number(text: str) -> float:
    """Without the sign of a zero."""
    return float(text) + 0.0
