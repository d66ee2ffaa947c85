"""The tables of the coins, curated and staged: values as sent, one row per coin and per point."""

from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa
from pandera.ibis import IbisData

from predictit_assets.contract.manifests import OneAMomentManifest
from predictit_assets.contract.schema import Bigint, Day, Moment, Text
from predictit_assets.sources.crypto.api import AMOUNT, PRICE

Price = Annotated[dt.Decimal, PRICE.size, PRICE.scale, True]
Amount = Annotated[dt.Decimal, AMOUNT.size, AMOUNT.scale, True]


def _optional(description: str) -> pa.Field:
    return pa.Field(nullable=True, description=f"{description}, as sent; NULL when it isn't said")


def _not_negative(description: str) -> pa.Field:
    return pa.Field(
        ge=0, nullable=True, description=f"{description}, as sent; NULL when it isn't said"
    )


class CoinSnapshots(pa.DataFrameModel):
    """Coins as polled. One row per poll, page and coin."""

    partition_date: Day = pa.Field(description="UTC day of the poll: the partition")
    polled_at: Moment = pa.Field(
        description="when page 1 of the poll was received, UTC; all its pages bear it"
    )
    page: Bigint = pa.Field(ge=1, description="number of the page, from 1")
    pages: Bigint = pa.Field(ge=1, description="pages that the poll asks for")
    position: Bigint = pa.Field(ge=0, description="place among the coins of the page, from 0")
    coin_id: Text = pa.Field(description="the API's id of the coin, which never changes")
    source_ts: Moment = _optional("when the API last updated the coin, UTC")
    symbol: Text = pa.Field(description="what the coin is traded as, as sent; not unique")
    coin_name: Text = pa.Field(description="what the coin is called, as sent")
    image_url: Text = _optional("address of its picture")
    price: Price = _not_negative("price in dollars")
    market_cap: Amount = _not_negative("price times circulating supply, in dollars")
    market_cap_rank: Bigint = pa.Field(
        ge=1, nullable=True, description="rank by market cap; NULL for wrapped and staked coins"
    )
    market_cap_rank_with_rehypothecated: Bigint = pa.Field(
        ge=1, nullable=True, description="the same with those coins; NULL when it isn't said"
    )
    fully_diluted_valuation: Amount = _optional("price times the largest supply, in dollars")
    volume_24h: Amount = _not_negative("dollars traded in 24 hours")
    high_24h: Price = _optional("highest price of 24 hours")
    low_24h: Price = _optional("lowest price of 24 hours")
    change_24h: Price = _optional("change of the price in 24 hours, in dollars")
    change_24h_pct: Amount = _optional("the same in percent")
    market_cap_change_24h: Amount = _optional("change of the market cap in 24 hours, in dollars")
    market_cap_change_24h_pct: Amount = _optional("the same in percent")
    circulating_supply: Amount = _not_negative("coins that circulate")
    total_supply: Amount = _not_negative("coins that exist")
    max_supply: Amount = _not_negative("coins that can ever exist")
    ath: Price = _optional("highest price of all times")
    ath_change_pct: Amount = _optional("change of the price since then, in percent")
    ath_ts: Moment = _optional("when it was highest, UTC")
    atl: Price = _optional("lowest price of all times")
    atl_change_pct: Amount = _optional("change of the price since then, in percent")
    atl_ts: Moment = _optional("when it was lowest, UTC")
    roi: Text = _optional("return since the coin was first sold, JSON")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("polled_at", "page", "coin_id")


class CoinHistory(pa.DataFrameModel):
    """The vendor's own history as answered. One row per coin, moment and answer."""

    partition_date: Day = pa.Field(description="the UTC day that was asked about: the partition")
    asked_at: Moment = pa.Field(description="when the answer was received, UTC")
    coin_id: Text = pa.Field(description="the API's id of the coin")
    point_at: Moment = pa.Field(description="the moment that the values are of, UTC")
    price: Price = _not_negative("price in dollars")
    market_cap: Amount = _not_negative("market cap in dollars")
    volume: Amount = _not_negative("dollars traded in 24 hours")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("coin_id", "point_at", "asked_at")


class HistoryManifest(OneAMomentManifest):
    """What became of each payload of a day. One row per payload, valid or quarantined."""

    @pa.dataframe_check(
        raise_warning=True,
        description="the API knows every coin whose history it was asked for",
        error="{} answer says that its coin is unknown|{} answers say that their coins are unknown",
        title="mend the ids in PREDICTIT_CRYPTO_HISTORY_COINS",
    )
    def no_unknown_coins(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Such an answer is kept, and its coin has no rows: nothing else would tell."""
        return (data.table.unknown_coins == 0).fill_null(True)
