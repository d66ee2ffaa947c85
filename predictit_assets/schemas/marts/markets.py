"""What analysts open first."""

import pandera.ibis as pa

from predictit_assets.schemas.types import Bigint, Flag, Moment


class MarketLife(pa.DataFrameModel):
    """How long a market was in the feed, and what changed meanwhile. One row per market."""

    market_id: Bigint = pa.Field(unique=True, gt=0, description="the market: core.dim_markets")
    first_seen_ts: Moment = pa.Field(description="first poll that held it, UTC")
    last_seen_ts: Moment = pa.Field(description="newest poll that held it, UTC")
    is_open: Flag = pa.Field(description="whether the newest poll of all holds it")
    days_seen: Bigint = pa.Field(gt=0, description="Eastern days on which a poll held it")
    contracts: Bigint = pa.Field(gt=0, description="contracts it ever had")
    contracts_added_late: Bigint = pa.Field(
        ge=0, description="contracts first seen after the market was"
    )
    renames: Bigint = pa.Field(ge=0, description="times that its name or short name changed")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
