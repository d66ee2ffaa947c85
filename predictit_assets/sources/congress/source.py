"""Congress: trades that members of the US Congress disclose, as Benzinga's API tells them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import ClassVar

import pyarrow

from predictit_assets.contract.arrival import Arrival, ByDay
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import Payload, Validation
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.source import (
    Auth,
    Dataset,
    Limits,
    Published,
    RateLimit,
    Serving,
    Source,
)
from predictit_assets.sources.congress import rows
from predictit_assets.sources.congress.ask import CRON, EASTERN, TRADES, checkpoints, trades
from predictit_assets.sources.congress.ask import SOURCE as NAME
from predictit_assets.sources.congress.schemas import CongressAnswers, CongressTrades
from predictit_assets.sources.congress.settings import CongressSettings

DAILY = Limits(warn=timedelta(hours=26), fail=timedelta(hours=50))
"""Each evening asks about a new day, whose answer is kept even when it holds nothing."""
CALLS_A_DAY = 2.0
"""A page with rows, and the one without; a day without rows needs one."""


class Trades(Dataset):
    """What was reported on a day."""

    name: ClassVar[str] = TRADES
    description: ClassVar[str] = "A page of the trades that were reported on one day."
    calendar: ClassVar[Calendar] = EASTERN
    arrivals: ClassVar[Sequence[Arrival]] = (
        ByDay(
            trades,
            checkpoints,
            lambda _settings: CALLS_A_DAY,
            lambda settings: settings.max_calls,
            CRON,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {
        "congress_trades": CongressTrades,
        "congress_answers": CongressAnswers,
    }
    rejects: ClassVar[Sequence[str]] = ("congress_trades",)
    counts: ClassVar[Sequence[str]] = ("trades",)
    max_age: ClassVar[Limits | None] = DAILY
    one_per_moment: ClassVar[bool] = True
    day_is_capture: ClassVar[bool] = False

    def validate(self, payload: Payload) -> Validation:
        """Check the container, and count. Raises InvalidPayload with the JSON path."""
        page = rows.read(payload)
        return Validation({"trades": len(page.rows)}, page.new_fields, len(page.rejected))

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per record and one per answer, by payload and position."""
        return rows.batches(payloads)


SOURCE = Source(
    name=NAME,
    title="Trades that members of the US Congress disclose",
    homepage="https://www.benzinga.com/",
    licence="under Benzinga's terms; US law restricts commercial use of the reports themselves",
    datasets=(Trades(),),
    settings=CongressSettings,
    docs="https://docs.benzinga.com/",
    rate_limit=lambda settings: RateLimit(settings.calls_a_minute, 60),
    # The API knows no header for it.
    auth=Auth(parameter="token"),
    max_age=DAILY,
    products="predictit_assets.sources.congress.products",
    published=Published(
        table="fact_trades",
        # A day on which nothing was reported is published, too.
        days="select distinct partition_date from core.trade_listing_days",
        newest="select max(newest_answer_at) as newest from core.trade_listing_days",
    ),
    serving=Serving(("fact_trades", "dim_members", "dim_members_history", "marts")),
)
