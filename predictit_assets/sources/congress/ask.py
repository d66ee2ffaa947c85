"""Asking Benzinga about report days: which moments, and which pages."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta

from predictit_assets.contract.arrival import Answer, Asking
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.errors import FetchError
from predictit_assets.fetch.pages import numbered_pages
from predictit_assets.sources.congress.api import answered

SOURCE = "congress"
TRADES = "trades"
EASTERN = Calendar("America/New_York")
PATH = "/api/v1/gov/usa/congress/trades"
PAGE_SIZE = 1000
"""The most that the API gives."""
MORNING, NOON, EVENING = time(9, 30), time(12, 30), time(18, 30)
CRON = "30 9,12,18 * * *"
"""At each of the three a run asks about all due days."""
CHECKPOINTS = (
    (0, EVENING),
    (1, MORNING),
    (1, NOON),
    (1, EVENING),
    *((days, MORNING) for days in (2, 3, 4, 5, 6, 7, 14, 30, 60, 120, 400)),
)
"""Days after the report day, and Eastern times: a record appears on the morning after, and changes
for months."""


def checkpoints(day: date, _outcome: str) -> list[datetime]:
    """After which moments (UTC) the answer about a report day may have changed."""
    return [
        EASTERN.to_utc(datetime.combine(day + timedelta(days=days), at)) for days, at in CHECKPOINTS
    ]


def trades(asking: Asking, day: date) -> Iterator[Payload]:
    """The pages of a report day up to and with the first without rows, one payload each.

    The last one is kept too: without it nothing would tell that a page lost its rows. Raises
    FetchError.
    """
    pages = numbered_pages(
        asking.client,
        PATH,
        {"date": str(day), "pagesize": str(PAGE_SIZE)},
        lambda page: {"page": str(page)},
        _is_last,
        none=(404,),
    )
    for number, answer in enumerate(pages):
        # To the microsecond: pages that come right after each other keep different moments.
        yield Payload(day, datetime.now(UTC), answer.body, f"p{number}")


def _is_last(answer: Answer) -> bool:
    """Whether a page has no rows. It is landed already: raw tells why it can't be read."""
    try:
        return not answered(answer.body).records
    except InvalidPayload as fault:
        raise FetchError(f"{PATH}: a page can't be read: {fault}", of_question=True) from None
