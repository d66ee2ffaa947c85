"""The tables of the stocks, curated and staged: values as sent, one row per bar, ticker, split."""

from enum import StrEnum
from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa
from pandera.ibis import IbisData

from predictit_assets.contract.schema import Bigint, Day, Flag, Moment, Text

PRICE, VOLUME = (18, 6), (20, 4)
"""Digits in all and behind the point. What doesn't fit is rejected."""
Price = Annotated[dt.Decimal, 18, 6, True]
Volume = Annotated[dt.Decimal, 20, 4, True]


class AnswerKind(StrEnum):
    """What an answer says, told by its body."""

    ROWS = "rows"
    EMPTY = "empty"
    NOT_FOUND = "not_found"


def _optional(description: str) -> pa.Field:
    return pa.Field(nullable=True, description=f"{description}, as sent; NULL when it isn't said")


def _price(description: str) -> pa.Field:
    return pa.Field(ge=0, description=f"{description}, in dollars, not adjusted for splits")


def _no_price(description: str) -> pa.Field:
    return pa.Field(
        ge=0,
        nullable=True,
        description=f"{description}, in dollars, not adjusted for splits; NULL when it isn't said",
    )


class _OfAnswers(pa.DataFrameModel):
    """What all tables tell of the answer that a row is from."""

    partition_date: Day = pa.Field(description="the day that was asked about: the partition")
    captured_at: Moment = pa.Field(description="when the answer was received, UTC")
    part: Text = pa.Field(description="the request: nothing, a page such as p0, or a ticker")


class _OfPages(_OfAnswers):
    """What tables of answers in pages tell besides."""

    page: Bigint = pa.Field(ge=0, description="number of the page, from 0")


class _Answers(_OfPages):
    """Answers in pages: without them an empty one left no trace. One row per answer."""

    answer_kind: Text = pa.Field(
        isin=[*AnswerKind], description="rows, empty or not_found: what the body says"
    )
    row_count: Bigint = pa.Field(ge=0, description="records as sent, sound or not")
    is_last: Flag = pa.Field(description="whether the page names no next one")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("partition_date", "captured_at", "part")

    @pa.dataframe_check(
        description="kind and count of each answer agree",
        error="{} answer contradicts itself|{} answers contradict themselves",
    )
    def agrees_with_itself(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """What a day held is told by them."""
        return (data.table.answer_kind == AnswerKind.ROWS.value) == (data.table.row_count > 0)


class StockDays(_OfAnswers):
    """Prices of a session as sent. One row per bar of an answer."""

    position: Bigint = pa.Field(ge=0, description="place among the bars of the answer, from 0")
    ticker: Text = pa.Field(description="the ticker; upper and lower case differ")
    open: Price = _price("first price")
    high: Price = _price("highest price")
    low: Price = _price("lowest price")
    close: Price = _price("last price")
    volume: Volume = pa.Field(ge=0, description="shares traded; fractions happen")
    vwap: Price = _no_price("mean price, weighted by volume")
    transactions: Bigint = pa.Field(
        ge=0, nullable=True, description="number of trades; NULL when it isn't said"
    )
    is_otc: Flag = pa.Field(description="whether it was traded over the counter")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("partition_date", "captured_at", "part", "position")

    @pa.dataframe_check(
        description="no highest price lies below the lowest",
        error="{} bar has a high below its low|{} bars have a high below their low",
    )
    def high_is_not_below_low(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Such a bar is rejected before."""
        return data.table.high >= data.table.low


class StockOpenClose(_OfAnswers):
    """Prices of one ticker and day, before and after the session too. One row per answer."""

    ticker: Text = pa.Field(description="the ticker asked about; upper and lower case differ")
    status: Text = _optional("the API's word for the answer")
    open: Price = _no_price("first price")
    high: Price = _no_price("highest price")
    low: Price = _no_price("lowest price")
    close: Price = _no_price("last price")
    after_hours: Price = _no_price("last price after the session")
    pre_market: Price = _no_price("first price before the session")
    volume: Volume = pa.Field(
        ge=0, nullable=True, description="shares traded; fractions happen; NULL when missing"
    )
    is_otc: Flag = pa.Field(
        nullable=True, description="whether it was traded over the counter; NULL when missing"
    )
    is_missing: Flag = pa.Field(description="whether the API has nothing: all else is NULL then")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("partition_date", "captured_at", "part")

    @pa.dataframe_check(
        description="each answer has prices, or is missing",
        error="{} answer contradicts itself|{} answers contradict themselves",
    )
    def has_prices_or_is_missing(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Half a bar is no answer."""
        needed = (data.table[name] for name in ("open", "high", "low", "close", "volume"))
        told = [column.notnull() for column in needed]
        return ibis.ifelse(data.table.is_missing, ~ibis.or_(*told), ibis.and_(*told))


class StockTickers(_OfPages):
    """Tickers that were listed on a day, as sent. One row per record of an answer."""

    position: Bigint = pa.Field(ge=0, description="place among the records of the page, from 0")
    ticker: Text = pa.Field(description="the ticker; upper and lower case differ")
    name: Text = pa.Field(description="what it is called")
    market: Text = pa.Field(description="its market, such as stocks or otc")
    locale: Text = pa.Field(description="where it is traded, such as us")
    type: Text = _optional("its type, such as CS")
    primary_exchange: Text = _optional("the exchange it is listed at, ISO 10383")
    is_active: Flag = _optional("whether it is traded")
    currency_name: Text = _optional("the currency it is traded in")
    currency_symbol: Text = _optional("that currency's code")
    base_currency_name: Text = _optional("the currency that is traded")
    base_currency_symbol: Text = _optional("that currency's code")
    cik: Text = _optional("the company's number at the SEC")
    composite_figi: Text = _optional("the FIGI of its country")
    share_class_figi: Text = _optional("the FIGI of its share class")
    last_updated_at: Moment = pa.Field(
        nullable=True, description="as of when this is said, UTC; NULL when it isn't said"
    )
    delisted_at: Moment = pa.Field(
        nullable=True, description="when it was last traded, UTC; NULL when it isn't said"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("partition_date", "captured_at", "part", "position")


class StockSplits(_OfPages):
    """Splits that are executed on a day, as sent. One row per record of an answer."""

    position: Bigint = pa.Field(ge=0, description="place among the records of the page, from 0")
    split_id: Text = pa.Field(description="the API's id of the split")
    ticker: Text = pa.Field(description="the ticker as it is today; upper and lower case differ")
    execution_date: Day = pa.Field(description="the first day of the new shares")
    split_from: Price = pa.Field(gt=0, description="so many old shares")
    split_to: Price = pa.Field(gt=0, description="become so many new ones")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("partition_date", "captured_at", "part", "position")

    @pa.dataframe_check(
        description="every split is of the day asked about",
        error="{} split is of another day|{} splits are of another day",
    )
    def of_the_day_asked(cls, data: IbisData) -> ibis.expr.types.BooleanValue:
        """Such a split is rejected before."""
        return data.table.execution_date == data.table.partition_date


class StockListAnswers(_Answers):
    """Answers about ticker lists: which pages a day's list has. One row per answer."""


class StockSplitAnswers(_Answers):
    """Answers about splits: a day without any leaves a row here. One row per answer."""
