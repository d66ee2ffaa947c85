"""What the environment says of the disclosures: each variable begins with PREDICTIT_CONGRESS_."""

from datetime import date
from typing import ClassVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from predictit_assets.contract.settings import SourceSettings


class CongressSettings(SourceSettings):
    """PREDICTIT_CONGRESS_API_KEY, PREDICTIT_CONGRESS_START, PREDICTIT_CONGRESS_MAX_CALLS etc."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_CONGRESS_")
    needs_key: ClassVar[bool] = True

    start: date = Field(date(2024, 1, 1), description="the first report day that is asked about")
    api_url: str = Field("https://api.benzinga.com", description="the API that is asked")
    calls_a_minute: int = Field(30, ge=1, description="calls of the API in a minute, at most")
    max_calls: int = Field(500, ge=1, description="calls in one run; what is left stays due")
    alert_above: int = Field(
        250_000, ge=0, description="estimated dollars above which a trade is told of"
    )
