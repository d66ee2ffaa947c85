"""What an administrator makes in Snowflake once, and again with each release: as SQL, or run.

The pipeline's own user could do none of it. Whoever sets up logs in as somebody else.
"""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import SecretStr, TypeAdapter, ValidationError

from predictit_assets.contract.schema import Schema
from predictit_assets.errors import ExpectedError, SettingsError
from predictit_assets.settings import Identifier, Settings
from predictit_assets.storage.snowflake import (
    CURATED,
    FILE_FORMAT,
    STAGE,
    Purpose,
    SnowflakeWarehouse,
    column_definitions,
)
from predictit_assets.storage.snowflake_account import STATEMENT_TIMEOUT, connect
from predictit_assets.storage.warehouse import (
    LOAD_LOG,
    LOAD_LOG_COLUMNS,
    MODEL_LAYERS,
    STAGING,
    staging_columns,
)

SERVICE = "SERVICE"
"""The type of a user that is no person: it has no password and can't log in to the UI."""


@dataclass(frozen=True)
class Administrator:
    """Who sets up, with a login of their own."""

    user: str
    key_file: Path | None = None
    passphrase: SecretStr = field(default_factory=lambda: SecretStr(""))
    """Of that key, if it is encrypted."""

    def settings(self, settings: Settings) -> Settings:
        """The settings with this login in place of the pipeline's."""
        return settings.model_copy(
            update={
                "snowflake_user": self.user,
                "snowflake_private_key": SecretStr(""),
                "snowflake_private_key_file": str(self.key_file or ""),
                "snowflake_private_key_passphrase": self.passphrase,
            }
        )

    @property
    def authenticator(self) -> str | None:
        """How Snowflake asks who it is: by the key, or in a browser (single sign-on)."""
        return None if self.key_file else "externalbrowser"


@dataclass(frozen=True)
class Options:
    """What a company may want besides."""

    role: str = "ACCOUNTADMIN"
    """Of the administrator: one that may create databases, users and integrations."""
    public_key: str = ""
    """Of the pipeline's user: the text of a PEM file."""
    allowed: Sequence[IPv4Network] = ()
    """From where that user may log in; empty: from anywhere that the account lets in."""
    credits_a_month: int = 0
    """After so many credits both virtual warehouses are suspended; 0: no limit."""


def integration(settings: Settings) -> str:
    """The name of the storage integration."""
    return f"{settings.snowflake_database}_S3"


def setup_script(settings: Settings, tables: Mapping[str, Schema], options: Options) -> str:
    """All that has to be made in Snowflake, as SQL. `tables` are those of staging.

    The same settings and options give the same script. Raises SettingsError.
    """
    if not settings.snowflake_storage_role_arn:
        raise SettingsError("setup-warehouse needs PREDICTIT_SNOWFLAKE_STORAGE_ROLE_ARN")
    _check_names(settings, options)
    environment = Environment(
        loader=PackageLoader("predictit_assets", "storage"),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - it is SQL
    )
    definitions = {table: column_definitions(schema) for table, schema in tables.items()}
    database = settings.snowflake_database
    return environment.get_template("setup_snowflake.sql.j2").render(
        database=database,
        admin=options.role,
        owner=f"{database}_OWNER",
        loader=settings.snowflake_role,
        writer=f"{database}_WRITER",
        reader=f"{database}_READER",
        user=settings.snowflake_user,
        public_key=_public_key(settings, options.public_key),
        network_policy=f"{database}_SERVICE",
        allowed=[str(network) for network in options.allowed],
        monitor=f"{database}_BUDGET",
        credits_a_month=options.credits_a_month,
        warehouses=(settings.snowflake_load_warehouse, settings.snowflake_transform_warehouse),
        transform_warehouse=settings.snowflake_transform_warehouse,
        statement_timeout=STATEMENT_TIMEOUT,
        integration=integration(settings),
        role_arn=settings.snowflake_storage_role_arn.replace("'", "''"),
        url=f"s3://{settings.s3_bucket}/{CURATED}/".replace("'", "''"),
        staging=STAGING,
        layers=list(MODEL_LAYERS),
        file_format=FILE_FORMAT,
        stage=STAGE,
        tables=definitions | {LOAD_LOG: " ".join(LOAD_LOG_COLUMNS.split())},
    )


