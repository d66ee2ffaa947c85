"""A deployment on S3 and Snowflake, both emulated behind real sockets, and how it is reached."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from snowflake_emulator import Emulator, snowflake_server
from typer.testing import CliRunner

from predictit_assets import cli
from predictit_assets.settings import Settings, load_settings
from predictit_assets.storage.objects import Bucket
from predictit_assets.storage.snowflake import Purpose
from predictit_assets.storage.snowflake_account import connect
from predictit_assets.storage.snowflake_setup import Administrator

ADMINISTRATOR = "JANE"

cli._add_commands_of_sources()


@dataclass(frozen=True)
class Deployment:
    """The servers, the two who may log in, and the variables of the home."""

    emulator: Emulator
    folder: Path
    key: rsa.RSAPrivateKey
    """Of the pipeline's user."""
    pem: str
    environment: dict[str, str]

    @property
    def admins_key_file(self) -> Path:
        """The key of the administrator."""
        return self.folder / "admin.p8"

    @property
    def setup(self) -> list[str]:
        """The command that the administrator gives."""
        return ["setup-warehouse", "--as", ADMINISTRATOR, "--key", str(self.admins_key_file)]

    @cached_property
    def settings(self) -> Settings:
        """The settings of the home."""
        with variables(self.environment):
            return load_settings()

    def execute(self, *statements: str, role: str | None = None) -> list[Any]:
        """What the last statement gives. With a role the administrator says it, else the loader."""
        settings = self.settings
        if role:
            settings = Administrator(ADMINISTRATOR, self.admins_key_file).settings(settings)
        rows: list[Any] = []
        with connect(settings, role)(Purpose.READ, {}) as connection:
            for statement in statements:
                rows = connection.cursor().execute(statement).fetchall()
        return rows


@contextmanager
def deployed(s3: str, bucket: Bucket, folder: Path) -> Iterator[Deployment]:
    """A deployment that nobody has set up yet."""
    key, admins = new_key(), new_key()
    with snowflake_server(s3, {ADMINISTRATOR: admins.public_key()}) as emulator:
        environment = {
            "PREDICTIT_HOME": str(folder / "home"),
            "PREDICTIT_OBJECTS": "s3",
            "PREDICTIT_S3_BUCKET": bucket.name,
            "PREDICTIT_S3_ENDPOINT": str(bucket.endpoint),
            "PREDICTIT_WAREHOUSE": "snowflake",
            "PREDICTIT_SNOWFLAKE_ACCOUNT": "acme-odds",
            "PREDICTIT_SNOWFLAKE_USER": "PREDICTIT",
            "PREDICTIT_SNOWFLAKE_PRIVATE_KEY": pem_of(key),
            "PREDICTIT_SNOWFLAKE_STORAGE_ROLE_ARN": "arn:aws:iam::123456789012:role/snowflake",
            "PREDICTIT_SNOWFLAKE_HOST": emulator.address,
        }
        made = Deployment(emulator, folder, key, pem_of(key), environment)
        made.admins_key_file.write_text(pem_of(admins))
        yield made


def new_key() -> rsa.RSAPrivateKey:
    """A key as somebody makes one for Snowflake."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem_of(key: rsa.RSAPrivateKey) -> str:
    """A private key as the text of a file."""
    unencrypted = serialization.NoEncryption()
    pkcs8 = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, pkcs8, unencrypted).decode()


@contextmanager
def variables(values: dict[str, str]) -> Iterator[None]:
    """These variables, and no others of ours."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [*os.environ]:
            if name.startswith("PREDICTIT_"):
                patch.delenv(name)
        for name, value in values.items():
            patch.setenv(name, value)
        yield


def predictit(*args: str) -> str:
    """The output of a command that succeeds."""
    result = CliRunner().invoke(cli.app, args, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output
