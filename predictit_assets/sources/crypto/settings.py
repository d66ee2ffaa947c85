"""What the environment says of the coins: each variable begins with PREDICTIT_CRYPTO_."""

import math
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator
from pydantic_settings import NoDecode, SettingsConfigDict

from predictit_assets.contract.settings import SourceSettings

DAY = 86_400
LONGEST_MONTH = 31 * DAY
"""Seconds."""


class Plan(StrEnum):
    """What CoinGecko sells: who shows which key, to which host."""

    PUBLIC = "public"
    DEMO = "demo"
    PRO = "pro"


HOSTS = {
    Plan.PUBLIC: "https://api.coingecko.com",
    Plan.DEMO: "https://api.coingecko.com",
    Plan.PRO: "https://pro-api.coingecko.com",
}
KEY_HEADERS = {Plan.DEMO: "x-cg-demo-api-key", Plan.PRO: "x-cg-pro-api-key"}
CALLS_A_MINUTE = {Plan.PUBLIC: 5, Plan.DEMO: 30, Plan.PRO: 500}
CALLS_A_MONTH = {Plan.DEMO: 10_000}
HISTORY_COINS = (
    *("bitcoin", "ethereum", "tether", "ripple", "binancecoin", "solana", "usd-coin"),
    *("dogecoin", "tron", "cardano", "chainlink", "avalanche-2", "stellar", "bitcoin-cash"),
    *("litecoin", "polkadot", "the-open-network", "monero", "uniswap", "aave"),
)


class CryptoSettings(SourceSettings):
    """PREDICTIT_CRYPTO_PLAN, PREDICTIT_CRYPTO_API_KEY, PREDICTIT_CRYPTO_PAGES etc."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_CRYPTO_")

    plan: Plan = Field(Plan.PUBLIC, description="public (without a key), demo or pro")
    poll_interval: float = Field(
        300, ge=60, allow_inf_nan=False, description="seconds between two polls"
    )
    pages: int = Field(1, ge=1, le=10, description="pages of 250 coins in a poll")
    calls_a_minute: int | None = Field(
        None, ge=1, description="calls in a minute, at most; by default what the plan allows"
    )
    calls_a_month: int | None = Field(
        None, ge=1, description="calls in a UTC month, at most; by default what the plan allows"
    )
    history_coins: Annotated[tuple[str, ...], NoDecode] = Field(
        HISTORY_COINS, description="ids of the coins whose history is asked for, comma-separated"
    )

    @field_validator("history_coins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        return [one.strip() for one in value.split(",")] if isinstance(value, str) else value

    @field_validator("history_coins")
    @classmethod
    def _ids(cls, coins: tuple[str, ...]) -> tuple[str, ...]:
        if not all(coin.isprintable() and 0 < len(coin) <= 100 for coin in coins):
            raise ValueError("should be ids of coins, each of 1 to 100 characters")
        return tuple(dict.fromkeys(coins))

    @model_validator(mode="before")
    @classmethod
    def _host_of_plan(cls, values: Any) -> Any:
        if values.get("api_url"):
            return values
        return {**values, "api_url": HOSTS.get(values.get("plan", Plan.PUBLIC), "")}

    @model_validator(mode="after")
    def _polls_fit_the_month(self) -> "CryptoSettings":
        needed = math.ceil(LONGEST_MONTH / self.poll_interval) * self.pages
        if self.budget is not None and needed > self.budget:
            raise ValueError(
                f"polls alone need {needed:,} calls in 31 days, and {self.budget:,} are allowed: "
                f"change {self.variable('poll_interval')}, {self.variable('pages')} or "
                f"{self.variable('calls_a_month')}"
            )
        return self

    @property
    def pace(self) -> int:
        """Calls in a minute, at most."""
        return self.calls_a_minute or CALLS_A_MINUTE[self.plan]

    @property
    def budget(self) -> int | None:
        """Calls in a UTC month, at most; None where nobody counts."""
        return self.calls_a_month or CALLS_A_MONTH.get(self.plan)

    @property
    def calls_for_polls(self) -> float:
        """Calls a second that polls need."""
        return self.pages / self.poll_interval

    def dbt_vars(self) -> Mapping[str, str]:
        """Seconds between two polls, for the check that counts them."""
        return {"crypto_poll_interval": f"{self.poll_interval:g}"}

    def plan_text(self) -> str:
        """The plan, and what it polls."""
        pages = "1 page" if self.pages == 1 else f"{self.pages} pages"
        return f"{self.plan}, {pages} every {self.poll_interval:g} s"

    def missing(self) -> list[str]:
        """The key, where the plan has one."""
        if self.plan is Plan.PUBLIC or self.api_key.get_secret_value() or self.api_key_file:
            return []
        return [f"{self.variable('api_key')} (or {self.variable('api_key_file')})"]
