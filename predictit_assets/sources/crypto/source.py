"""Crypto: what CoinGecko says of the largest coins now, and of some coins' past."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import pyarrow

from predictit_assets.contract.arrival import Arrival, ByDay, Dropped
from predictit_assets.contract.calendar import UTC_CALENDAR, Calendar
from predictit_assets.contract.payload import Payload, Validation
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.source import Dataset, Limits, Published, Serving, Source
from predictit_assets.sources.crypto import ask, read, rows
from predictit_assets.sources.crypto.schemas import CoinHistory, CoinSnapshots, HistoryManifest
from predictit_assets.sources.crypto.settings import CryptoSettings

POLLED = Limits(warn=timedelta(minutes=15), fail=timedelta(minutes=45))
"""The coins are asked for every five minutes."""
NIGHTLY = Limits(warn=timedelta(hours=36), fail=timedelta(hours=72))


class Markets(Dataset):
    """The largest coins, polled in pages."""

    name: ClassVar[str] = ask.MARKETS
    description: ClassVar[str] = "A page of the largest coins, with their prices at one moment."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    arrivals: ClassVar[Sequence[Arrival]] = (
        ask.POLL.way,
        Dropped(ask.saved_page),
    )
    tables: ClassVar[Mapping[str, Schema]] = {"coin_snapshots": CoinSnapshots}
    rejects: ClassVar[Sequence[str]] = ("coin_snapshots",)
    counts: ClassVar[Sequence[str]] = ("coins",)
    max_age: ClassVar[Limits | None] = POLLED
    one_per_moment: ClassVar[bool] = True

    def validate(self, payload: Payload) -> Validation:
        """Check the container, and count. Raises InvalidPayload with the JSON path."""
        return read.page_validation(payload)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per coin."""
        return rows.page_batches(payloads)


class History(Dataset):
    """The vendor's own history of some coins, by day."""

    name: ClassVar[str] = ask.HISTORY
    description: ClassVar[str] = "What the vendor says of one coin's prices on one past day."
    calendar: ClassVar[Calendar] = UTC_CALENDAR
    arrivals: ClassVar[Sequence[Arrival]] = (
        ByDay(
            ask.history,
            ask.history_checkpoints,
            lambda settings: len(settings.history_coins),
            cron=ask.CRON,
            until=ask.history_until,
            recent=ask.RECENT_DAYS,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {"coin_history": CoinHistory}
    rejects: ClassVar[Sequence[str]] = ("coin_history",)
    counts: ClassVar[Sequence[str]] = ("points", "unknown_coins")
    warnings: ClassVar[type[HistoryManifest]] = HistoryManifest
    max_age: ClassVar[Limits | None] = NIGHTLY
    one_per_moment: ClassVar[bool] = True
    day_is_capture: ClassVar[bool] = False

    def validate(self, payload: Payload) -> Validation:
        """Check the container, and count. Raises InvalidPayload with the JSON path."""
        return read.history_validation(payload)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per point."""
        return rows.history_batches(payloads)


SOURCE = Source(
    name=ask.SOURCE,
    title="Prices of the largest cryptocurrencies",
    homepage="https://www.coingecko.com/",
    licence='under CoinGecko\'s API terms; free use names it: "Data provided by CoinGecko"',
    datasets=(Markets(), History()),
    settings=CryptoSettings,
    docs="https://docs.coingecko.com/reference/coins-markets",
    owner="team:market-data",
    rate_limit=ask.pace,
    auth=ask.key_of_plan,
    published=Published(
        table="fact_coin_prices",
        days="select distinct partition_date from core.coin_polls",
        newest="select max(polled_at) as newest from core.coin_polls",
    ),
    # Of each poll applications are told the newest; what was is told by the hours and days.
    serving=Serving(
        (
            *("dim_coins", "coin_prices_1h", "coin_prices_1d", "coin_risk_1d"),
            *("market_share_1d", "live_coin_board"),
        ),
        copies=("live_coin_board",),
    ),
    products="predictit_assets.sources.crypto.products",
)
