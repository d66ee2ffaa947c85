"""What an administrator makes in Snowflake, over a real socket, where rights are judged."""

import json
import re
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from time import sleep
from typing import Any

import pytest
from conftest import PREDICTIT
from cryptography.hazmat.primitives import serialization
from deployment import ADMINISTRATOR, Deployment, deployed, new_key, pem_of, predictit, variables
from pydantic import SecretStr
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import ProgrammingError
from snowflake_access import Access
from snowflake_grammar import faults
from typer.testing import CliRunner

from predictit_assets import cli, factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.errors import ExpectedError, SettingsError
from predictit_assets.storage import snowflake_account
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.snowflake import Purpose
from predictit_assets.storage.snowflake_account import connect
from predictit_assets.storage.snowflake_setup import statements

OPTIONS = ["--allow", "203.0.113.0/24", "--allow", "198.51.100.7", "--credits", "40"]


@pytest.fixture(scope="module")
def deployment(
    s3: str, new_bucket: Callable[[], Bucket], tmp_path_factory: Any
) -> Iterator[Deployment]:
    """Set up twice, with a table and a view that the pipeline made meanwhile."""
    with deployed(s3, new_bucket(), tmp_path_factory.mktemp("setup")) as made:
        with pytest.raises(SettingsError, match="doesn't let PREDICTIT into"):
            made.execute("select 1 as one")
        with variables(made.environment):
            predictit(*made.setup)
            made.execute(
                "create or replace table core.seen as select 1 as id",
                "create or replace view live.now as select * from core.seen",
            )
            predictit(*made.setup, *OPTIONS)
        yield made


def script(deployment: Deployment, *options: str) -> str:
    with variables(deployment.environment):
        return predictit("setup-warehouse", "--dry-run", *options)


# Who logs in


def test_the_pipelines_user_is_made_and_cannot_set_up_itself(deployment: Deployment) -> None:
    user = deployment.emulator.access.users["PREDICTIT"]
    assert (user.kind, user.roles) == ("SERVICE", {"PREDICTIT_LOADER"})
    key = deployment.folder / "own.p8"
    key.write_text(deployment.pem)
    with (
        variables(deployment.environment),
        pytest.raises(SettingsError, match=r"Role 'ACCOUNTADMIN' .* is not granted"),
    ):
        predictit("setup-warehouse", "--as", "PREDICTIT", "--key", str(key))


def test_an_administrator_needs_no_key_of_the_pipeline(deployment: Deployment) -> None:
    public = deployment.folder / "predictit.pub"
    public.write_bytes(
        deployment.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    without = {**deployment.environment, "PREDICTIT_SNOWFLAKE_PRIVATE_KEY": ""}
    with variables(without):
        given = predictit("setup-warehouse", "--dry-run", "--public-key", str(public))
        with pytest.raises(SettingsError, match="--public-key FILE"):
            predictit("setup-warehouse", "--dry-run")
        public.write_text("no key")
        with pytest.raises(SettingsError, match="no public key in a PEM file"):
            predictit("setup-warehouse", "--dry-run", "--public-key", str(public))
    assert given == script(deployment)
    assert deployment.pem.splitlines()[3] not in given


def test_an_administrators_key_may_have_a_passphrase(deployment: Deployment) -> None:
    file = deployment.folder / "encrypted.p8"
    key = serialization.load_pem_private_key(deployment.admins_key_file.read_bytes(), None)
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"open sesame"),
        )
    )
    with variables(deployment.environment):
        command = ["setup-warehouse", "--as", ADMINISTRATOR, "--key", str(file)]
        result = CliRunner().invoke(cli.app, command, input="open sesame\n")
    assert result.exit_code == 0, result.output
    assert "open sesame" not in result.output


def test_without_an_administrator_it_says_so(deployment: Deployment) -> None:
    with variables(deployment.environment), pytest.raises(ExpectedError, match="--as USER"):
        predictit("setup-warehouse")


def test_a_person_isnt_made_the_pipeline(deployment: Deployment) -> None:
    told = len(deployment.emulator.told)
    with (
        variables({**deployment.environment, "PREDICTIT_SNOWFLAKE_USER": ADMINISTRATOR}),
        pytest.raises(ExpectedError, match=f"USER={ADMINISTRATOR} is a user of type PERSON"),
    ):
        predictit(*deployment.setup)
    said = [one.statement for one in deployment.emulator.told[told:]]
    assert not [one for one in said if re.match("(?i)create|alter|grant", one)]


