"""What analysts open first."""

from typing import Annotated

import ibis.expr.datatypes as dt
import pandera.ibis as pa

from predictit_assets.contract.schema import Bigint, Flag, Moment, Price, Text

Probability = Annotated[dt.Decimal, 9, 6, True]


def _price(description: str) -> pa.Field:
    return pa.Field(nullable=True, ge=0, le=1, description=description)


def _move(description: str) -> pa.Field:
    return pa.Field(
        nullable=True, ge=-1, le=1, description=f"{description}; NULL when one is unknown"
    )


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


class MarketBoard(pa.DataFrameModel):
    """The odds of the newest poll, and how they moved. One row per open contract."""

    polled_at: Moment = pa.Field(description="when the odds were asked for, UTC: the newest poll")
    market_id: Bigint = pa.Field(gt=0, description="the contract's market: core.dim_markets")
    contract_id: Bigint = pa.Field(
        unique=True, gt=0, description="the contract: core.dim_contracts"
    )
    market_name: Text = pa.Field(description="the question, white space folded")
    market_short_name: Text = pa.Field(description="the question in brief, white space folded")
    market_url: Text = pa.Field(description="the market's page")
    contract_name: Text = pa.Field(description="the answer, white space folded")
    contract_short_name: Text = pa.Field(description="the answer in brief, white space folded")
    last_trade_price: Price = pa.Field(
        nullable=True, gt=0, le=1, description="price of the last trade; NULL when never traded"
    )
    bid: Price = _price("YES bid; NULL without an offer")
    ask: Price = _price("YES ask; NULL without an offer")
    mid_price: Price = _price("middle of YES ask and bid; NULL when one side is missing")
    spread: Price = pa.Field(
        nullable=True, ge=-1, le=1, description="YES ask less YES bid; NULL when one is missing"
    )
    mark: Price = _price(
        "last trade clamped into bid and ask, or into the one there is; when never traded the mid, "
        "or the one quote; NULL without any"
    )
    implied_probability: Probability = pa.Field(
        nullable=True,
        ge=0,
        le=1,
        description="mark as a part of the marks of its market, where that has several contracts "
        "(taken to exclude each other: an assumption), else the mark itself",
    )
    is_normalized: Flag = pa.Field(
        description="whether implied_probability is a part: the market has several contracts"
    )
    rank_in_market: Bigint = pa.Field(
        gt=0, description="place in its market, the likeliest first; contract_id breaks ties"
    )
    since_close: Price = _move("last trade less that of the Eastern day before")
    change_1h: Price = _move("last trade less that of 1 hour ago (from a poll up to 15 min older)")
    change_24h: Price = _move("last trade less that of 24 hours ago (from a poll up to 1 h older)")
    change_7d: Price = _move("last trade less that of 7 days ago (from a poll up to 6 h older)")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
