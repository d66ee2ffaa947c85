"""What the environment says of the clickstream (PREDICTIT_CLICKSTREAM_…)."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, field_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from predictit_assets.contract.settings import SourceSettings

ANY = "*"
"""Every origin."""


class Addresses(StrEnum):
    """What is kept of the address of a client."""

    KEEP = "keep"
    TRUNCATE = "truncate"
    DROP = "drop"


class ClickstreamSettings(SourceSettings):
    """PREDICTIT_CLICKSTREAM_PORT, PREDICTIT_CLICKSTREAM_ORIGINS etc."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_CLICKSTREAM_")

    host: str = Field("127.0.0.1", min_length=1, description="the address that is listened on")
    port: int = Field(8080, ge=0, le=65_535, description="the port; 0: one that is free")
    spool: Path | None = Field(
        None, description="where events wait to be landed; by default spool/clickstream in the home"
    )
    spool_mb: int = Field(1024, ge=1, description="MB of the spool, at most")
    max_body_kb: int = Field(64, ge=1, le=1024, description="KiB of a request's body, at most")
    connections: int = Field(512, ge=1, description="connections at a time, at most")
    requests_a_second: int = Field(
        50, ge=0, description="requests of an address in a second, at most; 0: any number"
    )
    origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (ANY,), description="origins whose pages may post, comma-separated; *: all"
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], NoDecode] = Field(
        (), description="addresses or networks whose X-Forwarded-For counts, comma-separated"
    )
    addresses: Addresses = Field(
        Addresses.TRUNCATE, description="what is kept of a client's address: keep, truncate or drop"
    )
    max_age_minutes: float | None = Field(
        None, gt=0, description="minutes after which the newest event is too old; none by default"
    )

    @field_validator("origins", "trusted_proxies", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [one.strip() for one in value.split(",") if one.strip()]

    @field_validator("origins")
    @classmethod
    def _are_origins(cls, origins: tuple[str, ...]) -> tuple[str, ...]:
        wanted = tuple(dict.fromkeys(origin.rstrip("/") for origin in origins))
        if not wanted or not all(one == ANY or _is_origin(one) for one in wanted):
            raise ValueError("should be * or origins such as https://shop.example")
        return wanted


def _is_origin(text: str) -> bool:
    url = urlsplit(text)
    return url.scheme in ("http", "https") and text == f"{url.scheme}://{url.netloc}" != ""
