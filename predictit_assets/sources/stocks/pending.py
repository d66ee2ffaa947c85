"""Sessions of traded tickers whose opening and closing prices aren't known yet."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import quote

from predictit_assets.contract.arrival import Asking, Query
from predictit_assets.contract.payload import Payload
from predictit_assets.sources.stocks.ask import MORNING, NONE, moments
from predictit_assets.sources.stocks.rows import part_of
from predictit_assets.sources.stocks.sessions import session_of

AFTER = ("core", "congress", "fact_trades")
"""Who trades what is told by another source."""
PATH = "/v1/open-close"
DAYS = (1, 3, 7)
"""After the session, in the morning: what isn't there the first time may come days later."""
GIVEN_UP = 14
"""Days after the session: from then on what was missing isn't asked about any more."""
TRADED = """
select distinct trades.ticker, trades.transaction_date
from core.fact_trades as trades
where trades.security_kind = 'stock' and trades.ticker is not null
"""
ANSWERS = """
select answers.ticker, answers.partition_date, answers.captured_at, answers.is_missing
from staging.stock_open_close as answers
"""

Pair = tuple[str, str]
"""A ticker, and the session as YYYY-MM-DD."""


def pending_prices(query: Query) -> list[Pair]:
    """Tickers and sessions that are due, the newest sessions first."""
    return due_pairs(query(TRADED), query(ANSWERS), datetime.now(UTC))


def due_pairs(
    traded: list[tuple[Any, ...]], answers: list[tuple[Any, ...]], now: datetime
) -> list[Pair]:
    """Of tickers and the days on which they were traded: what is to be asked about now.

    A trade of a Saturday is one of the next session. What was missing is asked about again.
    """
    newest: dict[tuple[str, date], tuple[datetime, bool]] = {}
    for ticker, day, captured_at, is_missing in answers:
        told = captured_at.replace(tzinfo=UTC), is_missing
        newest[ticker, day] = max(newest.get((ticker, day), told), told)
    due = set()
    for ticker, day in {(ticker, session_of(day)) for ticker, day in traded}:
        passed = [at for at in moments(day, *((days, MORNING) for days in DAYS)) if at <= now]
        at, is_missing = newest.get((ticker, day), (None, True))
        is_late = now >= moments(day, (GIVEN_UP, MORNING))[0]
        if passed and is_missing and (at is None or (at < passed[-1] and not is_late)):
            due.add((ticker, str(day)))
    # Of a day in the order of the tickers.
    return sorted(sorted(due), key=lambda pair: pair[1], reverse=True)


def is_wanted(pair: Pair, settings: Any) -> bool:
    """Whether a session isn't before the first day."""
    return bool(date.fromisoformat(pair[1]) >= settings.start)


def open_close(asking: Asking, pair: Pair) -> Iterator[Payload]:
    """The prices of a ticker in a session; a 404 is an answer too. Raises FetchError."""
    ticker, day = pair
    # Adjusted prices change after each split.
    path = f"{PATH}/{quote(ticker, safe='')}/{day}"
    answer = asking.client.get(path, {"adjusted": "false"}, NONE)
    yield Payload(date.fromisoformat(day), datetime.now(UTC), answer.body, part_of(ticker))