@pytest.mark.parametrize(
    ("values", "options", "told"),
    [
        ({"PREDICTIT_SNOWFLAKE_USER": "jane.doe@corp.com"}, [], "letters, digits and _"),
        ({}, ["--role", "a;drop"], "--role=a;drop"),
        ({"PREDICTIT_SNOWFLAKE_STORAGE_ROLE_ARN": ""}, [], "STORAGE_ROLE_ARN"),
        ({}, ["--allow", "10.0.0.1/8"], "--allow 10.0.0.1/8: .*host bits"),
        ({"PREDICTIT_SNOWFLAKE_PRIVATE_KEY": "nonsense"}, [], "can't be read as a private key"),
    ],
)
def test_what_cant_be_written_into_the_script_is_refused(
    deployment: Deployment, values: dict[str, str], options: list[str], told: str
) -> None:
    with (
        variables({**deployment.environment, **values}),
        pytest.raises(ExpectedError, match=told),
    ):
        predictit("setup-warehouse", "--dry-run", *options)


# What is made


def test_a_dry_run_prints_every_statement_that_is_run(deployment: Deployment) -> None:
    """Set up again, it says the same, and the account is as it was."""
    printed = script(deployment, *OPTIONS)
    told, before = len(deployment.emulator.told), state(deployment.emulator.access)
    with variables(deployment.environment):
        predictit(*deployment.setup, *OPTIONS)
    said = [one.statement for one in deployment.emulator.told[told:]]
    asked = re.compile(r"(?i)\s*(show|describe|select|alter session)\b")
    assert [one for one in said if not asked.match(one)] == statements(printed)
    assert state(deployment.emulator.access) == before
    assert len(statements(printed)) == printed.count(";\n")


def state(access: Access) -> str:
    return json.dumps(
        [
            sorted((kind, name, role) for (kind, name), role in access.owners.items()),
            sorted(map(repr, access.grants)),
            sorted(map(repr, access.future)),
            {name: sorted(below) for name, below in access.roles.items()},
            {name: (user.kind, sorted(user.roles)) for name, user in access.users.items()},
        ]
    )


@pytest.mark.parametrize("options", [[], OPTIONS, ["--role", "PLATFORM_ADMIN"]])
def test_the_script_is_snowflakes_own_sql_and_replaces_nothing(
    deployment: Deployment, options: list[str]
) -> None:
    printed = script(deployment, *options)
    assert [fault for one in statements(printed) for fault in faults(one)] == []
    assert "create or replace" not in printed
    for thing in ("database", "schema", "role", "stage", "file format", "storage integration"):
        assert re.search(rf"create {thing} if not exists", printed), thing
    assert "polled_at TIMESTAMP_NTZ(6)" in printed
    assert "best_buy_yes_cost DECIMAL(6, 4)" in printed
    assert ("network_policy = PREDICTIT_SERVICE" in printed) == (options is OPTIONS)
    assert ("credit_quota = 40" in printed) == (options is OPTIONS)
    assert ("to role PLATFORM_ADMIN" in printed) == ("PLATFORM_ADMIN" in options)


def test_it_tells_what_aws_has_to_trust(deployment: Deployment) -> None:
    with variables(deployment.environment):
        told = predictit(*deployment.setup)
    assert "STORAGE_AWS_EXTERNAL_ID ACME_SFCRole=2_abc=" in told
    assert "grant role PREDICTIT_READER to user" in told


def test_the_project_owns_what_it_has(deployment: Deployment) -> None:
    """No system role does but what only one may own."""
    owners = deployment.emulator.access.owners
    mine = {thing: role for thing, role in owners.items() if role == "ACCOUNTADMIN"}
    assert {kind for kind, _ in mine} == {
        "ROLE",
        "USER",
        "INTEGRATION",
        "NETWORK POLICY",
        "RESOURCE MONITOR",
    }
    assert owners["DATABASE", "PREDICTIT"] == "PREDICTIT_OWNER"
    assert owners["TABLE", "PREDICTIT.CORE.SEEN"] == "PREDICTIT_LOADER"


