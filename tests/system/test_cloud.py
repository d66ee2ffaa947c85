"""The same archive through both deployments: a folder and DuckDB, S3 and Snowflake.

S3 is moto's server, Snowflake is fakesnow's, both behind real sockets; the connector, dbt-snowflake
and dagster-snowflake are the real ones. What this can't prove is listed in docs/tests.md.
"""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from conftest import CLOSED, FEED, PREDICTIT, build, materialize, observe, published, stream_of
from cryptography.hazmat.primitives import serialization
from deployment import (
    ADMINISTRATOR,
    Deployment,
    deployed,
    new_key,
    pem_of,
    predictit,
    variables,
)
from snowflake_grammar import faults, told

from predictit_assets import factory
from predictit_assets.checks.schema import violations, warning_checks, warning_violation
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import NothingPublished, SettingsError
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.pending import PENDING, pending_markets
from predictit_assets.sources.predictit.products.alerts import MOVED, moves
from predictit_assets.sources.predictit.products.board import newest_odds
from predictit_assets.sources.predictit.products.report import page
from predictit_assets.sources.predictit.schemas import ContractSnapshots
from predictit_assets.storage import snowflake, snowflake_account
from predictit_assets.storage.migrations import TableOutdated
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.snowflake import (
    MAX_FILES,
    Purpose,
    SnowflakeWarehouse,
    snowflake_type,
)
from predictit_assets.storage.warehouse import CuratedObject, LoadedObject, staging_columns

FIRST = datetime(2026, 3, 7, 5, tzinfo=UTC)
"""A midnight in New York; a day later the clocks go forward."""
POLLS = 11
EVERY = timedelta(hours=6)
LEFT_AFTER = 8
"""The poll that is the last to hold a certain market."""
DAYS = DayRange(date(2026, 3, 7), date(2026, 3, 9))
"""That of the last poll is the day of the answer, too."""
assert PREDICTIT.published
PUBLISHED_DAYS, NEWEST = PREDICTIT.published.days, PREDICTIT.published.newest
TABLES = [
    *(
        ("staging", table)
        for table in ("market_snapshots", "contract_snapshots", "closed_contracts", "load_log")
    ),
    *(key for key, model in published(Settings()).items() if model.source == PREDICTIT.name),
]
OWN_UNIT_TESTS = f"fqn:predictit.{PREDICTIT.name},test_type:unit"
"""Those of other sources ask for tables that aren't there."""
WORLD = FakePredictIt(markets=8, contracts=24)
EMPTY = {"outcome_overrides"}
ENDS = [
    "2021-01-21T00:00:00",
    "02/4/2022 11:00:00 AM (ET)",
    "5/1/2021 12:00 AM (ET) [beginning of the day]",
    "10/31/2021 12:00 a.m.",
    "12/15/21 11:59 PM (EDT)",
    "9/99/99 9:99 p.m. (ET)",
    "13/1/2021 13:00 PM",
    "11/8/2022",
    "No End Date",
]
WHITE = "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u200a\u2028\u2029\u202f\u205f\u3000"


def polls() -> list[Payload]:
    """Two days and a half of odds, with what engines may take differently."""
    payloads = observe(WORLD, FIRST, POLLS, EVERY)
    told = [_edited(n, payload) for n, payload in enumerate(payloads)]
    (hour_before,) = observe(WORLD, payloads[-1].captured_at - timedelta(hours=1), 1, EVERY)
    invalid = Payload(DAYS.first, FIRST + timedelta(hours=1), b'{"markets": []}')
    return [_edited(POLLS, hour_before), *told, invalid]


def answer() -> Payload:
    """What PredictIt says of a market that left before the last poll."""
    leaver = WORLD.payload(FIRST)["markets"][-1]["id"]
    (market,) = [
        one for one in WORLD.payload(FIRST + LEFT_AFTER * EVERY)["markets"] if one["id"] == leaver
    ]
    for n, contract in enumerate(market["contracts"]):
        contract["lastTradePrice"] = 0.99 if n == 0 else 0.01
    body = json.dumps(market | {"status": "Closed"}).encode()
    at = FIRST + POLLS * EVERY
    return Payload(EASTERN.day_of(at), at, body)


