"""The emulated Snowflake keeps transactions as Snowflake does, and readers see each day whole."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from conftest import FEED, materialize, observe, published, stream_of
from dagster_snowflake import SnowflakeResource
from deployment import Deployment, deployed, predictit, variables
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import (
    Error,
    OperationalError,
    ProgrammingError,
    ServiceUnavailableError,
)
from snowflake_access import bare_statement
from snowflake_emulator import Fate, Told

from predictit_assets import factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.instance import failures
from predictit_assets.instance.dbt_runner import Dbt
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
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


# Law 3: whatever fails or is killed, each day of each table is as it was or as it should be.

WORLD = FakePredictIt(markets=3, contracts=6)
NOON = datetime(2026, 3, 7, 17, tzinfo=UTC)
POLLS = observe(WORLD, NOON, 6, timedelta(hours=6))
DAYS = DayRange(EASTERN.day_of(NOON), EASTERN.day_of(POLLS[-1].captured_at))
MODELS = [one for one in published(Settings()) if one[0] in ("core", "marts")]
STAGED = [("staging", table) for table in (*FEED.tables, "load_log")]
SAID = {
    "create": r"create or replace (temporary|transient) table",
    "begin": "begin",
    "delete": "delete",
    "insert": "insert",
    "commit": "commit",
}
"""What dbt says for a table that is replaced by day; for one that is made whole, only the first."""
FATES = [
    *((what, Fate.FAILS) for what in SAID),
    *((what, Fate.CLIENT_DIES_AFTER) for what in ("create", "delete", "insert")),
]
"""Who dies after one statement has died before the next: none of these ends replaces a day."""

KEPT = (("core", "fact_prices"), ("core", "market_attribute_runs"), ("marts", "odds_1h"))
"""Some that are replaced by day, and that the other polls change."""
Contents = dict[tuple[str, str], Counter[tuple[Any, ...]]]
"""The rows of tables, by layer and name."""


@pytest.fixture(scope="module")
def after(tmp_path_factory: Any) -> Contents:
    """What is in the tables of a home where nothing fails."""
    settings = Settings(home=tmp_path_factory.mktemp("whole"))
    for poll in POLLS:
        stream_of(settings).payloads.land(poll)
    assert materialize(settings, of_layers("raw", "curated", "staging", "core", "marts"), DAYS)
    return contents(settings, [*STAGED, *MODELS])


@pytest.fixture(scope="module")
def begun(deployment: Deployment) -> Settings:
    """Every other poll is built; the others came since, and are curated."""
    settings = deployment.settings
    for polls, layers in (
        (POLLS[::2], ("raw", "curated", "staging", "core", "marts")),
        (POLLS, ("raw", "curated")),
    ):
        for poll in polls:
            stream_of(settings).payloads.land(poll)
        assert materialize(settings, of_layers(*layers), DAYS).success
    return settings


@pytest.fixture(scope="module")
def staged(begun: Settings) -> Settings:
    """All polls are in staging, and nothing was made of them."""
    assert materialize(begun, of_layers("staging"), DAYS).success
    return begun


@pytest.fixture(scope="module")
def cored(staged: Settings) -> Settings:
    """Only marts lack the other polls."""
    assert materialize(staged, of_layers("core"), DAYS).success
    return staged


def of_layers(*layers: str) -> dg.AssetSelection:
    keys = [[layer, "predictit"] for layer in layers]
    return dg.AssetSelection.key_prefixes(*keys).without_checks()


def contents(settings: Settings, tables: list[tuple[str, str]]) -> Contents:
    found: Contents = {}
    with factory.warehouse(settings).read_connection() as ask:
        for schema, table in tables:
            columns = "*"
            if table == "load_log":  # who loaded, and when, differs
                columns = "table_name, partition_date, object_key, object_sha256, row_count"
            rows = ask(f"select {columns} from {schema}.{table}")
            found[schema, table] = Counter(map(tuple, rows))
    return found


@contextmanager
def fate_of(deployment: Deployment, fate: Callable[[Told], Fate]) -> Iterator[list[Told]]:
    """Statements meet their fate; those that didn't are done are listed."""
    emulator, met = deployment.emulator, []

    def of(told: Told) -> Fate:
        if (found := fate(told)) is not Fate.DONE:
            met.append(told)
        return found

    emulator.fate = of
    try:
        yield met
    finally:
        emulator.fate = lambda _told: Fate.DONE
        emulator.end_lost_sessions()


