"""Odds by hour and day, and what follows from a day's close."""

from typing import Annotated

import ibis.expr.datatypes as dt
import pandera.ibis as pa

from predictit_assets.contract.schema import Bigint, Day, Flag, Moment, Price, Text

Share = Annotated[dt.Decimal, 9, 6, True]
"""A part of a whole, 0 to 1."""
LogOdds = Annotated[dt.Decimal, 9, 6, True]
"""Natural logarithm of odds."""
Minutes = Annotated[dt.Decimal, 9, 2, True]
"""To the hundredth."""


def _price(description: str) -> pa.Field:
    return pa.Field(nullable=True, ge=0, le=1, description=description)


def _trade(description: str) -> pa.Field:
    return pa.Field(nullable=True, gt=0, le=1, description=f"{description}; NULL when never traded")


def _mid(description: str) -> pa.Field:
    return _price(f"{description}; NULL without a two-sided quote")


class _Odds(pa.DataFrameModel):
    """What hours and days share."""

    partition_date: Day = pa.Field(description="Eastern day of the polls: the partition")
    period_start_ts: Moment = pa.Field(description="when the hour or day began, UTC")
    market_id: Bigint = pa.Field(gt=0, description="the contract's market: core.dim_markets")
    contract_id: Bigint = pa.Field(gt=0, description="the contract: core.dim_contracts")
    first_polled_at: Moment = pa.Field(description="first poll of it in the period, UTC")
    last_polled_at: Moment = pa.Field(description="last poll of it in the period, UTC")
    quotes_seen: Bigint = pa.Field(gt=0, description="polls of it in the period")
    trade_open: Price = _trade("first last trade price seen")
    trade_high: Price = _trade("highest last trade price seen")
    trade_low: Price = _trade("lowest last trade price seen")
    trade_close: Price = _trade("newest last trade price seen")
    mid_open: Price = _mid("first mid price seen")
    mid_high: Price = _mid("highest mid price seen")
    mid_low: Price = _mid("lowest mid price seen")
    mid_close: Price = _mid("newest mid price seen")
    last_trade_moves: Bigint = pa.Field(
        ge=0,
        description=(
            "polls whose last trade price isn't that of the contract's poll before, on the same day"
        ),
    )
    minutes_since_move: Minutes = pa.Field(
        nullable=True,
        ge=0,
        description=(
            "from the newest such change of the day to the last poll of the period; "
            "NULL when the day had none so far"
        ),
    )
    time_weighted_mid: Price = _mid("mid price, weighted by the seconds that each quote held")
    time_weighted_spread: Price = pa.Field(
        nullable=True,
        ge=-1,
        le=1,
        description=(
            "YES ask less YES bid, weighted by the seconds that each quote held; "
            "NULL without a two-sided quote"
        ),
    )
    one_sided_share: Share = pa.Field(
        ge=0, le=1, description="share of the polls with a YES ask or a YES bid but not both"
    )


class Odds1h(_Odds):
    """Odds by the hour.

    Prices are those seen at polls. The last trade is compared from poll to poll within the Eastern
    day: the first poll of an hour with the contract's poll before it on that day, the first poll
    of the day with none, so a day depends on nothing but itself. A first trade is a change too. A
    quote holds until the contract's next poll, for 10 minutes at most, and not beyond the end of
    the hour; without a two-sided quote nothing is weighed. In autumn the hour that happens twice
    is two rows. One row per contract and Eastern hour in which it was polled.
    """

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("contract_id", "period_start_ts")


class Odds1d(_Odds):
    """Odds by the Eastern day.

    Prices are those seen at polls. The last trade is compared from poll to poll within the day,
    the first poll with none, so a day depends on nothing but itself. A first trade is a change
    too. A quote holds until the contract's next poll, for 10 minutes at most, and not beyond
    midnight; without a two-sided quote nothing is weighed. What PredictIt reports as the close
    before counts only in answers that it made on that day: the first polls after midnight can
    still bear an answer of the day before. Days have 23, 24 or 25 hours. One row per contract and
    Eastern day on which it was polled.
    """

    prior_close_first: Price = _price("close of the day before, as first reported; NULL without")
    prior_close: Price = _price("close of the day before, as last reported; NULL without")
    prior_close_changes: Bigint = pa.Field(
        nullable=True,
        ge=0,
        description=(
            "polls at which the reported close before wasn't that of the poll before; "
            "NULL when no answer made on that day was seen"
        ),
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("contract_id", "partition_date")


REASONS = [
    "agrees",
    "differs",
    "never traded",
    "next day not polled",
    "reported close changed during the day",
    "traded after the last poll",
]
"""What can come of comparing a close."""


class CloseReconciliation(pa.DataFrameModel):
    """The close that polls saw against the close that PredictIt reported on the day after.

    The first reason that holds is given. 'next day not polled': no answer with it that PredictIt
    made on the next Eastern day was seen. 'never traded': there is neither close. 'agrees': both
    are the same. 'reported close changed during the day': on the next day, so it isn't one number.
    'traded after the last poll': that can't be excluded, as the last poll was more than 5 minutes
    before midnight, or the next day's first trade price isn't the close seen. 'differs': the rest,
    which only trades away and back between two polls could explain. One row per contract and
    Eastern day on which it was polled.
    """

    partition_date: Day = pa.Field(description="Eastern day that closed: the partition")
    market_id: Bigint = pa.Field(gt=0, description="the contract's market: core.dim_markets")
    contract_id: Bigint = pa.Field(gt=0, description="the contract: core.dim_contracts")
    close_seen: Price = _trade("last trade price at the day's last poll of it")
    close_reported: Price = _price(
        "close of the day as first reported on the next day; NULL without one"
    )
    agrees: Flag = pa.Field(
        nullable=True,
        description="whether both are the same; NULL where there aren't two to compare",
    )
    reason: Text = pa.Field(isin=REASONS, description="why they agree or don't")
    minutes_before_midnight: Minutes = pa.Field(
        gt=0, description="from the day's last poll of it to midnight Eastern"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("contract_id", "partition_date")


class Movers1d(pa.DataFrameModel):
    """What moved against the close of the day before.

    The close before is PredictIt's own, as last reported that day. For the log-odds prices are
    held within 0.005 and 0.995. A change is noise when it is less than 2 cents, when over half of
    the day's polls had a one-sided quote, or when there were fewer than 2 polls. One row per
    contract and Eastern day on which it was polled.
    """

    partition_date: Day = pa.Field(description="Eastern day of the polls: the partition")
    market_id: Bigint = pa.Field(gt=0, description="the contract's market: core.dim_markets")
    contract_id: Bigint = pa.Field(gt=0, description="the contract: core.dim_contracts")
    close_price: Price = _trade("newest last trade price of the day")
    prior_close: Price = _price("close of the day before, as last reported; NULL without")
    price_change: Price = pa.Field(
        nullable=True,
        ge=-1,
        le=1,
        description="close less the close before, dollars: 0.01 is a cent; NULL without either",
    )
    log_odds_change: LogOdds = pa.Field(
        nullable=True,
        ge=-11,
        le=11,
        description="change of ln(p / (1 - p)); NULL without either close",
    )
    is_noise: Flag = pa.Field(
        nullable=True, description="whether the change says little; NULL without a change"
    )
    mover_rank: Bigint = pa.Field(
        nullable=True,
        gt=0,
        description=(
            "place within the day by size of the log-odds change, ties by contract_id; "
            "NULL for noise and the unknown"
        ),
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("contract_id", "partition_date")
