"""What is published: dimensions, their histories, the fact."""

import ibis
import pandera.ibis as pa

from predictit_assets.contract.schema import Bigint, Day, Flag, Moment, Price, Text


def _price(description: str) -> pa.Field:
    return pa.Field(nullable=True, ge=0, le=1, description=description)


class FactPrices(pa.DataFrameModel):
    """Odds over time. One row per contract and poll."""

    partition_date: Day = pa.Field(description="Eastern day of the poll: the partition")
    polled_at: Moment = pa.Field(description="when the odds were asked for, UTC")
    source_ts: Moment = pa.Field(description="when PredictIt made the answer, UTC")
    market_id: Bigint = pa.Field(gt=0, description="the contract's market: core.dim_markets")
    contract_id: Bigint = pa.Field(gt=0, description="the contract: core.dim_contracts")
    last_trade_price: Price = pa.Field(
        nullable=True, gt=0, le=1, description="price of the last trade; NULL when never traded"
    )
    best_buy_yes_cost: Price = _price("YES ask; NULL without an offer")
    best_buy_no_cost: Price = _price("NO ask; NULL without an offer")
    best_sell_yes_cost: Price = _price("YES bid; NULL without an offer")
    best_sell_no_cost: Price = _price("NO bid; NULL without an offer")
    last_close_price: Price = _price("last trade of the Eastern day before; NULL without one")
    mid_price: Price = _price("middle of YES ask and bid; NULL when one side is missing")
    spread: Price = pa.Field(
        nullable=True, ge=-1, le=1, description="YES ask less YES bid; NULL when one is missing"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("polled_at", "contract_id")


class _Life(pa.DataFrameModel):
    """When a thing was in the feed: the columns that both dimensions share."""

    effective_ts: Moment = pa.Field(description="first poll that held it, UTC")
    last_seen_ts: Moment = pa.Field(description="newest poll that held it, UTC")
    expiry_ts: Moment = pa.Field(
        nullable=True, description="when it was last seen, once it has left; NULL while open"
    )
    is_open: Flag = pa.Field(description="whether the newest poll of all holds it")

    @pa.dataframe_check(description="open things have no expiry, the others their last sight")
    def expires_when_gone(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """The feed never says that something closed: it just leaves."""
        table = data.table
        gone = table.expiry_ts.notnull() & (table.expiry_ts == table.last_seen_ts)
        return ibis.ifelse(table.is_open, table.expiry_ts.isnull(), gone)


class DimMarkets(_Life):
    """Markets as last seen. One row per market."""

    market_id: Bigint = pa.Field(unique=True, gt=0, description="PredictIt's id of the market")
    market_name: Text = pa.Field(description="the question, white space folded")
    market_short_name: Text = pa.Field(description="the question in brief, white space folded")
    market_url: Text = pa.Field(description="the market's page")
    image_url: Text = pa.Field(description="the market's picture")
    contract_count: Bigint = pa.Field(gt=0, description="contracts when last seen")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


class DimContracts(_Life):
    """Contracts as last seen. One row per contract."""

    contract_id: Bigint = pa.Field(unique=True, gt=0, description="PredictIt's id of the contract")
    market_id: Bigint = pa.Field(gt=0, description="the market it belongs to, for ever")
    contract_name: Text = pa.Field(description="the answer, white space folded")
    contract_short_name: Text = pa.Field(description="the answer in brief, white space folded")
    image_url: Text = pa.Field(description="the contract's picture")
    display_order: Bigint = pa.Field(description="position asked for by the market's author")
    date_end: Text = pa.Field(description="the announced end, free text as sent")
    date_end_ts: Moment = pa.Field(
        nullable=True, description="the announced end in UTC; NULL when the text is no date"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


class _Version(pa.DataFrameModel):
    """When a version of the attributes held: the columns that both histories share."""

    valid_from: Moment = pa.Field(description="first poll with these attributes, UTC")
    valid_to: Moment = pa.Field(
        nullable=True, description="first poll with others; NULL for the newest version"
    )
    is_current: Flag = pa.Field(description="whether this is the newest version")

    @pa.dataframe_check(description="a version ends after it began; only the newest doesn't end")
    def ends_after_it_began(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """An interval that ends before it begins is how out-of-order loads show."""
        table = data.table
        ended = table.valid_to.notnull() & (table.valid_to > table.valid_from)
        return ibis.ifelse(table.is_current, table.valid_to.isnull(), ended)


class DimMarketsHistory(_Version):
    """What a market was called. One row per market and run of polls with equal attributes."""

    market_id: Bigint = pa.Field(gt=0, description="PredictIt's id of the market")
    market_name: Text = pa.Field(description="the question, white space folded")
    market_short_name: Text = pa.Field(description="the question in brief, white space folded")
    market_url: Text = pa.Field(description="the market's page")
    image_url: Text = pa.Field(description="the market's picture")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("market_id", "valid_from")


class DimContractsHistory(_Version):
    """What a contract was called. One row per contract and run of polls with equal attributes."""

    contract_id: Bigint = pa.Field(gt=0, description="PredictIt's id of the contract")
    contract_name: Text = pa.Field(description="the answer, white space folded")
    contract_short_name: Text = pa.Field(description="the answer in brief, white space folded")
    image_url: Text = pa.Field(description="the contract's picture")
    display_order: Bigint = pa.Field(description="position asked for by the market's author")
    date_end: Text = pa.Field(description="the announced end, free text as sent")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("contract_id", "valid_from")


class _Run(pa.DataFrameModel):
    """A run within a day: the columns that both tables of runs share."""

    partition_date: Day = pa.Field(description="Eastern day of the polls: the partition")
    first_seen_ts: Moment = pa.Field(description="first poll of the run, UTC")
    last_seen_ts: Moment = pa.Field(description="last poll of the run, UTC")


class MarketAttributeRuns(_Run):
    """What the histories are made of. One row per day, market and run of equal attributes."""

    market_id: Bigint = pa.Field(gt=0, description="PredictIt's id of the market")
    market_name: Text = pa.Field(description="the question, white space folded")
    market_short_name: Text = pa.Field(description="the question in brief, white space folded")
    market_url: Text = pa.Field(description="the market's page")
    image_url: Text = pa.Field(description="the market's picture")
    contract_count: Bigint = pa.Field(gt=0, description="contracts at the last poll of the run")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("market_id", "first_seen_ts")


class ContractAttributeRuns(_Run):
    """What the histories are made of. One row per day, contract and run of equal attributes."""

    contract_id: Bigint = pa.Field(gt=0, description="PredictIt's id of the contract")
    market_id: Bigint = pa.Field(gt=0, description="the market it belongs to, for ever")
    contract_name: Text = pa.Field(description="the answer, white space folded")
    contract_short_name: Text = pa.Field(description="the answer in brief, white space folded")
    image_url: Text = pa.Field(description="the contract's picture")
    display_order: Bigint = pa.Field(description="position asked for by the market's author")
    date_end: Text = pa.Field(description="the announced end, free text as sent")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("contract_id", "first_seen_ts")