def test_a_load_that_ends_at_any_statement_leaves_days_and_log_whole(
    deployment: Deployment, begun: Settings, after: Contents
) -> None:
    before = contents(begun, STAGED)
    assert before[STAGED[0]] != after[STAGED[0]]
    ends = []
    for nth in range(1, 20):
        for fate in (Fate.CLIENT_DIES_AFTER, Fate.FAILS):
            sessions: Counter[Any] = Counter()

            def of(
                told: Told, nth: int = nth, fate: Fate = fate, seen: Counter[Any] = sessions
            ) -> Fate:
                seen[told.session] += told.statement == "begin" or bool(seen[told.session])
                done = told.statement == "commit" and fate is Fate.CLIENT_DIES_AFTER
                return fate if seen[told.session] == nth and not done else Fate.DONE

            with fate_of(deployment, of) as met:
                finished = materialize(begun, of_layers("staging"), DAYS).success
            if finished:
                break
            ends.append(bare_statement(met[0].statement).split()[0])
            assert contents(begun, STAGED) == before, f"statement {nth}: {met[0].statement}"
        if finished:
            break

    assert Counter(ends) == {"begin": 2, "delete": 8, "copy": 3, "insert": 8, "commit": 1}
    assert contents(begun, STAGED) == {name: after[name] for name in STAGED}


@pytest.mark.parametrize("kind", [OperationalError, ServiceUnavailableError])
def test_a_step_that_snowflake_was_not_there_for_succeeds_at_its_second_try(
    staged: Settings, monkeypatch: pytest.MonkeyPatch, kind: type[Error]
) -> None:
    opened, faults = SnowflakeResource.get_connection, iter([kind(msg="gone", errno=250001)])

    def get_connection(self: SnowflakeResource) -> Any:
        for fault in faults:
            raise fault
        return opened(self)

    monkeypatch.setattr(SnowflakeResource, "get_connection", get_connection)
    monkeypatch.setattr(failures, "FIRST_WAIT", 0.0)
    result = materialize(staged, of_layers("staging"), DAYS)
    assert result.success
    events = [one.event_type for one in result.all_events]
    assert events.count(dg.DagsterEventType.STEP_UP_FOR_RETRY) == 1


@pytest.mark.parametrize(("what", "fate"), FATES)
@pytest.mark.parametrize("layer", ["core", "marts"])
def test_a_model_that_ends_at_any_statement_leaves_its_days_whole(
    deployment: Deployment,
    request: pytest.FixtureRequest,
    after: Contents,
    layer: str,
    what: str,
    fate: Fate,
) -> None:
    settings = request.getfixturevalue("staged" if layer == "core" else "cored")
    tables = [one for one in MODELS if one[0] == layer]
    before = contents(settings, tables)
    pattern = re.compile(SAID[what], re.IGNORECASE)

    def of(told: Told) -> Fate:
        ours = '"app": "dbt"' in told.statement
        return fate if ours and pattern.match(bare_statement(told.statement)) else Fate.DONE

    with fate_of(deployment, of) as met:
        assert not materialize(settings, of_layers(layer), DAYS).success

    assert met
    found = contents(settings, tables)
    broken = [name for name in tables if found[name] not in (before[name], after[name])]
    assert broken == []
    kept = [name for name in KEPT if name in found]
    assert [name for name in kept if before[name] == after[name]] == []
    assert [name for name in kept if found[name] != before[name]] == []


@pytest.mark.parametrize(("layer", "table"), KEPT)
def test_what_goes_on_after_a_model_that_failed_commits_nothing_of_it(
    deployment: Deployment,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    layer: str,
    table: str,
) -> None:
    """The others are made with DDL, which commits what a session left open. dbt has one thread."""
    settings = request.getfixturevalue("staged" if layer == "core" else "cored")
    before = contents(settings, [(layer, table)])
    invoke = Dbt._invoke
    monkeypatch.setattr(
        Dbt,
        "_invoke",
        lambda dbt, args, *more, **runner: invoke(dbt, [*args, "--threads", "1"], *more, **runner),
    )

    def of(told: Told) -> Fate:
        said = re.match(rf"insert into \S+\.{table}\s", bare_statement(told.statement))
        return Fate.FAILS if said else Fate.DONE

    with fate_of(deployment, of) as met:
        first = len(deployment.emulator.told)
        assert not materialize(settings, of_layers(layer), DAYS).success

    (failed,) = met
    later = deployment.emulator.told[deployment.emulator.told.index(failed, first) + 1 :]
    assert any(re.match(SAID["create"], bare_statement(one.statement)) for one in later)
    assert contents(settings, [(layer, table)]) == before


def test_what_failed_at_every_statement_can_be_built(cored: Settings, after: Contents) -> None:
    assert materialize(cored, of_layers("marts"), DAYS).success

    found = contents(cored, MODELS)
    assert {name for name in found if found[name] != after[name]} == set()
