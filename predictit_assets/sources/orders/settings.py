"""What the environment says of the orders: each variable begins with PREDICTIT_ORDERS_."""

from pathlib import Path
from typing import ClassVar

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import SettingsConfigDict

from predictit_assets.contract.settings import SourceSettings, web_address


class OrdersSettings(SourceSettings):
    """PREDICTIT_ORDERS_PATH, PREDICTIT_ORDERS_URL, PREDICTIT_ORDERS_START etc."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_ORDERS_")
    needs_key: ClassVar[bool] = False

    path: Path | None = Field(None, description="a folder whose new and changed files are taken")
    url: SecretStr = Field(
        SecretStr(""), description="the address of a zip, which may be signed: all of it is secret"
    )
    max_mb: int = Field(512, ge=1, description="MB of a zip, at most")
    max_unpacked_mb: int = Field(4096, ge=1, description="MB of all files of a zip, at most")
    max_file_mb: int = Field(256, ge=1, description="MB of one file, unpacked, at most")
    max_age_hours: float | None = Field(
        None, gt=0, description="hours after which the newest file is too old; none by default"
    )

    @field_validator("url")
    @classmethod
    def _web(cls, url: SecretStr) -> SecretStr:
        # Its end is part of a signature: nothing is taken away.
        web_address(url.get_secret_value())
        return url