def test_a_table_of_a_source_that_was_switched_on_later_is_asked_for(
    deployment: Deployment, tmp_path: Path
) -> None:
    def load(table: str) -> None:
        schema = PREDICTIT.dataset("market_data").tables["market_snapshots"]
        day = DayRange(date(2026, 3, 7), date(2026, 3, 7))
        warehouse = factory.warehouse(deployment.settings)
        warehouse.replace_window({table: schema}, day, ObjectStore(tmp_path), [], "a run")

    load("market_snapshots")
    with pytest.raises(ExpectedError, match="setup-warehouse` has to make tides in staging"):
        load("tides")


# What each role may do

MAY = {
    "PREDICTIT_READER": ["select * from core.seen", "select * from live.now"],
    "PREDICTIT_WRITER": [
        "select * from live.now",
        "select count(*) from staging.load_log",
        "insert into core.seen select 2 as id",
    ],
    "PREDICTIT_OWNER": ["alter table staging.load_log add column added_by_hand bigint"],
}
MAY_NOT = {
    "PREDICTIT_READER": [
        "select count(*) from staging.load_log",
        "insert into core.seen select 3 as id",
        "delete from core.seen where id = 1",
        "create table core.mine as select 1 as id",
        "drop table core.seen",
        "create database elsewhere",
        "grant select on table core.seen to role public",
    ],
    "PREDICTIT_LOADER": [
        "create table staging.mine as select 1 as id",
        "alter table staging.load_log add column mine bigint",
        "drop table staging.load_log",
        "create schema mine",
        "create user mallory",
        "grant select on future tables in schema core to role public",
        "use role PREDICTIT_OWNER",
    ],
}


@pytest.mark.parametrize(("role", "said"), [(r, one) for r, said in MAY.items() for one in said])
def test_a_role_may(deployment: Deployment, role: str, said: str) -> None:
    deployment.execute(said, role=role)


@pytest.mark.parametrize(
    ("role", "said"), [(r, one) for r, said in MAY_NOT.items() for one in said]
)
def test_a_role_may_not(deployment: Deployment, role: str, said: str) -> None:
    loader = role == "PREDICTIT_LOADER"  # the administrator could become anybody
    with pytest.raises(ProgrammingError, match="access control"):
        deployment.execute(said, role=None if loader else role)


def test_nobody_else_gets_in(deployment: Deployment) -> None:
    values = {"snowflake_user": "MALLORY"}
    settings = deployment.settings.model_copy(update=values)
    with (
        pytest.raises(SettingsError, match="doesn't let MALLORY into"),
        connect(settings)(Purpose.READ, {}),
    ):
        pass


def test_a_second_key_lets_the_pipeline_in_while_the_first_is_renewed(
    deployment: Deployment,
) -> None:
    new = new_key()
    bare = "".join(
        new.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode()
        .splitlines()[1:-1]
    )
    deployment.execute(f"alter user PREDICTIT set rsa_public_key_2 = '{bare}'", role="ACCOUNTADMIN")
    renewed = deployment.settings.model_copy(
        update={"snowflake_private_key": SecretStr(pem_of(new))}
    )
    for settings in (deployment.settings, renewed):
        with connect(settings)(Purpose.READ, {}) as connection:
            assert connection.cursor().execute("select 1 as one").fetchall() == [(1,)]


def test_a_statement_may_take_longer_than_a_reader_waits(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connector cancels by the network's time-out what it can't tell from a dead server."""
    done = deployment.emulator.access.done

    def slow(connection: Any, command: str) -> None:
        if "as slow" in command:
            sleep(3)
        done(connection, command)

    monkeypatch.setattr(deployment.emulator.access, "done", slow)
    monkeypatch.setattr(snowflake_account, "NETWORK_TIMEOUT", 1)
    cancelled: list[str] = []
    cancel = SnowflakeConnection._cancel_query

    def cancelling(self: Any, sql: str, request_id: Any) -> Any:
        cancelled.append(sql)
        return cancel(self, sql, request_id)

    monkeypatch.setattr(SnowflakeConnection, "_cancel_query", cancelling)
    for purpose, statement in [
        (Purpose.LOAD, "select 1 as slow"),
        (Purpose.READ, "select 2 as slow"),
    ]:
        with connect(deployment.settings)(purpose, {}) as connection:
            connection.cursor().execute(statement)
    assert cancelled == ["select 2 as slow"]


def test_at_home_there_is_nothing_to_set_up(tmp_path: Path) -> None:
    with variables({"PREDICTIT_HOME": str(tmp_path)}):
        assert "nothing to set up" in predictit("setup-warehouse")
    assert [*tmp_path.iterdir()] == []
