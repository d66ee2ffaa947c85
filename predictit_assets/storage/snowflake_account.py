"""How Snowflake is reached as the settings say: by Dagster's resource, by dbt, and to set it up."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from jinja2 import Environment, PackageLoader, StrictUndefined

from predictit_assets.contract.schema import Schema
from predictit_assets.errors import SettingsError
from predictit_assets.settings import Settings
from predictit_assets.storage.snowflake import (
    CURATED,
    FILE_FORMAT,
    STAGE,
    Connect,
    Purpose,
    SnowflakeWarehouse,
    column_definitions,
)
from predictit_assets.storage.warehouse import (
    LOAD_LOG,
    LOAD_LOG_COLUMNS,
    MODEL_LAYERS,
    STAGING,
    staging_columns,
)

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection

LOGIN_TIMEOUT = 60
NETWORK_TIMEOUT = 600
"""Seconds. Without one the connector tries for ever what can't succeed."""
STATEMENT_TIMEOUT = 3600
"""Seconds that a statement may run, or wait for its turn."""


def query_tag(purpose: str, **more: str) -> str:
    """What Snowflake's query history shows beside each statement, as JSON."""
    return json.dumps({"app": "predictit", "purpose": purpose, **more})


def connect(settings: Settings, role: str | None = None) -> Connect:
    """What opens a connection; `role` is another one than the settings name."""
    key = settings.snowflake_private_key.get_secret_value() or None
    file = settings.snowflake_private_key_file or None

    @contextmanager
    def opened(purpose: Purpose, tag: Mapping[str, str]) -> Iterator["SnowflakeConnection"]:
        from dagster_snowflake import SnowflakeResource  # takes 10 s: only who connects pays
        from snowflake.connector.errors import DatabaseError

        if file and not key and not Path(file).is_file():
            raise SettingsError(f"PREDICTIT_SNOWFLAKE_PRIVATE_KEY_FILE={file} is no file")
        loads = purpose is Purpose.LOAD
        resource = SnowflakeResource(
            account=settings.snowflake_account,
            user=settings.snowflake_user,
            private_key=key,
            private_key_path=None if key else file,
            private_key_password=settings.snowflake_private_key_passphrase.get_secret_value()
            or None,
            database=None if purpose is Purpose.SETUP else settings.snowflake_database,
            role=role or settings.snowflake_role,
            warehouse=(
                settings.snowflake_load_warehouse
                if loads
                else settings.snowflake_transform_warehouse
            ),
            # Else it commits what is left open, whatever came before.
            autocommit=True,
            paramstyle="qmark",
            login_timeout=LOGIN_TIMEOUT,
            network_timeout=NETWORK_TIMEOUT,
            additional_snowflake_connection_args={
                **_elsewhere(settings.snowflake_host),
                "session_parameters": {
                    "QUERY_TAG": query_tag(purpose, **tag),
                    "TIMEZONE": "UTC",
                    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
                    "STATEMENT_TIMEOUT_IN_SECONDS": STATEMENT_TIMEOUT,
                },
            },
        )
        with ExitStack() as stack:
            try:
                connection = stack.enter_context(resource.get_connection())
            except DatabaseError as error:
                raise SettingsError(
                    f"Snowflake doesn't let {settings.snowflake_user} into "
                    f"{settings.snowflake_account}: {error.msg}"
                ) from None
            # The resource closes only what went well.
            yield stack.enter_context(closing(connection))

    return opened


def _elsewhere(host: str) -> dict[str, Any]:
    """Where to connect to, other than to the account's own host: a bare host name, or a URL."""
    if not host:
        return {}
    url = urlsplit(host if "//" in host else f"https://{host}")
    return {"protocol": url.scheme, "host": url.hostname, "port": url.port or 443}


def profile(settings: Settings) -> dict[str, str]:
    """The variables that dbt's profile reads. dbt keeps what begins with DBT_ENV_SECRET_ secret."""
    key = settings.snowflake_private_key.get_secret_value()
    return {
        "PREDICTIT_SNOWFLAKE_ACCOUNT": settings.snowflake_account,
        "PREDICTIT_SNOWFLAKE_USER": settings.snowflake_user,
        "DBT_ENV_SECRET_PRIVATE_KEY": key,
        # dbt takes one of the two.
        "PREDICTIT_SNOWFLAKE_PRIVATE_KEY_FILE": "" if key else settings.snowflake_private_key_file,
        "DBT_ENV_SECRET_PASSPHRASE": settings.snowflake_private_key_passphrase.get_secret_value(),
        "PREDICTIT_SNOWFLAKE_DATABASE": settings.snowflake_database,
        "PREDICTIT_SNOWFLAKE_ROLE": settings.snowflake_role,
        "PREDICTIT_SNOWFLAKE_TRANSFORM_WAREHOUSE": settings.snowflake_transform_warehouse,
        "PREDICTIT_SNOWFLAKE_HOST": settings.snowflake_host,
    }


def setup_script(settings: Settings, tables: Mapping[str, Schema]) -> str:
    """All that has to be made in Snowflake, as SQL. `tables` are those of staging."""
    if not settings.snowflake_storage_role_arn:
        raise SettingsError("setup-warehouse needs PREDICTIT_SNOWFLAKE_STORAGE_ROLE_ARN")
    environment = Environment(
        loader=PackageLoader("predictit_assets", "storage"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it is SQL
    )
    definitions = {table: column_definitions(schema) for table, schema in tables.items()}
    return environment.get_template("setup_snowflake.sql.j2").render(
        database=settings.snowflake_database,
        loader=settings.snowflake_role,
        reader=f"{settings.snowflake_database}_READER",
        user=settings.snowflake_user,
        load_warehouse=settings.snowflake_load_warehouse,
        transform_warehouse=settings.snowflake_transform_warehouse,
        statement_timeout=STATEMENT_TIMEOUT,
        integration=integration(settings),
        role_arn=settings.snowflake_storage_role_arn,
        url=f"s3://{settings.s3_bucket}/{CURATED}/",
        staging=STAGING,
        layers=MODEL_LAYERS,
        file_format=FILE_FORMAT,
        stage=STAGE,
        tables=definitions | {LOAD_LOG: " ".join(LOAD_LOG_COLUMNS.split())},
    )


def integration(settings: Settings) -> str:
    """The name of the storage integration."""
    return f"{settings.snowflake_database}_S3"


def statements(script: str) -> list[str]:
    """The statements of a script, without its comments."""
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [one.strip() for one in "\n".join(lines).split(";\n") if one.strip()]


def set_up(settings: Settings, role: str, tables: Mapping[str, Schema]) -> dict[str, Any]:
    """Run the script as an administrator.

    Returns what the trust policy of the AWS role has to name, by Snowflake's names for it.
    """
    script = setup_script(settings, tables)
    warehouse = SnowflakeWarehouse(connect(settings, role), settings.snowflake_database)
    with (
        connect(settings, role)(Purpose.SETUP, {}) as connection,
        closing(connection.cursor()) as cursor,
    ):
        for statement in statements(script):
            cursor.execute(statement)
        # Tables of an earlier release get what is new; only an administrator may alter them.
        warehouse.migrate(STAGING, staging_columns(tables))
        cursor.execute(f"describe integration {integration(settings)}")
        properties = {name: value for name, _, value, *_ in cursor.fetchall()}
    trusted = ("STORAGE_AWS_IAM_USER_ARN", "STORAGE_AWS_EXTERNAL_ID")
    return {name: properties[name] for name in trusted}
