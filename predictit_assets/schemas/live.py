"""What is live: views over what is published and what is staged beyond it, right without a run."""

from predictit_assets.schemas.core import FactPrices
from predictit_assets.schemas.marts.markets import MarketBoard


class LivePrices(FactPrices):
    """Published odds, and the staged ones of polls newer than the newest published one.

    One row per contract and poll.
    """


class LiveBoard(MarketBoard):
    """The odds of the newest staged poll, and how they moved. One row per open contract."""
