"""The environment, typed: every value that moves the project from a laptop to production."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from predictit_assets.contract.names import AssetNames
from predictit_assets.contract.settings import unusable, web_address
from predictit_assets.errors import SettingsError
from predictit_assets.paths import IN_CHECKOUT, PROJECT_DIR
from predictit_assets.sources import SOURCES

RAW_CONFIRMED = "raw payloads are gone for ever"
"""What has to be said to let raw expire: nobody else has what is deleted."""


ALL = "all"
"""Instead of a list of names: every source is on."""
KEEP_RUNS_DAYS = 30
"""Days that the instance at home remembers what was superseded."""


class ObjectsHome(StrEnum):
    """Where objects are kept."""

    FOLDER = "folder"
    S3 = "s3"


class WarehouseHome(StrEnum):
    """Where tables are kept."""

    DUCKDB = "duckdb"
    SNOWFLAKE = "snowflake"


class ServingMode(StrEnum):
    """What a run replaces in PostgreSQL of tables by day."""

    APPEND = "append"
    REPLACE = "replace"


POSTGRES = re.compile(
    r"postgres(ql)?://([^:@/?#]*(:[^@/?#]*)?@)?[^@/?#]*(/[^@/?#]*)?(\?[^#]*)?", re.IGNORECASE
)
"""The address of a PostgreSQL database. What is special in a password has to be encoded: else a
part of it could be taken for the host, which texts name."""
BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
"""A name in Snowflake that needs no quotes."""


def absolute(folder: Path) -> Path:
    """A folder with its `~` expanded. Raises ValueError."""
    try:
        return folder.expanduser().absolute()
    except RuntimeError:
        raise ValueError("there is no such user, or none with a home") from None
    except OSError as error:  # the current folder is gone
        raise ValueError(f"the current folder can't be found: {error.strerror}") from None


def _default_home() -> Path:
    return (PROJECT_DIR if IN_CHECKOUT else Path.cwd()) / "data"


class Settings(BaseSettings):
    """The settings of the house: in the environment each bears `PREDICTIT_` before its name.

    Those of a source are in its own folder.
    """

    model_config = SettingsConfigDict(
        env_prefix="PREDICTIT_", env_ignore_empty=True, frozen=True, populate_by_name=True
    )

    home: Path = Field(
        default_factory=_default_home, description="the folder that holds everything local"
    )
    objects: ObjectsHome = Field(ObjectsHome.FOLDER, description="where objects are kept")
    warehouse: WarehouseHome = Field(WarehouseHome.DUCKDB, description="where tables are kept")
    sources: Annotated[tuple[str, ...], NoDecode] = Field(
        SOURCES[:1], description=f"which sources are on, of {', '.join(SOURCES)}, or {ALL}"
    )
    clock_minutes: int = Field(
        10,
        ge=0,
        description="how far an API's clock may be from this machine's, else no answer is kept; "
        "0: however far",
    )
    max_body_mb: int = Field(32, gt=0, description="the largest payload taken, in MB of JSON")
    today_minutes: int = Field(
        60, ge=1, le=60, description="today is built anew when so many minutes of an hour are over"
    )
    days_a_run: int = Field(0, ge=0, description="days that one run takes at most; 0: any number")
    lock_timeout: float = Field(
        120.0, ge=0, allow_inf_nan=False, description="seconds to wait for a busy warehouse"
    )
    duckdb_memory_mb: int = Field(
        400, ge=64, description="memory that DuckDB may take, in MB; beyond it, it uses the disk"
    )
    workers: int = Field(
        0,
        ge=0,
        description="processes that share the days of a range; 0: as there is room for",
    )
    expire_landing_days: int = Field(0, ge=0, description="days that landing keeps; 0: for ever")
    expire_quarantine_days: int = Field(
        0, ge=0, description="days that quarantine keeps; 0: for ever"
    )
    expire_raw_days: int = Field(0, ge=0, description="days that raw keeps; 0: for ever")
    expire_raw_confirmed: str = Field(
        "", validate_default=True, description=f"to let raw expire: {RAW_CONFIRMED!r}"
    )
    keep_runs_days: int | None = Field(
        None, ge=0, description="days that superseded runs are remembered; 0: for ever"
    )
    asset_key_prefix: str = Field(
        "",
        pattern=r"^([A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*)?$",
        description="what the keys of all assets begin with, where others share the instance",
    )
    pool: str = Field(
        "warehouse",
        pattern=r"^[A-Za-z0-9_/-]+$",
        description="the Dagster pool of what writes to the warehouse",
    )
    given_dagster_home: str = Field(
        "", validation_alias="DAGSTER_HOME", description="the folder of the Dagster instance"
    )

    s3_bucket: str = Field("", description="the bucket of all objects")
    s3_endpoint: str = Field("", description="the address of an S3 other than Amazon's")
    s3_kms_key: str = Field("", description="the KMS key that encrypts; without it S3's own")
    s3_region: str = Field(
        "",
        validation_alias=AliasChoices("AWS_REGION", "AWS_DEFAULT_REGION"),
        description="the region of the bucket",
    )

    snowflake_account: str = Field("", description="the account, as in organization-account")
    snowflake_user: str = Field("", description="who loads and builds")
    snowflake_private_key: SecretStr = Field(
        SecretStr(""), description="the key of the user: the text of a PEM file"
    )
    snowflake_private_key_file: str = Field("", description="or the path of that file")
    snowflake_private_key_passphrase: SecretStr = Field(
        SecretStr(""), description="what the key is encrypted with, if it is"
    )
    snowflake_database: Identifier = Field("PREDICTIT", description="the database of all tables")
    snowflake_role: Identifier = Field("PREDICTIT_LOADER", description="the role that writes")
    snowflake_load_warehouse: Identifier = Field(
        "PREDICTIT_LOAD", description="the virtual warehouse that loads staging"
    )
    snowflake_transform_warehouse: Identifier = Field(
        "PREDICTIT_TRANSFORM", description="the one that builds, checks and reads"
    )
    snowflake_storage_role_arn: str = Field(
        "", description="the AWS role that Snowflake takes to read the bucket"
    )
    snowflake_host: str = Field("", description="another host than the account's own")

    # Secret, since it holds a password.
    serving_url: SecretStr = Field(
        SecretStr(""), description="the PostgreSQL database that published tables are served from"
    )
    serving_mode: ServingMode = Field(
        ServingMode.APPEND,
        description="whether a run replaces its days of the tables by day, or all of them",
    )
    serving_reader: str = Field(
        "predictit_reader",
        pattern=r"^[^\x00-\x1f]{1,63}$",
        description="the role that may read what is served",
    )

    @field_validator("serving_url")
    @classmethod
    def _postgres(cls, url: SecretStr) -> SecretStr:
        value = url.get_secret_value()
        if value and (not POSTGRES.fullmatch(value) or BAD_ESCAPE.search(value)):
            raise ValueError(
                "should be postgresql://user:password@host/database, with what is special in the "
                "password percent-encoded"
            )
        return url

    @field_validator("expire_raw_confirmed")
    @classmethod
    def _told_twice(cls, said: str, info: ValidationInfo) -> str:
        if (days := info.data.get("expire_raw_days")) and said != RAW_CONFIRMED:
            raise ValueError(
                f"PREDICTIT_EXPIRE_RAW_DAYS={days} deletes the only copy of what was received; "
                f"if that is meant, set this to {RAW_CONFIRMED!r}"
            )
        return said

    # Secret, since the addresses hold passwords and tokens.
    alerts: SecretStr = Field(SecretStr(""), description="who is told of what is broken")
    ui_url: str = Field("http://127.0.0.1:3000", description="where people open the Dagster UI")
    # Secret, since whoever has the address can feign to be alive.
    heartbeat_url: SecretStr = Field(
        SecretStr(""), description="what is called each minute for as long as Dagster lives"
    )
    cloudwatch_namespace: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._/#:-]{0,255}$",
        description="the namespace of CloudWatch that gets the metrics",
    )

    @field_validator("heartbeat_url")
    @classmethod
    def _called(cls, url: SecretStr) -> SecretStr:
        web_address(url.get_secret_value())
        return url

    @field_validator("ui_url", "s3_endpoint")
    @classmethod
    def _http(cls, url: str) -> str:
        return web_address(url)

    @field_validator("sources", mode="before")
    @classmethod
    def _known(cls, names: object) -> tuple[str, ...]:
        listed = names.split(",") if isinstance(names, str) else list(names)  # type: ignore[call-overload]
        wanted = {name.strip() for name in listed if name.strip()}
        if ALL in wanted:
            wanted = (wanted - {ALL}) | set(SOURCES)
        if unknown := sorted(wanted - set(SOURCES)):
            known = ", ".join(SOURCES)
            raise ValueError(f"unknown: {', '.join(unknown)}; known are {known}, or {ALL}")
        # In the order in which they are built, however they are listed.
        return tuple(name for name in SOURCES if name in wanted)

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return absolute(home)

    @property
    def asset_names(self) -> AssetNames:
        """How the assets are named."""
        return AssetNames(tuple(filter(None, self.asset_key_prefix.split("/"))))

    @property
    def max_body(self) -> int:
        """The largest payload taken, in bytes."""
        return self.max_body_mb * 1_000_000

    @property
    def objects_dir(self) -> Path:
        """The folder of the object store at home."""
        return self.home / "objects"

    @property
    def duckdb_file(self) -> Path:
        """The warehouse at home."""
        return self.home / "warehouse.duckdb"

    @property
    def dagster_home(self) -> Path:
        """The folder of the Dagster instance at home."""
        return self.home / "dagster"

    @property
    def runs_kept_days(self) -> int:
        """Days that superseded runs are remembered; 0: for ever.

        An instance that isn't at home may be shared: there nothing goes unless somebody says so.
        """
        if self.keep_runs_days is not None:
            return self.keep_runs_days
        given = self.given_dagster_home
        at_home = not given or Path(given).absolute() == self.dagster_home
        return KEEP_RUNS_DAYS if at_home else 0


def load_settings(login: bool = True) -> Settings:
    """Read the settings from the environment.

    Without `login` the pipeline's own login to the warehouse may be missing: for who logs in
    otherwise. Raises SettingsError, one line a value that can't be used, with the values that can.
    """
    try:
        settings = Settings()
    except ValidationError as error:
        raise unusable(Settings, error) from None
    if missing := _missing(settings, login):
        raise SettingsError(f"{_home(settings)} needs {', '.join(missing)}")
    return settings


def _missing(settings: Settings, login: bool) -> list[str]:
    """The variables that this home needs and that aren't set."""
    needed: dict[str, object] = {}
    if settings.objects is ObjectsHome.S3:
        needed["PREDICTIT_S3_BUCKET"] = settings.s3_bucket
        # Others than Amazon have no regions.
        needed["AWS_REGION"] = settings.s3_region or settings.s3_endpoint
    if settings.warehouse is WarehouseHome.SNOWFLAKE:
        # Snowflake reads the day's Parquet where it lies: it can't read a folder.
        needed["PREDICTIT_OBJECTS=s3"] = settings.objects is ObjectsHome.S3
        needed["PREDICTIT_SNOWFLAKE_ACCOUNT"] = settings.snowflake_account
        needed["PREDICTIT_SNOWFLAKE_USER"] = settings.snowflake_user
        needed["PREDICTIT_SNOWFLAKE_PRIVATE_KEY (or ..._PRIVATE_KEY_FILE)"] = (
            settings.snowflake_private_key.get_secret_value()
            or settings.snowflake_private_key_file
            or not login
        )
    return [name for name, value in needed.items() if not value]


def _home(settings: Settings) -> str:
    return f"PREDICTIT_OBJECTS={settings.objects} with PREDICTIT_WAREHOUSE={settings.warehouse}"
