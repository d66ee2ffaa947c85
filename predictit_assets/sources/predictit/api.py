"""What PredictIt's API answers: typed models of its JSON, as strict as the feed is regular."""

from typing import Annotated

import msgspec
from msgspec import Meta

Id = Annotated[int, Meta(gt=0, le=2**63 - 1)]
Order = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Price = Annotated[float, Meta(ge=0, le=1)]
WallTime = Annotated[str, Meta(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?$")]
"""Naive Eastern wall time as .NET writes it."""


class Contract(msgspec.Struct, gc=False, rename="camel"):
    """One contract of a payload. Every key is always sent.

    Quotes and the close may be null; that an end may be wasn't seen, but one end that isn't known
    mustn't cost the odds of all markets.
    """

    id: Id
    date_end: str | None
    image: str
    name: str
    short_name: str
    status: str
    last_trade_price: Price
    best_buy_yes_cost: Price | None
    best_buy_no_cost: Price | None
    best_sell_yes_cost: Price | None
    best_sell_no_cost: Price | None
    last_close_price: Price | None
    display_order: Order


class Market(msgspec.Struct, gc=False, rename="camel"):
    """One market of a payload. Without contracts, which wasn't seen, it costs others nothing."""

    id: Id
    name: str
    short_name: str
    image: str
    url: str
    contracts: list[Contract]
    time_stamp: WallTime
    status: str


class MarketData(msgspec.Struct, gc=False):
    """The answer of `/api/marketdata/all/`."""

    markets: Annotated[list[Market], Meta(min_length=1)]


class KnownContract(Contract, gc=False, forbid_unknown_fields=True):
    """A contract without a field that nobody knew of."""


class KnownMarket(Market, gc=False, forbid_unknown_fields=True):
    """A market without a field that nobody knew of."""

    contracts: list[KnownContract]  # type: ignore[assignment]


class KnownMarketData(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """An answer without a field that nobody knew of."""

    markets: Annotated[list[KnownMarket], Meta(min_length=1)]


MARKET_KEYS = {field.encode_name for field in msgspec.structs.fields(Market)}
CONTRACT_KEYS = {field.encode_name for field in msgspec.structs.fields(Contract)}
