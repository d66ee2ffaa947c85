"""What every source can be told by the environment, beside what is its own."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from predictit_assets.errors import SettingsError

LOOPBACK = {"localhost", "127.0.0.1", "::1"}


class Poller(StrEnum):
    """Who asks an API that only says what is true now."""

    DAGSTER = "dagster"
    OTHERS = "others"


def web_address(url: str) -> str:
    """An address without a slash at its end; it may be empty. Raises ValueError."""
    if url and not url.startswith(("http://", "https://")):
        raise ValueError("should begin with http:// or https://")
    return url.rstrip("/")


def unusable(settings: type[BaseSettings], error: ValidationError) -> SettingsError:
    """The error for values that can't be used: a sentence a variable, without what is secret."""
    sentences = []
    for fault in error.errors():
        if not fault["loc"]:  # of values that don't go together: the sentence names them
            sentences.append(fault["msg"].removeprefix("Value error, "))
            continue
        name = str(fault["loc"][0])
        field = settings.model_fields.get(name)
        # What is no field is an alias, which is the variable's own name.
        variable = f"{settings.model_config.get('env_prefix', '')}{name}".upper() if field else name
        shown = "" if field and field.annotation is SecretStr else f"{fault['input']!r}"
        said = fault["msg"].removeprefix("Value error, ")
        sentences.append(f"{variable}={shown}: {said}")
    return SettingsError("; ".join(sentences))


class SourceSettings(BaseSettings):
    """The settings of a source. A subclass says the prefix of its variables and its own fields."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True, populate_by_name=True)
    needs_key: ClassVar[bool] = False
    """Whether the API refuses everybody without a key."""

    start: date = Field(date(2014, 1, 1), description="the first partition")
    api_url: str = Field("", description="the address of the API")
    api_key: SecretStr = Field(SecretStr(""), description="the key of the API, where it wants one")
    api_key_file: str = Field("", description="or the path of a file that holds the key")
    poller: Poller = Field(
        Poller.DAGSTER, description="who polls: a sensor of Dagster, or others (a Lambda function)"
    )

    @field_validator("api_url")
    @classmethod
    def _http(cls, url: str) -> str:
        return web_address(url)

    @classmethod
    def load(cls) -> "SourceSettings":
        """Read them from the environment. Raises SettingsError, one line a value."""
        try:
            return cls()
        except ValidationError as error:
            raise unusable(cls, error) from None

    @classmethod
    def variable(cls, name: str) -> str:
        """The environment variable of a field."""
        return f"{cls.model_config.get('env_prefix', '')}{name}".upper()

    def missing(self) -> list[str]:
        """The variables without which the API can't be asked."""
        if self.needs_key and not (self.api_key.get_secret_value() or self.api_key_file):
            return [f"{self.variable('api_key')} (or {self.variable('api_key_file')})"]
        return []

    def plan_text(self) -> str:
        """Which of the API's plans is set, in words, where it has some; no part of it is secret."""
        return ""

    def dbt_vars(self) -> Mapping[str, str]:
        """What models are told of the settings: dbt variables, which models of all sources see.

        Each begins with the source's name.
        """
        return {}

    def key(self) -> str:
        """The key of the API, or nothing. Raises SettingsError."""
        if value := self.api_key.get_secret_value():
            return value
        if not self.api_key_file:
            return ""
        try:
            return Path(self.api_key_file).read_text().strip()
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it can't be read as text"
            raise SettingsError(f"{self.variable('api_key_file')}: {reason}") from None

    def sends_key_in_the_clear(self) -> bool:
        """Whether a key would cross a network unencrypted."""
        url = urlsplit(self.api_url)
        return url.scheme == "http" and url.hostname not in LOOPBACK