def _edited(n: int, original: Payload) -> Payload:
    payload = json.loads(original.read())
    if n > LEFT_AFTER:
        leaver = WORLD.payload(FIRST)["markets"][-1]["id"]
        payload["markets"] = [one for one in payload["markets"] if one["id"] != leaver]
    contracts = [one for market in payload["markets"] for one in market["contracts"]]
    for contract, end in zip(contracts, ENDS, strict=False):
        contract["dateEnd"] = end
    contracts[0]["lastTradePrice"] = 0
    contracts[1]["bestBuyYesCost"] = None
    contracts[2]["bestSellYesCost"] = None
    contracts[3]["name"] = f" {WHITE.join('Gänsefüßchen')}{WHITE}"
    if 3 <= n < 6:
        contracts[4]["name"] = 'It\'s "another" name; with a ? and 100%'
    return original._replace(body=json.dumps(payload).encode())


@dataclass(frozen=True)
class Homes:
    """The two homes, built, and what the servers of the second were told meanwhile."""

    first: Settings
    second: Settings
    logins: list[dict[str, Any]]
    statements: list[str]
    """What Snowflake was told from setting up to the board."""
    printed: str
    """What was logged and printed meanwhile."""

    def warehouses(self) -> list[Any]:
        return [factory.warehouse(self.first), factory.warehouse(self.second)]


@pytest.fixture(scope="module")
def deployment(
    s3: str, new_bucket: Callable[[], Bucket], tmp_path_factory: Any
) -> Iterator[Deployment]:
    with deployed(s3, new_bucket(), tmp_path_factory.mktemp("second")) as made:
        yield made


@pytest.fixture(scope="module")
def homes(deployment: Deployment, tmp_path_factory: Any, output: Any) -> Homes:
    """Both are built: the first in one range, the second in two that overlap, out of order.

    The checks run in the last build alone: they take most of the time.
    """
    first = Settings(home=tmp_path_factory.mktemp("first"))
    second, emulator = deployment.settings, deployment.emulator
    with variables(deployment.environment):
        predictit(*deployment.setup)
        predictit(*deployment.setup)
    for settings in (first, second):
        stream_of(settings, CLOSED).payloads.land(answer())
    early = polls()[:-3] + polls()[-1:]
    land(first, polls())
    build_unchecked(first, DAYS)
    land(second, early)
    build_unchecked(second, DayRange(date(2026, 3, 8), DAYS.last))
    land(second, polls())
    with instance_at(second.dagster_home) as instance:
        build(second, DAYS, instance)
    with variables(deployment.environment):
        predictit("board", "--json")
    statements = [*emulator.statements]
    return Homes(first, second, [*emulator.logins], statements, output())


def land(settings: Settings, payloads: list[Payload]) -> None:
    store = stream_of(settings).payloads
    for payload in payloads:
        store.land(payload)


def build_unchecked(settings: Settings, window: DayRange) -> None:
    """Every table over a window, without checks and report."""
    tables = dg.AssetSelection.all() - dg.AssetSelection.key_prefixes("report")
    unchecked = tables - dg.AssetSelection.all_asset_checks()
    assert materialize(settings, unchecked, window, held_only=True).success


@contextmanager
def instance_at(folder: Path) -> Iterator[dg.DagsterInstance]:
    """A Dagster instance that writes to files."""
    folder.mkdir(parents=True)
    with dg.instance_for_test(temp_dir=str(folder)) as instance:
        yield instance


@pytest.fixture(scope="module")
def output(request: pytest.FixtureRequest) -> Callable[[], str]:
    """What was written to standard output and error since the module began."""
    capture = request.config.pluginmanager.getplugin("capturemanager")
    return lambda: "".join(capture.read_global_capture() or ())


