"""The marts about how markets ended, and how good their odds were."""

from typing import Annotated

import ibis
import ibis.expr.datatypes as dt
import pandera.ibis as pa

from predictit_assets.contract.schema import Bigint, Moment, Price, Text

Score = Annotated[dt.Decimal, 9, 6, True]
"""Of odds against outcomes: 0 is best."""
OUTCOMES = ["Yes", "No", "Undecided"]


class OutcomeOverrides(pa.DataFrameModel):
    """Outcomes that somebody looked up. One row per contract."""

    contract_id: Bigint = pa.Field(unique=True, description="the contract")
    outcome: Text = pa.Field(isin=OUTCOMES, description="how it ended")
    reason: Text = pa.Field(description="who says so, and where")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True


class Resolutions(pa.DataFrameModel):
    """How contracts of markets that left ended. One row per contract."""

    market_id: Bigint = pa.Field(gt=0, description="the market")
    contract_id: Bigint = pa.Field(gt=0, unique=True, description="the contract")
    left_ts: Moment = pa.Field(description="newest poll that held the market, UTC")
    asked_at: Moment = pa.Field(
        nullable=True, description="when PredictIt was asked how it ended, UTC; NULL until then"
    )
    final_price: Price = pa.Field(
        nullable=True,
        gt=0,
        le=1,
        description="last trade of all; NULL when never traded, not asked",
    )
    inferred_outcome: Text = pa.Field(
        nullable=True, isin=OUTCOMES, description="by the final price; NULL until asked"
    )
    outcome: Text = pa.Field(
        nullable=True, isin=OUTCOMES, description="the override, else what was inferred"
    )
    outcome_source: Text = pa.Field(
        nullable=True,
        isin=["inferred", "override"],
        description="inferred from the last trade (never a settlement) or override",
    )
    override_reason: Text = pa.Field(nullable=True, description="who says so; NULL when inferred")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True

    @pa.dataframe_check(description="an outcome says where it is from")
    def outcome_has_a_source(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """What is inferred must never pass for a settlement."""
        return data.table.outcome.isnull() == data.table.outcome_source.isnull()


class Calibration(pa.DataFrameModel):
    """Odds against outcomes. One row per days before leaving and price bin."""

    days_before: Bigint = pa.Field(isin=[1, 7, 30], description="days before the market left")
    price_bin: Price = pa.Field(ge=0, le=1, description="lower bound of the bin, ten cents wide")
    contracts: Bigint = pa.Field(gt=0, description="contracts that were traded and are decided")
    mean_price: Price = pa.Field(ge=0, le=1, description="what the market held likely")
    yes_share: Price = pa.Field(ge=0, le=1, description="share that ended Yes: what came of it")
    brier_score: Score = pa.Field(ge=0, le=1, description="mean squared error; 0 is best")
    log_loss: Score = pa.Field(ge=0, description="mean -ln(price of the outcome); 0 is best")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
        unique = ("days_before", "price_bin")

    @pa.dataframe_check(description="the mean price lies in the bin")
    def mean_in_its_bin(cls, data: pa.IbisData) -> ibis.expr.types.BooleanValue:
        """A price in the wrong bin would bend the curve."""
        table = data.table
        return (table.mean_price >= table.price_bin) & (table.mean_price <= table.price_bin + 0.1)
