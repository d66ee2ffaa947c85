"""How well the feed was heard."""

from typing import Annotated

import ibis.expr.datatypes as dt
import pandera.ibis as pa

from predictit_assets.contract.schema import Bigint, Day, Moment
from predictit_assets.schemas.marts.odds import Minutes, Share

Seconds = Annotated[dt.Decimal, 12, 3, True]
"""To the millisecond."""


def _share(description: str) -> pa.Field:
    return pa.Field(ge=0, le=1, description=f"share of the contract quotes {description}")


class FeedHealth(pa.DataFrameModel):
    """How well the feed was heard, and how sound it was.

    Gaps lie between two polls of the same day; what is missing at its ends shows in the first and
    the last poll. An age is the time of the poll less the feed's own time: below 0 when the
    clocks differ. A book is the YES ask and bid of a contract at a poll. New fields and
    quarantined payloads never get into the warehouse: the manifest of raw tells of them. One row
    per Eastern day that was polled.
    """

    partition_date: Day = pa.Field(
        unique=True, description="Eastern day of the polls: the partition"
    )
    polls: Bigint = pa.Field(gt=0, description="sound payloads of the day")
    first_polled_at: Moment = pa.Field(description="first poll of the day, UTC")
    last_polled_at: Moment = pa.Field(description="last poll of the day, UTC")
    gaps_over_5_minutes: Bigint = pa.Field(
        ge=0, description="times that a poll came more than 5 minutes after the one before"
    )
    longest_gap_minutes: Minutes = pa.Field(
        nullable=True, ge=0, description="longest time between two polls; NULL with a single poll"
    )
    median_age_seconds: Seconds = pa.Field(description="median age of the feed over the polls")
    max_age_seconds: Seconds = pa.Field(description="greatest age of the feed at a poll")
    max_markets: Bigint = pa.Field(gt=0, description="most markets in a poll")
    max_contracts: Bigint = pa.Field(gt=0, description="most contracts in a poll")
    distinct_markets: Bigint = pa.Field(gt=0, description="markets seen in any poll")
    newest_markets: Bigint = pa.Field(gt=0, description="markets in the last poll")
    newest_contracts: Bigint = pa.Field(gt=0, description="contracts in the last poll")
    largest_market_drop: Share = pa.Field(
        nullable=True,
        ge=0,
        lt=1,
        description=(
            "largest fall of the number of markets from poll to poll, as a share of the former; "
            "0 when none fell, NULL with a single poll"
        ),
    )
    unquoted_share: Share = _share("with neither a YES ask nor a YES bid")
    one_sided_share: Share = _share("with a YES ask or a YES bid but not both")
    crossed_books: Bigint = pa.Field(ge=0, description="books with the YES bid above the ask")
    locked_books: Bigint = pa.Field(ge=0, description="books with the YES bid at the ask")

    class Config:
        """A column that isn't listed here is a fault."""

        strict = True