# What is in the tables


@pytest.mark.parametrize(("schema", "table"), TABLES)
def test_both_homes_hold_the_same_rows(homes: Homes, schema: str, table: str) -> None:
    columns = "*"
    if table == "load_log":  # who loaded differs
        columns = "table_name, partition_date, object_key, object_sha256, row_count"

    first, second = (
        rows_of(warehouse, f"select {columns} from {schema}.{table}")
        for warehouse in homes.warehouses()
    )

    assert bool(first) == (table not in EMPTY)
    assert second == first


def rows_of(warehouse: Any, query: str) -> list[tuple[Any, ...]]:
    with warehouse.read_connection() as ask:
        return sorted(ask(query), key=repr)


@pytest.mark.parametrize(("schema", "table"), [one for one in TABLES if one[1] != "load_log"])
def test_both_homes_have_the_same_columns(homes: Homes, schema: str, table: str) -> None:
    kinds = []
    for warehouse in homes.warehouses():
        with warehouse.table(schema, table) as expression:
            kinds.append(dict(expression.schema()))

    assert kinds[1] == kinds[0]


def test_the_archive_has_what_engines_may_take_differently(homes: Homes) -> None:
    """Otherwise the comparison would say less than it seems to."""
    warehouse = factory.warehouse(homes.second)
    ends = rows_of(warehouse, "select distinct date_end_ts is null from core.dim_contracts")
    assert ends == [(False,), (True,)]
    (name,) = rows_of(
        warehouse, "select contract_name from core.dim_contracts where contract_name like 'G%'"
    )
    assert name == (" ".join("Gänsefüßchen"),)
    assert len(rows_of(warehouse, "select distinct partition_date from core.fact_prices")) == 3
    assert rows_of(warehouse, "select 1 from core.dim_contracts_history where not is_current")


# What is shown of them


@pytest.mark.parametrize("movers", [True, False])
def test_the_board_is_the_same(homes: Homes, movers: bool) -> None:
    first, second = (newest_odds(one, "", movers) for one in homes.warehouses())

    assert second == first
    assert len(first) > 10
    assert len(newest_odds(factory.warehouse(homes.second), first[0]["market_name"], movers)) > 0


def test_the_report_is_the_same(homes: Homes) -> None:
    objects = factory.objects(homes.first)
    first, second = (page.render(one, objects) for one in homes.warehouses())

    assert second == first


def test_what_sensors_ask_is_answered_the_same(homes: Homes) -> None:
    first, second = (
        (pending(one), moves(one, 0.0), rows_of(one, PUBLISHED_DAYS), rows_of(one, NEWEST))
        for one in homes.warehouses()
    )

    assert second == first
    assert first[1]
    assert len(first[2]) == 3


def pending(warehouse: Any) -> list[int]:
    with warehouse.read_connection() as query:
        return pending_markets(query)


def test_what_is_not_there_yet_is_one_clear_line(homes: Homes) -> None:
    elsewhere = homes.second.model_copy(update={"snowflake_database": "NOBODYS"})
    with pytest.raises(NothingPublished, match="published in NOBODYS yet"):
        newest_odds(factory.warehouse(elsewhere), "", False)


# dbt


def test_dbts_unit_tests_hold_in_snowflake(homes: Homes, tmp_path: Path) -> None:
    ran = factory.dbt(homes.second)._invoke(["test", "--select", OWN_UNIT_TESTS], tmp_path)

    outcomes = {one.node.name: f"{one.status} {one.message or ''}" for one in ran.result.results}
    assert len(outcomes) >= 7
    assert {name: told for name, told in outcomes.items() if told != "pass "} == {}


# Checks


