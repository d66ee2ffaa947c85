"""Stocks: prices of every session, splits and ticker lists, as Polygon's API tells them."""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import pyarrow

from predictit_assets.contract.arrival import Arrival, ByDay, PerEntity
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import Payload, Validation
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.contract.source import (
    Auth,
    Dataset,
    Limits,
    Published,
    RateLimit,
    Serving,
    Source,
)
from predictit_assets.sources.stocks import ask, pending, rows
from predictit_assets.sources.stocks.api import same_but_for_the_request, tells_nothing
from predictit_assets.sources.stocks.ask import EASTERN
from predictit_assets.sources.stocks.schemas import (
    StockDays,
    StockListAnswers,
    StockOpenClose,
    StockSplitAnswers,
    StockSplits,
    StockTickers,
)
from predictit_assets.sources.stocks.settings import StocksSettings

SESSIONS = Limits(warn=timedelta(days=4, hours=14), fail=timedelta(days=6))
"""From a session to the next one it is four days at most, but for calamities."""
WEEKDAYS = Limits(warn=timedelta(days=3, hours=14), fail=timedelta(days=5))
"""Every evening from Monday to Friday an answer is kept, even one that holds nothing."""
LISTS = Limits(warn=timedelta(days=6), fail=timedelta(days=9))
"""Three sessions without a list; a long weekend may lie between."""
CALLS_OF_A_LIST = 12.0
"""Pages of a thousand tickers."""


