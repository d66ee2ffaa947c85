"""What the environment says of the stocks: each variable begins with PREDICTIT_STOCKS_."""

from collections.abc import Mapping
from datetime import date
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from predictit_assets.contract.settings import SourceSettings


class StocksSettings(SourceSettings):
    """PREDICTIT_STOCKS_API_KEY, PREDICTIT_STOCKS_START, PREDICTIT_STOCKS_MAX_CALLS etc."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_STOCKS_")
    needs_key: ClassVar[bool] = True

    start: date = Field(date(2023, 7, 3), description="the first day that is asked about")
    api_url: str = Field("https://api.polygon.io", description="the API that is asked")
    calls_a_minute: int = Field(5, ge=1, description="calls of the API in a minute, at most")
    max_calls: int = Field(300, ge=1, description="calls in one run; what is left stays due")
    open_close: bool = Field(
        False, description="whether opening and closing prices of traded tickers are asked for too"
    )
    benchmark: str = Field("SPY", min_length=1, description="the ticker returns are compared with")

    def dbt_vars(self) -> Mapping[str, str]:
        """The benchmark, for the models that compare with it."""
        return {"stocks_benchmark": self.benchmark}
