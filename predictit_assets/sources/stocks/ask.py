"""Asking Polygon about days: which moments, and which pages."""

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta

from predictit_assets.contract.arrival import ANSWERED, NOTHING, REFUSED, Answer, Asking
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.errors import FetchError
from predictit_assets.fetch.pages import linked_pages
from predictit_assets.sources.stocks.api import answered
from predictit_assets.sources.stocks.schemas import AnswerKind
from predictit_assets.sources.stocks.sessions import ends_its_week, is_session, is_weekday

SOURCE = "stocks"
DAILY_BARS, SPLITS, TICKER_LISTS = "daily_bars", "splits", "ticker_lists"
OPEN_CLOSE = "open_close"
EASTERN = Calendar("America/New_York")
HOSTS = ("api.polygon.io", "api.massive.com")
"""The vendor has two names: a link to the next page may have the other one."""
BARS_PATH = "/v2/aggs/grouped/locale/us/market/stocks"
SPLITS_PATH = "/v3/reference/splits"
TICKERS_PATH = "/v3/reference/tickers"
PAGE_SIZE = 1000
"""The most that the API gives."""
NONE = (404,)
"""Statuses besides 200 that are answers: it has nothing, perhaps only yet."""
MORNING, EVENING = time(9), time(20, 30)
CRON = ("35 20 * * *", "5 9 * * *")
"""Five minutes after the checkpoints: by then what the API makes at them is there."""
LIST_DAYS = 7
"""So long the list of each session is asked about; of older weeks the last one will do."""
ADVICE = "a day beyond the plan: set PREDICTIT_STOCKS_START"

Checkpoint = tuple[int, time]
"""Days after the day, and an Eastern time."""


def moments(day: date, *checkpoints: Checkpoint) -> list[datetime]:
    """Checkpoints of a day in UTC."""
    return [EASTERN.to_utc(datetime.combine(day + timedelta(days=n), at)) for n, at in checkpoints]


def bars_checkpoints(day: date, outcome: str) -> list[datetime]:
    """After which moments the prices of a session may have changed, or come at last."""
    if not is_session(day):
        return []
    # No rows are never a session's answer.
    again = (2, 3, 7) if outcome in {NOTHING, REFUSED} else ()
    return moments(day, (0, EVENING), (1, MORNING), *((days, MORNING) for days in again))


def splits_checkpoints(day: date, _outcome: str) -> list[datetime]:
    """Splits are told up to two months late, and some are taken back."""
    if not is_weekday(day):
        return []
    return moments(day, (0, EVENING), *((days, MORNING) for days in (1, 7, 30, 90)))


def lists_checkpoints(day: date, outcome: str) -> list[datetime]:
    """The list of a session is asked until it is there; then it doesn't change."""
    if not is_session(day):
        return []
    again = () if outcome == ANSWERED else (1, 2)
    return moments(day, (0, EVENING), *((days, MORNING) for days in again))


def lists_until(day: date) -> datetime | None:
    """Older lists are asked once a week: each takes a dozen calls."""
    if ends_its_week(day):
        return None
    return EASTERN.start_of(day + timedelta(days=LIST_DAYS + 1))


def holds_rows(payload: Payload) -> bool:
    """Whether an answer has rows, sound or not."""
    try:
        return answered(payload.read()).kind is AnswerKind.ROWS
    except InvalidPayload:
        return False


def daily_bars(asking: Asking, day: date) -> Iterator[Payload]:
    """The prices of all stocks in a session, one payload. Raises FetchError."""
    path = f"{BARS_PATH}/{day}"
    # Adjusted prices change after each split.
    answer = asking.client.get(path, {"adjusted": "false", "include_otc": "true"}, NONE)
    yield Payload(day, datetime.now(UTC), answer.body)
    _readable(path)(answer)


def splits(asking: Asking, day: date) -> Iterator[Payload]:
    """The pages of the splits that are executed on a day. Raises FetchError."""
    params = {"execution_date": str(day), "limit": str(PAGE_SIZE)}
    yield from _pages(asking, day, SPLITS_PATH, params)


def ticker_lists(asking: Asking, day: date) -> Iterator[Payload]:
    """The pages of the list of tickers of a day. Raises FetchError."""
    params = {
        "market": "stocks",
        "active": "true",
        "limit": str(PAGE_SIZE),
        "sort": "ticker",
        "order": "asc",
        "date": str(day),
    }
    yield from _pages(asking, day, TICKERS_PATH, params)


def _pages(asking: Asking, day: date, path: str, params: dict[str, str]) -> Iterator[Payload]:
    pages = linked_pages(asking.client, path, params, _readable(path), NONE)
    for number, answer in enumerate(pages):
        # To the microsecond: pages that come right after each other keep different moments.
        yield Payload(day, datetime.now(UTC), answer.body, f"p{number}")


def _readable(path: str) -> Callable[[Answer], str]:
    """The link to the next page. What can't be read is landed already: raw tells why."""

    def next_link(answer: Answer) -> str:
        try:
            return answered(answer.body).next_url
        except InvalidPayload as fault:
            text = f"{path}: an answer can't be read: {fault}"
            raise FetchError(text, of_question=True) from None

    return next_link
