"""What the environment says of PredictIt: as the first source its variables have no more prefix."""

from datetime import date

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from predictit_assets.contract.settings import SourceSettings


class PredictItSettings(SourceSettings):
    """PREDICTIT_START, PREDICTIT_API_URL, PREDICTIT_POLL_INTERVAL and so on."""

    model_config = SettingsConfigDict(env_prefix="PREDICTIT_")

    start: date = Field(
        date(2014, 11, 1), description="the first partition: PredictIt's first month"
    )
    api_url: str = Field("https://www.predictit.org", description="the API that is polled")
    poll_interval: float = Field(
        60.0, ge=0, allow_inf_nan=False, description="seconds between two calls of the API"
    )
    move_alert: float = Field(
        0.15, gt=0, le=1, description="dollars that a price moves within an hour to be told of"
    )
