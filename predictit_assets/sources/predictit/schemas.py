"""PredictIt's own tables, curated and staged: values as sent, one row per poll and thing."""

from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa
from pandera.ibis import IbisData

from predictit_assets.contract.manifests import OneAMomentManifest
from predictit_assets.contract.schema import Bigint, Day, Moment, Text

Price = Annotated[dt.Decimal, 6, 4, True]
"""Dollars a share."""

STALE_AFTER = ibis.interval(minutes=10)
"""The feed is made anew about once a minute."""


class MarketManifest(OneAMomentManifest):
    """What became of each payload of a day. One row per payload, valid or quarantined."""

    @pa.dataframe_check(
        raise_warning=True,
        description="no payload lost over a fifth of the markets before it",
        error="{} payload has lost over a fifth of the markets before it"
        "|{} payloads have lost over a fifth of the markets before them",
    )
    def no_sharp_drop(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """The number of open markets differs by year, so only a relative drop says something."""
        table = data.table
        before = table.markets.lag().over(order_by=[table.markets.isnull(), table.captured_at])
        return (table.markets >= before * 0.8).fill_null(True)


class MarketSnapshots(pa.DataFrameModel):
    """Open markets as sent. One row per poll and market."""

    partition_date: Day = pa.Field(description="Eastern day of the poll: the partition")
    polled_at: Moment = pa.Field(description="when the payload was received, UTC")
    source_ts: Moment = pa.Field(description="the feed's own time stamp, turned into UTC")
    market_id: Bigint = pa.Field(gt=0, description="PredictIt's id of the market")
    market_name: Text = pa.Field(description="the question, as sent")
    market_short_name: Text = pa.Field(description="the question in brief, as sent")
    market_url: Text = pa.Field(description="the market's page")
    image_url: Text = pa.Field(description="the market's picture")
    status: Text = pa.Field(description="as sent: Open in the feed of all markets")
    contract_count: Bigint = pa.Field(ge=0, description="contracts of the market in this poll")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("polled_at", "market_id")

    @pa.dataframe_check(
        raise_warning=True,
        description="the feed was made anew before each poll",
        error="{} row is of a feed that was made over 10 minutes before its poll"
        "|{} rows are of a feed that was made over 10 minutes before its poll",
    )
    def no_stale_feed(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """An API that repeats old odds looks healthy to everything but this."""
        return data.table.source_ts >= data.table.polled_at - STALE_AFTER


def _quote(description: str) -> pa.Field:
    return pa.Field(nullable=True, ge=0, le=1, description=f"{description}; NULL without an offer")


class ContractSnapshots(pa.DataFrameModel):
    """Quotes of open contracts as sent. One row per poll and contract."""

    partition_date: Day = pa.Field(description="Eastern day of the poll: the partition")
    polled_at: Moment = pa.Field(description="when the payload was received, UTC")
    source_ts: Moment = pa.Field(description="the feed's own time stamp, turned into UTC")
    market_id: Bigint = pa.Field(gt=0, description="the market that the contract belongs to")
    contract_id: Bigint = pa.Field(gt=0, description="PredictIt's id of the contract")
    contract_name: Text = pa.Field(description="the answer, as sent")
    contract_short_name: Text = pa.Field(description="the answer in brief, as sent")
    image_url: Text = pa.Field(description="the contract's picture")
    status: Text = pa.Field(description="as sent: Open in the feed of all markets")
    date_end: Text = pa.Field(
        nullable=True, description="the announced end, free text as sent; NULL when none is"
    )
    display_order: Bigint = pa.Field(description="position asked for by the market's author")
    last_trade_price: Price = pa.Field(
        ge=0, le=1, description="price of the last trade as sent: 0 means never traded"
    )
    best_buy_yes_cost: Price = _quote("what a YES share costs: the YES ask")
    best_buy_no_cost: Price = _quote("what a NO share costs: the NO ask")
    best_sell_yes_cost: Price = _quote("what a YES share fetches: the YES bid")
    best_sell_no_cost: Price = _quote("what a NO share fetches: the NO bid")
    last_close_price: Price = pa.Field(
        nullable=True, ge=0, le=1, description="last trade of the day before; NULL without one"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("polled_at", "contract_id")

    @pa.dataframe_check(
        raise_warning=True,
        description="every price is a whole cent",
        error="{} row has a price that isn't a whole cent"
        "|{} rows have a price that isn't a whole cent",
    )
    def whole_cents(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """PredictIt trades in whole cents; a fraction means that the feed changed."""
        prices = [name for name, kind in data.table.schema().items() if kind.is_decimal()]
        cents = [data.table[name] * 100 for name in prices]
        return ibis.and_(*(cent.isnull() | (cent == cent.round()) for cent in cents))

    @pa.dataframe_check(
        raise_warning=True,
        description="no YES bid is above the YES ask",
        error="{} row has a YES bid above the YES ask|{} rows have a YES bid above the YES ask",
    )
    def no_crossed_book(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """A crossed book would be free money; it was never seen in 15 million quotes."""
        crossed = data.table.best_sell_yes_cost > data.table.best_buy_yes_cost
        return ~crossed.fill_null(False)


class ClosedContracts(ContractSnapshots):
    """How contracts of markets that left the feed ended. One row per answer and contract."""

    market_status: Text = pa.Field(description="as sent: Closed, or Open should it come back")
