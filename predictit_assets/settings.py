"""The environment, typed: every value that moves the project from a laptop to production."""

from datetime import date
from enum import StrEnum
from pathlib import Path

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from predictit_assets.errors import SettingsError

PROJECT_DIR = Path(__file__).resolve().parents[1]
RAW_CONFIRMED = "raw payloads are gone for ever"
"""What has to be said to let raw expire: nobody else has what is deleted."""


class ObjectsHome(StrEnum):
    """Where objects are kept."""

    FOLDER = "folder"


class WarehouseHome(StrEnum):
    """Where tables are kept."""

    DUCKDB = "duckdb"


class Settings(BaseSettings):
    """All settings: in the environment each bears `PREDICTIT_` before its name."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_", env_ignore_empty=True, frozen=True)

    home: Path = Field(PROJECT_DIR / "data", description="the folder that holds everything local")
    objects: ObjectsHome = Field(ObjectsHome.FOLDER, description="where objects are kept")
    warehouse: WarehouseHome = Field(WarehouseHome.DUCKDB, description="where tables are kept")
    start: date = Field(
        date(2014, 11, 1), description="the first partition: PredictIt's first month"
    )
    api_url: str = Field("https://www.predictit.org", description="the API that is polled")
    poll_interval: float = Field(
        60.0, ge=0, allow_inf_nan=False, description="seconds between two calls of the API"
    )
    max_body_mb: int = Field(32, gt=0, description="the largest payload taken, in MB of JSON")
    days_a_run: int = Field(0, ge=0, description="days that one run takes at most; 0: any number")
    lock_timeout: float = Field(
        120.0, ge=0, allow_inf_nan=False, description="seconds to wait for a busy warehouse"
    )
    expire_landing_days: int = Field(0, ge=0, description="days that landing keeps; 0: for ever")
    expire_quarantine_days: int = Field(
        0, ge=0, description="days that quarantine keeps; 0: for ever"
    )
    expire_raw_days: int = Field(0, ge=0, description="days that raw keeps; 0: for ever")
    expire_raw_confirmed: str = Field(
        "", validate_default=True, description=f"to let raw expire: {RAW_CONFIRMED!r}"
    )
    keep_runs_days: int = Field(
        30, ge=0, description="days that superseded runs are remembered; 0: for ever"
    )

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
    move_alert: float = Field(
        0.15, gt=0, le=1, description="dollars that a price moves within an hour to be told of"
    )
    ui_url: str = Field("http://127.0.0.1:3000", description="where people open the Dagster UI")

    @field_validator("api_url", "ui_url")
    @classmethod
    def _http(cls, url: str) -> str:
        if not url.startswith(("http://", "https://")):
            raise ValueError("should begin with http:// or https://")
        return url

    @field_validator("home")
    @classmethod
    def _absolute(cls, home: Path) -> Path:
        return home.expanduser().absolute()

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


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises SettingsError, one line a value that can't be used, with the values that can.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(
            "; ".join(
                f"PREDICTIT_{str(fault['loc'][0]).upper()}={fault['input']!r}: {fault['msg']}"
                for fault in error.errors()
            )
        ) from None