def test_checks_find_in_snowflake_what_is_broken(homes: Homes, deployment: Deployment) -> None:
    warehouse = factory.warehouse(homes.second)
    deployment.execute(
        "create table core.broken as"
        " select * replace (case when contract_id % 2 = 0 then 1.5 else spread end as spread)"
        " from core.fact_prices",
        "insert into core.broken select * from core.fact_prices where polled_at ="
        " (select min(polled_at) from core.fact_prices)",
        "create table core.suspicious as"
        " select * replace (0.005 as best_sell_yes_cost) from staging.contract_snapshots",
    )
    schema = published(homes.first)["core", "fact_prices"]
    with warehouse.table("core", "fact_prices") as facts:
        assert violations(schema, facts) == []
    with warehouse.table("core", "broken") as facts:
        broken = {fault.rule: fault for fault in violations(schema, facts)}
    too_wide, twice = sorted(broken, key=lambda rule: "spread" not in rule)
    assert "less_than_or_equal_to(1)" in too_wide
    assert twice.endswith("contract_id, polled_at")
    assert all(fault.rows and fault.days and fault.examples for fault in broken.values())
    with warehouse.table("core", "broken") as facts:
        assert "column 'spread' not found" in str(violations(schema, facts.drop("spread")))
    with warehouse.table("core", "suspicious") as sent:
        found = [
            check.name
            for check in warning_checks(ContractSnapshots)
            if warning_violation(check, sent)
        ]
    assert found == ["whole_cents"]


# Tables of an earlier release


def test_tables_that_are_as_they_should_be_are_left_alone(homes: Homes) -> None:
    """What Snowflake tells of types is understood: nothing of two builds was to be changed."""
    altered = re.compile(r"alter\s+table\s+\S+\s+(rename|add)\s", re.IGNORECASE)
    assert [one for one in homes.statements if altered.search(one)] == []


def test_a_table_of_the_release_before_gets_the_columns_of_this_one(
    homes: Homes, deployment: Deployment
) -> None:
    deployment.execute(
        "create table core.older (snapshot_date date, id bigint, seen_at timestamp_ntz)",
        "insert into core.older values ('2026-03-07', 1, '2026-03-07 12:00:00')",
    )
    warehouse = factory.warehouse(homes.second)
    wanted = {"partition_date": "date", "id": "bigint", "seen_at": "timestamp"}
    for _ in range(2):
        warehouse.migrate("core", {"older": wanted | {"price": "decimal(6, 4)"}})
    found = rows_of(warehouse, "select partition_date, id, price from core.older")
    assert [tuple(row) for row in found] == [(date(2026, 3, 7), 1, None)]
    with pytest.raises(TableOutdated, match=r"id of core\.older"):
        warehouse.migrate("core", {"older": wanted | {"id": "varchar"}})


# Staging


def unread(one: CuratedObject, file: str, schema: Any) -> LoadedObject:
    """What is known of an object that nobody looks at."""
    return LoadedObject(one.table, one.day, one.key, "", 1)


def as_told(kind: str) -> tuple[Any, ...]:
    name, _, size = snowflake_type(kind).rstrip(")").partition("(")
    return (name, *map(int, size.split(","))) if name == "NUMBER" else (name, None, None)


class Recorder:
    """A connection that remembers its statements, and fails at one of them."""

    def __init__(self, fails_at: int = 0) -> None:
        self.statements: list[str] = []
        self.fails_at = fails_at

    def execute(self, statement: str, values: Any = None) -> None:
        self.statements.append(statement)
        if len(self.statements) == self.fails_at:
            raise RuntimeError("it fails")

    executemany = execute

    def fetchall(self) -> list[Any]:
        """The columns of the staging tables, as the information schema tells them."""
        return [
            (table.upper(), column.upper(), *as_told(kind))
            for table, columns in staging_columns(FEED.tables).items()
            for column, kind in columns.items()
        ]

    def cursor(self) -> "Recorder":
        return self

    def close(self) -> None: ...


