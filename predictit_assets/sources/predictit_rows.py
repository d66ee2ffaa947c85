"""PredictIt's polls as rows of markets and of contracts, by time and id."""

from collections.abc import Sequence
from datetime import datetime
from itertools import chain

import msgspec
import numpy as np
import pyarrow

from predictit_assets.schemas.predictit import ContractSnapshots, MarketSnapshots
from predictit_assets.schemas.types import columns_of, record_batch
from predictit_assets.sources.predictit_api import Contract, UnreadMarket
from predictit_assets.trading_day import eastern_to_utc, trading_day

Poll = tuple[datetime, list[UnreadMarket]]
"""When it was, and the markets by id."""

_CONTRACT = msgspec.json.Decoder(Contract)


def market_rows(polls: Sequence[Poll]) -> pyarrow.RecordBatch:
    """One row per poll and market."""
    counts = [len(markets) for _, markets in polls]
    days = np.array([trading_day(at) for at, _ in polls], "datetime64[D]")
    times = np.array([at.replace(tzinfo=None) for at, _ in polls], "datetime64[us]")
    markets = _markets(polls)
    columns = columns_of(
        MarketSnapshots,
        markets,
        market_id="id",
        market_name="name",
        market_short_name="short_name",
        market_url="url",
        image_url="image",
        status="status",
    )
    columns["snapshot_date"] = pyarrow.array(np.repeat(days, counts))
    columns["polled_at"] = pyarrow.array(np.repeat(times, counts))
    columns["source_ts"] = list(chain.from_iterable(_source_times(*poll) for poll in polls))
    columns["contract_count"] = [len(market.contracts) for market in markets]
    return record_batch(MarketSnapshots, columns)


def contract_columns(
    polls: Sequence[Poll], of_markets: pyarrow.RecordBatch, **inherited: str
) -> dict[str, pyarrow.Array]:
    """One row per poll and contract, as columns.

    `of_markets` are the rows of the markets, and `inherited` which of their columns contracts bear
    as well, beside those that all tables have.
    """
    markets = _markets(polls)
    # A poll repeats most of what the one before said: each contract is decoded once for all the
    # polls that sent it in the same words.
    texts: dict[bytes, int] = {}
    sent = [texts.setdefault(bytes(c), len(texts)) for m in markets for c in m.contracts]
    told = columns_of(
        ContractSnapshots,
        list(map(_CONTRACT.decode, texts)),
        contract_id="id",
        contract_name="name",
        contract_short_name="short_name",
        image_url="image",
        status="status",
        date_end="date_end",
        display_order="display_order",
        last_trade_price="last_trade_price",
        best_buy_yes_cost="best_buy_yes_cost",
        best_buy_no_cost="best_buy_no_cost",
        best_sell_yes_cost="best_sell_yes_cost",
        best_sell_no_cost="best_sell_no_cost",
        last_close_price="last_close_price",
    )
    text, market = np.array(sent), np.repeat(np.arange(len(markets)), of_markets["contract_count"])
    times, ids = of_markets["polled_at"].to_numpy(), told["contract_id"].to_numpy()
    order = np.lexsort((ids[text], times[market]))
    text, market = text[order], market[order]
    inherited |= {name: name for name in ("snapshot_date", "polled_at", "source_ts", "market_id")}
    return {name: column.take(text) for name, column in told.items()} | {
        name: of_markets[of].take(market) for name, of in inherited.items()
    }


def source_ts(stamp: str, near: datetime) -> datetime | None:
    """A `timeStamp` as naive UTC, cut to microseconds; None when it can't be read."""
    try:
        return eastern_to_utc(datetime.fromisoformat(stamp), near).replace(tzinfo=None)
    except (ValueError, OverflowError):
        return None


def _markets(polls: Sequence[Poll]) -> list[UnreadMarket]:
    return [market for _, markets in polls for market in markets]


def _source_times(at: datetime, markets: Sequence[UnreadMarket]) -> list[datetime | None]:
    # One body bears one time stamp, as a rule: read each text once.
    times = {stamp: source_ts(stamp, at) for stamp in {m.time_stamp for m in markets}}
    return [times[market.time_stamp] for market in markets]
