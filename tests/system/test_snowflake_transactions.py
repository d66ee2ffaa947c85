"""The emulated Snowflake keeps transactions as Snowflake does, and readers see each day whole."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from deployment import Deployment, deployed, predictit, variables
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError

from predictit_assets.storage.objects import Bucket
from predictit_assets.storage.snowflake import Purpose
from predictit_assets.storage.snowflake_account import connect


@pytest.fixture(scope="module")
def deployment(
    s3: str, new_bucket: Callable[[], Bucket], tmp_path_factory: Any
) -> Iterator[Deployment]:
    """Set up. An error doesn't abort its transaction: administrators may say so."""
    with deployed(s3, new_bucket(), tmp_path_factory.mktemp("transactions")) as made:
        with variables(made.environment):
            predictit(*made.setup)
        of_users(made, "unset transaction_abort_on_error")
        yield made


def of_users(deployment: Deployment, what: str) -> None:
    deployment.execute(f"alter user predictit {what}", role="ACCOUNTADMIN")


@contextmanager
def session(deployment: Deployment) -> Iterator[SnowflakeConnection]:
    with connect(deployment.settings)(Purpose.READ, {}) as connection:
        yield connection


@pytest.fixture
def ids(deployment: Deployment) -> Callable[[], list[int]]:
    """A table with one row, and what others read of it."""
    deployment.execute(
        "create or replace table core.kept (id bigint not null)",
        "insert into core.kept values (1)",
    )
    return lambda: [row[0] for row in deployment.execute("select id from core.kept order by id")]


def say(connection: SnowflakeConnection, *statements: str) -> None:
    for statement in statements:
        connection.cursor().execute(statement)


def fails(connection: SnowflakeConnection, statement: str) -> None:
    with pytest.raises(ProgrammingError):
        connection.cursor().execute(statement)


# What Snowflake does: https://docs.snowflake.com/en/sql-reference/transactions


def test_what_fails_keeps_the_transaction_open(deployment: Deployment, ids: Any) -> None:
    with session(deployment) as ours:
        say(ours, "begin", "delete from core.kept")
        fails(ours, "insert into core.kept values (null)")
        say(ours, "insert into core.kept values (2)")
        assert ids() == [1]
        say(ours, "commit")
    assert ids() == [2]


def test_a_second_begin_is_ignored(deployment: Deployment, ids: Any) -> None:
    with session(deployment) as ours:
        say(ours, "begin", "delete from core.kept", "begin", "insert into core.kept values (3)")
        say(ours, "rollback")
    assert ids() == [1]


@pytest.mark.parametrize(
    "ddl", ["create or replace table core.other (id int)", "drop table core.nil"]
)
def test_ddl_commits_what_came_before_it(deployment: Deployment, ids: Any, ddl: str) -> None:
    with session(deployment) as ours:
        say(ours, "begin", "delete from core.kept")
        if ddl.startswith("drop"):
            fails(ours, ddl)
        else:
            say(ours, ddl)
        say(ours, "rollback")
    assert ids() == []


def test_a_logout_rolls_back(deployment: Deployment, ids: Any) -> None:
    with session(deployment) as ours:
        say(ours, "begin", "delete from core.kept")
    assert ids() == [1]
    deployment.execute("insert into core.kept values (4)")
    assert ids() == [1, 4]


def test_where_an_error_aborts_nothing_but_an_end_is_taken(
    deployment: Deployment, ids: Any
) -> None:
    of_users(deployment, "set transaction_abort_on_error = true")
    try:
        with session(deployment) as ours:
            say(ours, "begin", "delete from core.kept")
            fails(ours, "insert into core.kept values (null)")
            fails(ours, "create or replace table core.other (id int)")
            say(ours, "commit")
    finally:
        of_users(deployment, "unset transaction_abort_on_error")
    assert ids() == [1]


@pytest.mark.parametrize("name", ["a-b", "1st", "order", "values", "from"])
def test_a_name_that_needs_quotes_fails_without_them(deployment: Deployment, name: str) -> None:
    with session(deployment) as ours:
        fails(ours, f"create or replace table core.{name} (id int)")
        fails(ours, f"create or replace table core.fine ({name} int)")
        say(ours, f'create or replace table core."{name}" ("{name}" int)')
        fails(ours, f"select {name} from core.fine")
