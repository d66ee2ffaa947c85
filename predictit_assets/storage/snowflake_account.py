"""How Snowflake is reached as the settings say: by Dagster's resource, and by dbt."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from predictit_assets.errors import SettingsError, WarehouseUnreachable
from predictit_assets.settings import Settings
from predictit_assets.storage.snowflake import Connect, Purpose

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.errors import Error

LOGIN_TIMEOUT = 60
SOCKET_TIMEOUT = 600
"""Seconds for one answer: Snowflake answers within a minute, if only that it is still at work."""
NETWORK_TIMEOUT = 600
"""Seconds for all that a reader waits for. Without one the connector asks for ever."""
STATEMENT_TIMEOUT = 3600
"""Seconds that a statement may run, or wait for its turn."""


def network_timeout(purpose: Purpose) -> int:
    """Seconds after which the connector cancels a statement and asks no more.

    Readers (sensors, commands) go on with something else. Whoever works may wait a turn, then run.
    """
    if purpose is Purpose.READ:
        return NETWORK_TIMEOUT
    return 2 * STATEMENT_TIMEOUT + NETWORK_TIMEOUT


def query_tag(purpose: str, **more: str) -> str:
    """What Snowflake's query history shows beside each statement, as JSON."""
    return json.dumps({"app": "predictit", "purpose": purpose, **more})


def connect(
    settings: Settings, role: str | None = None, authenticator: str | None = None
) -> Connect:
    """What opens a connection; `role` is another one than the settings name.

    `authenticator` is another way than the key to tell who it is.
    """
    key = settings.snowflake_private_key.get_secret_value() or None
    file = settings.snowflake_private_key_file or None

    @contextmanager
    def opened(purpose: Purpose, tag: Mapping[str, str]) -> Iterator["SnowflakeConnection"]:
        from dagster_snowflake import SnowflakeResource  # takes 10 s: only who connects pays
        from snowflake.connector.errors import Error, NonRetryableTlsError

        passing = passing_faults()
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
            authenticator=authenticator,
            warehouse=(
                settings.snowflake_load_warehouse
                if loads
                else settings.snowflake_transform_warehouse
            ),
            # Else it commits what is left open, whatever came before.
            autocommit=True,
            paramstyle="qmark",
            login_timeout=LOGIN_TIMEOUT,
            network_timeout=network_timeout(purpose),
            additional_snowflake_connection_args={
                # Else Arrow gets decimals as floats.
                "arrow_number_to_decimal": purpose is Purpose.SERVE,
                **_elsewhere(settings.snowflake_host),
                "socket_timeout": SOCKET_TIMEOUT,
                "session_parameters": {
                    "QUERY_TAG": query_tag(purpose, **tag),
                    "TIMEZONE": "UTC",
                    "TIMESTAMP_TYPE_MAPPING": "TIMESTAMP_NTZ",
                    "STATEMENT_TIMEOUT_IN_SECONDS": STATEMENT_TIMEOUT,
                },
            },
        )
        with ExitStack() as stack:
            where = f"Snowflake ({settings.snowflake_account})"
            try:
                connection = stack.enter_context(resource.get_connection())
            except NonRetryableTlsError as error:
                raise SettingsError(f"{where} can't be trusted: {error.msg}") from None
            except passing as error:
                raise WarehouseUnreachable(f"{where} can't be reached: {error.msg}") from None
            except Error as error:
                raise SettingsError(
                    f"Snowflake doesn't let {settings.snowflake_user} into "
                    f"{settings.snowflake_account}: {error.msg}"
                ) from None
            # The resource closes only what went well.
            stack.enter_context(closing(connection))
            try:
                yield connection
            except passing as error:
                raise WarehouseUnreachable(f"{where} broke off: {error.msg}") from error

    return opened


def passing_faults() -> tuple[type["Error"], ...]:
    """The connector's classes for what may be gone at the next try: the way there, and its servers.

    The rest (a wrong key, a missing right, a statement that is wrong) stays as it is.
    """
    from snowflake.connector import errors

    return (
        errors.OperationalError,
        errors.BadGatewayError,
        errors.GatewayTimeoutError,
        errors.InternalServerError,
        errors.OtherHTTPRetryableError,
        errors.RequestExceedMaxRetryError,
        errors.RequestTimeoutError,
        errors.ServiceUnavailableError,
        errors.TooManyRequests,
    )


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