def statements(script: str) -> list[str]:
    """The statements of a script, without its comments."""
    lines = [line for line in script.splitlines() if not line.startswith("--")]
    return [one.strip() for one in "\n".join(lines).split(";\n") if one.strip()]


def set_up(
    settings: Settings,
    administrator: Administrator,
    tables: Mapping[str, Schema],
    options: Options,
) -> dict[str, Any]:
    """Run the script as an administrator, then bring staging tables to this release.

    Returns what the trust policy of the AWS role has to name, by Snowflake's names for it.
    """
    script = setup_script(settings, tables, options)
    opened = connect(administrator.settings(settings), options.role, administrator.authenticator)
    with opened(Purpose.SETUP, {}) as connection, closing(connection.cursor()) as cursor:
        _refuse_a_person(cursor, settings.snowflake_user)
        for statement in statements(script):
            cursor.execute(statement)
        # Tables of an earlier release get what is new; the pipeline itself may not alter them.
        SnowflakeWarehouse(opened, settings.snowflake_database).migrate(
            STAGING, staging_columns(tables)
        )
        cursor.execute(f"describe integration {integration(settings)}")
        properties = {name: value for name, _, value, *_ in cursor.fetchall()}
    trusted = ("STORAGE_AWS_IAM_USER_ARN", "STORAGE_AWS_EXTERNAL_ID")
    return {name: properties[name] for name in trusted}


def _refuse_a_person(cursor: Any, user: str) -> None:
    """A person who is made the pipeline would lose the own time zone, role and key."""
    cursor.execute(f"show users like '{user}'")
    names = [column.name for column in cursor.description]
    for row in cursor.fetchall():
        kind = dict(zip(names, row, strict=True)).get("type") or "PERSON"
        if kind != SERVICE:
            raise ExpectedError(
                f"PREDICTIT_SNOWFLAKE_USER={user} is a user of type {kind} already: the pipeline "
                "wants one of its own, which this command makes. Nothing was changed"
            )


def _check_names(settings: Settings, options: Options) -> None:
    """Raise SettingsError for names that would need quotes: they are written into the script."""
    names = {"PREDICTIT_SNOWFLAKE_USER": settings.snowflake_user, "--role": options.role}
    for where, name in names.items():
        try:
            TypeAdapter(Identifier).validate_python(name)
        except ValidationError:
            raise SettingsError(
                f"{where}={name}: setup-warehouse takes a name of letters, digits and _ only"
            ) from None


def _public_key(settings: Settings, given: str) -> str:
    """The public key of the pipeline's user, as Snowflake wants it: base64 of its DER.

    `given` is the text of a PEM file; without it the key comes from the pipeline's private one.
    Raises SettingsError.
    """
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        PublicFormat,
        load_pem_private_key,
        load_pem_public_key,
    )

    file = settings.snowflake_private_key_file
    pem = settings.snowflake_private_key.get_secret_value()
    passphrase = settings.snowflake_private_key_passphrase.get_secret_value()
    if not (given or pem or file):
        raise SettingsError(
            "setup-warehouse needs the public key of PREDICTIT_SNOWFLAKE_USER: --public-key FILE, "
            "or PREDICTIT_SNOWFLAKE_PRIVATE_KEY (or ..._PRIVATE_KEY_FILE) to take it from"
        )
    try:
        if given:
            key = load_pem_public_key(given.encode())
        else:
            private = pem.encode() or Path(file).read_bytes()
            key = load_pem_private_key(private, passphrase.encode() or None).public_key()
    except (OSError, ValueError, TypeError) as error:
        if given:
            fault = "--public-key is no public key in a PEM file"
        else:
            where = "PREDICTIT_SNOWFLAKE_PRIVATE_KEY" if pem else file
            fault = f"{where} can't be read as a private key"
        raise SettingsError(f"{fault}: {error}") from None
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
