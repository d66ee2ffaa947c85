"""A market's book as a whole: what its contracts add up to, and what buying all of them earns."""

from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa

from predictit_assets.contract.schema import Bigint, Day, Flag, Moment

Sum = Annotated[dt.Decimal, 9, 4, True]
"""Dollars for a share of each contract."""
Net = Annotated[dt.Decimal, 12, 8, True]
"""Dollars after a fee: exact, as a fee and a price have four places each."""
Fee = Annotated[dt.Decimal, 6, 4, True]
"""A part of a profit, 0.1 is 10 %."""
Dollars = Annotated[dt.Decimal, 9, 2, True]
"""Whole amounts of money, to the cent."""


class Fees(pa.DataFrameModel):
    """What PredictIt charges and allows, by the day since when. One row per change."""

    valid_from: Day = pa.Field(
        unique=True, description="first Eastern day on which it holds, until the next one"
    )
    fee_on_profit: Fee = pa.Field(
        ge=0,
        le=1,
        description="part of the profit on a winning share that PredictIt keeps; withdrawals aside",
    )
    position_limit: Dollars = pa.Field(
        gt=0, description="dollars that a trader may have in one contract"
    )

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


def _count(description: str) -> pa.Field:
    return pa.Field(ge=0, description=description)


def _sum(description: str) -> pa.Field:
    return pa.Field(nullable=True, ge=0, description=f"{description}; NULL when none has one")


def _earned(description: str) -> pa.Field:
    return pa.Field(nullable=True, description=description)


class MarketBooks(pa.DataFrameModel):
    """What the contracts of a market add up to, over time. One row per market and poll."""

    partition_date: Day = pa.Field(description="Eastern day of the poll: the partition")
    polled_at: Moment = pa.Field(description="when the odds were asked for, UTC")
    market_id: Bigint = pa.Field(gt=0, description="the market: core.dim_markets")
    contracts: Bigint = pa.Field(gt=0, description="contracts of the market in this poll")
    is_multi: Flag = pa.Field(description="whether it has two contracts or more")
    contracts_with_last: Bigint = _count("contracts that were ever traded: those in sum_last")
    contracts_with_ask: Bigint = _count("contracts with a YES ask: those in sum_ask")
    contracts_with_bid: Bigint = _count("contracts with a YES bid: those in sum_bid")
    contracts_one_sided: Bigint = _count("contracts with a YES ask or a YES bid, but not both")
    contracts_with_mark: Bigint = _count("contracts with a mark: those in sum_mark")
    contracts_with_no_ask: Bigint = _count("contracts with a NO ask: the legs of all_no_gross")
    sum_last: Sum = _sum("overround by last trades: their sum, 1 is fair")
    sum_ask: Sum = _sum("overround by YES asks: their sum, a share of each costs that")
    sum_bid: Sum = _sum("overround by YES bids: their sum, a share of each fetches that")
    sum_mark: Sum = _sum(
        "sum of marks, which implied probabilities are parts of; a mark is the last trade clamped "
        "into YES bid and ask (or the one there is), the mid, or the one quote, when never traded"
    )
    fee_on_profit: Fee = pa.Field(
        nullable=True, ge=0, le=1, description="fee of the day: marts.fees; NULL before the first"
    )
    all_no_gross: Sum = _earned(
        "a NO share of each contract that offers one: least profit before the fee, if at most one "
        "contract wins (exclusivity is an assumption); NULL under two legs"
    )
    all_no_net: Net = _earned(
        "the same after the fee, at worst: the leg that would earn least is the one that loses"
    )
    best_no_net: Net = _earned(
        "the same for those two legs or more that make it greatest; NULL under two legs"
    )
    best_no_contracts: Bigint = pa.Field(
        nullable=True, ge=2, description="legs of best_no_net: the fewest that reach it"
    )
    all_yes_gross: Sum = _earned(
        "a YES share of each contract: least profit before the fee, if one contract wins "
        "(exhaustiveness is an assumption); NULL unless two or more contracts all offer one"
    )
    all_yes_net: Net = _earned("the same after the fee, at worst: the cheapest contract wins")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("polled_at", "market_id")

    @pa.dataframe_check(description="a sum is NULL exactly when no contract has a part in it")
    def unknown_is_not_zero(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """A sum over nothing isn't 0."""
        table = data.table
        return ibis.and_(
            *(
                table[f"sum_{part}"].isnull() == (table[f"contracts_with_{part}"] == 0)
                for part in ("last", "ask", "bid", "mark")
            )
        )

    @pa.dataframe_check(description="no part of a market has more contracts than the market")
    def parts_are_parts(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """Otherwise a join has multiplied rows."""
        table = data.table
        parts = [name for name in table.columns if name.startswith("contracts_")]
        return ibis.and_(*(table[name] <= table.contracts for name in parts))

    @pa.dataframe_check(description="the best legs earn no less than all legs")
    def best_is_best(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """All legs are one of the sets that the best is chosen from."""
        table = data.table
        unknown = table.all_no_net.isnull() & table.best_no_net.isnull()
        return unknown | (table.best_no_net >= table.all_no_net).fill_null(False)
