"""A real PostgreSQL on this machine, and how a test looks into it."""

import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg2
import pytest


class Database:
    """A database of the server, as an administrator sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def rows(self, *statements: str) -> list[tuple[Any, ...]]:
        """What the last statement gives. Each is committed at once."""
        connection = psycopg2.connect(self.url)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []
        finally:
            connection.close()

    def value(self, *statements: str) -> Any:
        """The only value that the last statement gives."""
        ((value,),) = self.rows(*statements)
        return value


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of the server's own database."""
    if sys.version_info >= (3, 13):
        pytest.skip("pgserver, the PostgreSQL of this test, has no wheel for Python 3.13")
    import pgserver

    # Not in pytest's folder: root's Postgres runs as somebody else, who mayn't look into it.
    server = pgserver.get_server(Path(mkdtemp(prefix="postgres-")), cleanup_mode="delete")
    # What outlives the machine is nothing to tests.
    Database(server.get_uri()).rows("alter system set fsync = off", "select pg_reload_conf()")
    yield server.get_uri()
    server.cleanup()


@pytest.fixture(scope="session")
def new_database(postgres: str) -> Callable[[], Database]:
    """Makes an empty database at each call."""
    numbers = count()

    def make() -> Database:
        name = f"served_{next(numbers)}"
        Database(postgres).rows(f"create database {name}")
        return Database(postgres.replace("/postgres?", f"/{name}?"))

    return make


@pytest.fixture
def database(new_database: Callable[[], Database]) -> Database:
    """An empty database."""
    return new_database()