@pytest.mark.parametrize(("days", "copies"), [(0, 0), (1, 1), (1000, 1), (2500, 3)])
def test_a_window_is_loaded_by_name_in_a_number_of_statements_that_hardly_grows(
    tmp_path: Path, days: int, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder()
    monkeypatch.setattr(snowflake, "identify", unread)

    @contextmanager
    def connect(purpose: Purpose, tag: Any) -> Iterator[Any]:
        table = "market_snapshots, contract_snapshots"
        assert (purpose, tag) == (Purpose.LOAD, {"table": table, "run": "a run"})
        yield recorder

    curated = [
        CuratedObject(table, date(2020, 1, 1) + timedelta(days=n), f"curated/{table}/{n}")
        for n in range(days)
        for table in FEED.tables
    ]
    loaded = SnowflakeWarehouse(connect, "PREDICTIT").replace_window(
        FEED.tables, DAYS, ObjectStore(tmp_path), curated, "a run"
    )
    assert [one.key for one in loaded] == [one.key for one in curated]

    _, begin, *statements, commit = recorder.statements
    copied = [one for one in statements if one.startswith("copy")]
    files = [re.findall(r"'(\w+/\d+)'", one) for one in copied]
    assert (begin, commit) == ("begin", "commit")
    assert len(statements) == 2 * (2 + 2 * copies)
    assert [name for some in files for name in some] == [
        one.key.removeprefix("curated/")
        for table in FEED.tables
        for one in loaded
        if one.table == table
    ]
    assert all(len(some) <= MAX_FILES for some in files)
    for one, some in zip(copied, files, strict=True):
        (table,) = {name.split("/")[0] for name in some}
        assert one.startswith(f"copy into staging.{table} ")
        assert "from @staging.curated files = (" in one
        assert "force = true" in one
        assert "on_error = abort_statement" in one


@pytest.mark.parametrize("nth", range(3, 12))
def test_after_a_statement_that_fails_the_session_rolls_back_and_does_nothing_else(
    tmp_path: Path, nth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Snowflake keeps the transaction open: whatever came next could commit what came before."""
    monkeypatch.setattr(snowflake, "identify", unread)
    recorder = Recorder(fails_at=nth)

    @contextmanager
    def connect(purpose: Purpose, tag: Any) -> Iterator[Any]:
        yield recorder

    curated = [CuratedObject(table, DAYS.first, f"curated/{table}/1") for table in FEED.tables]
    with pytest.raises(RuntimeError, match="it fails"):
        SnowflakeWarehouse(connect, "PREDICTIT").replace_window(
            FEED.tables, DAYS, ObjectStore(tmp_path), curated, "a run"
        )

    assert recorder.statements[1] == "begin"
    assert (recorder.statements[-2] == "commit") == (nth == 11)
    assert recorder.statements[nth:] == ["rollback"]


def test_a_load_that_fails_leaves_the_days_and_their_log_as_they_were(
    homes: Homes, tmp_path: Path
) -> None:
    """Whoever loads has the object at hand, but the bucket that Snowflake reads lacks it."""
    warehouse = factory.warehouse(homes.second)
    counted = "select count(*) from staging.market_snapshots"
    logged = "select table_name, partition_date, run_id from staging.load_log"
    before = [rows_of(warehouse, counted), rows_of(warehouse, logged)]
    real = stream_of(homes.first).curated_object("market_snapshots", DAYS.first)
    content = factory.objects(homes.first).get(real)
    assert content
    elsewhere = ObjectStore(tmp_path)
    elsewhere.replace("curated/nothing.parquet", content)

    with pytest.raises(Exception, match=r"404|Not Found"):
        warehouse.replace_window(
            FEED.tables,
            DAYS,
            elsewhere,
            [CuratedObject("market_snapshots", DAYS.first, "curated/nothing.parquet")],
            "a run",
        )

    assert [rows_of(warehouse, counted), rows_of(warehouse, logged)] == before


# What Snowflake is told


def test_every_statement_is_snowflakes_own_sql(homes: Homes) -> None:
    asked = [*told(homes.statements), PENDING, MOVED, PUBLISHED_DAYS, NEWEST]
    found = {fault for statement in asked for fault in faults(statement)}
    assert found == set()


def test_each_connection_says_what_it_is_for(homes: Homes) -> None:
    tags = [json.loads(login["QUERY_TAG"]) for login in homes.logins]

    assert {tag["app"] for tag in tags} == {"predictit"}
    assert {tag["purpose"] for tag in tags} == {
        "setup",
        "load",
        "migrate",
        "transform",
        "check",
        "read",
    }
    for tag in tags:
        if tag["purpose"] in ("load", "transform"):
            assert re.fullmatch("[0-9a-f-]{36}", tag["run"]), tag
    setting_up = {login["user"] for login in homes.logins if login["roleName"] == "ACCOUNTADMIN"}
    assert setting_up == {ADMINISTRATOR}
    others = {login["user"] for login in homes.logins if login["roleName"] != "ACCOUNTADMIN"}
    assert others == {"PREDICTIT"}


def test_a_purpose_has_its_own_warehouse_and_only_setting_up_another_role(homes: Homes) -> None:
    used = {
        (json.loads(login["QUERY_TAG"])["purpose"], login["warehouse"], login["roleName"])
        for login in homes.logins
    }

    assert used == {
        ("setup", "PREDICTIT_TRANSFORM", "ACCOUNTADMIN"),
        ("migrate", "PREDICTIT_TRANSFORM", "ACCOUNTADMIN"),
        ("load", "PREDICTIT_LOAD", "PREDICTIT_LOADER"),
        *(
            (purpose, "PREDICTIT_TRANSFORM", "PREDICTIT_LOADER")
            for purpose in ("migrate", "transform", "check", "read")
        ),
    }


def test_nothing_is_waited_for_for_ever(homes: Homes) -> None:
    with snowflake_account.connect(homes.second)(Purpose.READ, {}) as connection:
        assert connection.network_timeout == snowflake_account.NETWORK_TIMEOUT
        assert connection.login_timeout == snowflake_account.LOGIN_TIMEOUT


# Secrets


def test_no_secret_is_written_anywhere(homes: Homes, deployment: Deployment) -> None:
    secret = deployment.pem.splitlines()[3]
    second = os.environ["AWS_SECRET_ACCESS_KEY"]
    written = [path for path in homes.second.home.rglob("*") if path.is_file()]
    written += [path for path in (DBT_DIR / "target" / "snowflake").rglob("*") if path.is_file()]

    assert any(path.suffix == ".db" for path in written), "the instance wrote no files"
    for text in (secret, second):
        assert [path for path in written if text.encode() in path.read_bytes()] == []
        assert text not in homes.printed
        assert not [one for one in homes.statements if text in one]
        assert text not in repr(homes.second) + str(homes.second)


def test_who_has_another_key_is_told_so_in_one_line(homes: Homes) -> None:
    values = homes.second.model_dump() | {"snowflake_private_key": pem_of(new_key())}
    with (
        pytest.raises(SettingsError, match=r"doesn't let PREDICTIT into acme-odds: .*JWT"),
        snowflake_account.connect(Settings(**values))(Purpose.READ, {}),
    ):
        pass


def test_a_key_may_be_a_file_with_a_passphrase(
    homes: Homes, deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "key.p8"
    file.write_bytes(
        deployment.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    values = homes.second.model_dump() | {
        "snowflake_private_key": "",
        "snowflake_private_key_file": str(file),
        "snowflake_private_key_passphrase": "open sesame",
    }
    settings = Settings(**values)

    assert len(rows_of(factory.warehouse(settings), "select 1 as one from core.dim_markets")) > 0
    gone = Settings(**values | {"snowflake_private_key_file": str(tmp_path / "none")})
    with pytest.raises(SettingsError, match=r"PRIVATE_KEY_FILE=.*none is no file"):
        rows_of(factory.warehouse(gone), "select 1 as one")