class DailyBars(Dataset):
    """The prices of all stocks in a session: one call."""

    name: ClassVar[str] = ask.DAILY_BARS
    description: ClassVar[str] = "The prices of all stocks in one session, not adjusted for splits."
    calendar: ClassVar[Calendar] = EASTERN
    arrivals: ClassVar[Sequence[Arrival]] = (
        ByDay(
            ask.daily_bars,
            ask.bars_checkpoints,
            lambda _settings: 1.0,
            lambda settings: settings.max_calls,
            ask.CRON,
            holds=ask.holds_rows,
            advice=ask.ADVICE,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {"stock_days": StockDays}
    rejects: ClassVar[Sequence[str]] = ("stock_days",)
    counts: ClassVar[Sequence[str]] = ("bars",)
    max_age: ClassVar[Limits | None] = SESSIONS
    one_per_moment: ClassVar[bool] = True
    day_is_capture: ClassVar[bool] = False

    def validate(self, payload: Payload) -> Validation:
        """Check the container, and count. Raises InvalidPayload with the JSON path."""
        return rows.validation(rows.BARS, "bars", payload)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per bar."""
        return rows.batches(rows.BARS, payloads)

    def same_answer(self, before: bytes, after: bytes) -> bool:
        """Each answer has an id of its own."""
        return same_but_for_the_request(before, after)


class Splits(Dataset):
    """Splits, by the day of their execution."""

    name: ClassVar[str] = ask.SPLITS
    description: ClassVar[str] = "A page of the splits that are executed on one day."
    calendar: ClassVar[Calendar] = EASTERN
    arrivals: ClassVar[Sequence[Arrival]] = (
        ByDay(
            ask.splits,
            ask.splits_checkpoints,
            lambda _settings: 1.0,
            lambda settings: settings.max_calls,
            ask.CRON,
            holds=ask.holds_rows,
            advice=ask.ADVICE,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {
        "stock_splits": StockSplits,
        "stock_split_answers": StockSplitAnswers,
    }
    rejects: ClassVar[Sequence[str]] = ("stock_splits",)
    counts: ClassVar[Sequence[str]] = ("splits",)
    max_age: ClassVar[Limits | None] = WEEKDAYS
    one_per_moment: ClassVar[bool] = True
    day_is_capture: ClassVar[bool] = False

    def validate(self, payload: Payload) -> Validation:
        """Check the container, and count. Raises InvalidPayload with the JSON path."""
        return rows.validation(rows.SPLITS, "splits", payload)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per split, and one per answer."""
        return rows.batches(rows.SPLITS, payloads)

    def same_answer(self, before: bytes, after: bytes) -> bool:
        """Each answer has an id of its own."""
        return same_but_for_the_request(before, after)


class TickerLists(Dataset):
    """Which tickers were listed on a day."""

    name: ClassVar[str] = ask.TICKER_LISTS
    description: ClassVar[str] = "A page of the list of tickers of one day."
    calendar: ClassVar[Calendar] = EASTERN
    arrivals: ClassVar[Sequence[Arrival]] = (
        ByDay(
            ask.ticker_lists,
            ask.lists_checkpoints,
            lambda _settings: CALLS_OF_A_LIST,
            lambda settings: settings.max_calls,
            ask.CRON,
            holds=ask.holds_rows,
            until=ask.lists_until,
            advice=ask.ADVICE,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {
        "stock_tickers": StockTickers,
        "stock_list_answers": StockListAnswers,
    }
    rejects: ClassVar[Sequence[str]] = ("stock_tickers",)
    counts: ClassVar[Sequence[str]] = ("tickers",)
    max_age: ClassVar[Limits | None] = LISTS
    one_per_moment: ClassVar[bool] = True
    day_is_capture: ClassVar[bool] = False

    def validate(self, payload: Payload) -> Validation:
        """Check the container, and count. Raises InvalidPayload with the JSON path."""
        return rows.validation(rows.TICKERS, "tickers", payload)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per ticker, and one per answer."""
        return rows.batches(rows.TICKERS, payloads)

    def same_answer(self, before: bytes, after: bytes) -> bool:
        """Each answer has an id of its own."""
        return same_but_for_the_request(before, after)


class OpenClose(Dataset):
    """Opening and closing prices of what was traded, before and after the session too."""

    name: ClassVar[str] = ask.OPEN_CLOSE
    description: ClassVar[str] = "The prices of one ticker in one session, before and after it too."
    calendar: ClassVar[Calendar] = EASTERN
    arrivals: ClassVar[Sequence[Arrival]] = (
        PerEntity(
            pending.AFTER,
            pending.pending_prices,
            pending.open_close,
            lambda settings: settings.max_calls,
            pending.is_wanted,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {"stock_open_close": StockOpenClose}
    counts: ClassVar[Sequence[str]] = ("prices",)
    one_per_moment: ClassVar[bool] = True
    day_is_capture: ClassVar[bool] = False

    def is_there(self, settings: SourceSettings, on: Collection[str]) -> bool:
        """Where it is wanted, and somebody tells what is traded."""
        wanted: bool = settings.open_close  # type: ignore[attr-defined]
        return wanted and pending.AFTER[1] in on

    def validate(self, payload: Payload) -> Validation:
        """Check the answer. Raises InvalidPayload with the JSON path."""
        row, new_fields = rows.read_open_close(payload)
        return Validation({"prices": int(not row["is_missing"])}, new_fields)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per answer."""
        return rows.open_close_batches(payloads)

    def same_answer(self, before: bytes, after: bytes) -> bool:
        """Each answer has an id of its own. That there is nothing yet is dated by each answer."""
        return not tells_nothing(after) and same_but_for_the_request(before, after)


SOURCE = Source(
    name=ask.SOURCE,
    title="Prices, splits and tickers of US stocks",
    homepage="https://polygon.io/",
    licence="under Polygon's (Massive's) terms: for the subscriber's own use",
    datasets=(DailyBars(), Splits(), TickerLists(), OpenClose()),
    settings=StocksSettings,
    docs="https://polygon.io/docs/rest/stocks",
    rate_limit=lambda settings: RateLimit(settings.calls_a_minute, 60),
    auth=Auth("Authorization", "Bearer {}", refusal="API Key was not provided"),
    hosts=ask.HOSTS,
    max_age=SESSIONS,
    published=Published(
        table="fact_stock_days",
        # A day without a session is published, too.
        days="select partition_date from core.stock_answer_days",
        newest="select max(captured_at) as newest from core.fact_stock_days",
    ),
    # Bars stay in the warehouse.
    serving=Serving(("dim_tickers", "dim_exchange_days")),
    products="predictit_assets.sources.stocks.products",
)
