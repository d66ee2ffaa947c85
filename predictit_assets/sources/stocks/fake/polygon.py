"""The made-up Polygon itself: what its API would answer at any moment."""

import base64
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode

from predictit_assets.sample.clock import Clock
from predictit_assets.sample.fakes import Demo, Fetched
from predictit_assets.sample.faults import Fault, always, json_fault
from predictit_assets.sample.http import Answer, Request, Route, json_answer
from predictit_assets.sources.stocks.ask import BARS_PATH, EASTERN, SPLITS_PATH, TICKERS_PATH
from predictit_assets.sources.stocks.fake import traps
from predictit_assets.sources.stocks.fake.companies import (
    BY_TICKER,
    COMPANIES,
    Json,
    bar,
    listing,
    made_up,
    small_split,
    splits_before,
)
from predictit_assets.sources.stocks.sessions import is_session

KEY = "made-up-key"
OPEN_CLOSE_PATH = "/v1/open-close"
READY = time(20)
"""Eastern, when the prices of a session are there."""
MOST_RECORDS = 1000
"""Of a page that may be asked for."""
PAGE_SIZE = 10
"""Records that a page has at most, so that a short list has pages."""
MINUTE = 60.0
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PARAMETERS: Mapping[str, set[str]] = {
    BARS_PATH: {"adjusted", "include_otc"},
    OPEN_CLOSE_PATH: {"adjusted"},
    TICKERS_PATH: {"market", "active", "limit", "sort", "order", "date", "cursor"},
    SPLITS_PATH: {"execution_date", "limit", "cursor"},
}
FLAGS = {"true", "false"}
Endpoint = Callable[[Request, datetime], Answer]


class Refusal(Exception):
    """A request that isn't answered, and what is said instead."""

    def __init__(self, status: int, word: str, text: str) -> None:
        self.status, self.word, self.text = status, word, text
        super().__init__(text)


def _first(change: Callable[[Json], object]) -> Callable[[Any], None]:
    """Do something to the first record of an answer that has one."""

    def spoil(answer: Any) -> None:
        if isinstance(answer, dict) and answer.get("results"):
            change(answer["results"][0])

    return spoil


def _no_results(answer: Any) -> None:
    if isinstance(answer, dict):
        answer.pop("results", None)


def _adjusted(answer: Any) -> None:
    if isinstance(answer, dict):
        answer["adjusted"] = True


class FakeStocks:
    """A made-up Polygon whose answers depend on the time alone, but for their ids.

    What is odd happens on the days that `traps` names; all others are ordinary.
    """

    name = "stocks"
    faults: Sequence[Fault] = (
        Fault(
            "400-no-key",
            "Status 400, as if no key had come.",
            always(json_answer({"status": "ERROR", "error": "API Key was not provided"}, 400)),
        ),
        json_fault("no-results", "An envelope without results.", _no_results),
        json_fault("adjusted", "Prices that are said to be adjusted.", _adjusted),
        json_fault(
            "wrong-type", "A record whose keys are texts.", _first(lambda one: one.update(o="1"))
        ),
        json_fault(
            "new-field", "A record with a new field.", _first(lambda one: one.update(new=1))
        ),
    )
    defaults: Mapping[str, str] = {
        "PREDICTIT_STOCKS_API_KEY": KEY,
        "PREDICTIT_STOCKS_CALLS_A_MINUTE": "60000",
    }
    demo = Demo(ways=(Fetched(days=28),))

    def __init__(
        self, key: str = KEY, plan: timedelta | None = None, calls_a_minute: int | None = None
    ) -> None:
        """`plan` is how far back days are answered; None: all of them, and any number of calls."""
        self._key = key
        self._plan = plan
        self._calls_a_minute = calls_a_minute
        self._calls: deque[float] = deque()
        self._numbers = count()

    def routes(self, clock: Clock) -> Sequence[Route]:
        """What is answered at the time that the clock shows."""
        endpoints: Mapping[str, Endpoint] = {
            f"{BARS_PATH}/(?P<day>[^/]+)": self._bars,
            f"{OPEN_CLOSE_PATH}/(?P<ticker>[^/]+)/(?P<day>[^/]+)": self._open_close,
            TICKERS_PATH: self._tickers,
            SPLITS_PATH: self._splits,
        }

        def answer(endpoint: Endpoint, request: Request) -> Answer:
            try:
                self._admit(request)
                return endpoint(request, clock())
            except Refusal as refusal:
                said = {"error" if refusal.word == "ERROR" else "message": refusal.text}
                return json_answer(self._envelope(refusal.word) | said, refusal.status)

        return [
            Route("GET", pattern, partial(answer, endpoint))
            for pattern, endpoint in endpoints.items()
        ]

    def environment(self, url: str) -> Mapping[str, str]:
        """What makes the pipeline ask this address."""
        return {"PREDICTIT_STOCKS_API_URL": url}

    def archive(
        self,
        folder: Path,
        start: datetime,  # noqa: ARG002  # nobody drops files of it
        end: datetime,  # noqa: ARG002
        every: timedelta,  # noqa: ARG002
    ) -> Iterator[Path]:
        """Nothing: the API is asked about past days."""
        folder.mkdir(parents=True, exist_ok=True)
        yield from ()

    def _envelope(self, status: str = "OK") -> Json:
        return {"status": status, "request_id": made_up(32, next(self._numbers))}

    def _admit(self, request: Request) -> None:
        if request.header("Authorization") != f"Bearer {self._key}":
            raise Refusal(401, "ERROR", "Unknown API Key")
        if self._calls_a_minute is None:
            return
        while self._calls and self._calls[0] <= request.monotonic - MINUTE:
            self._calls.popleft()
        if len(self._calls) >= self._calls_a_minute:
            raise Refusal(429, "ERROR", "You've exceeded the maximum requests per minute")
        self._calls.append(request.monotonic)

    def _day(self, text: str, at: datetime) -> date:
        """A day that the plan holds. Raises Refusal."""
        try:
            day = date.fromisoformat(text) if DAY.fullmatch(text) else None
        except ValueError:
            day = None
        today = EASTERN.day_of(at)
        if day is None or day > today or (self._plan and day < today - self._plan):
            text = "Your plan doesn't include this data timeframe"
            raise Refusal(403, "NOT_AUTHORIZED", text)
        return day

    def _bars(self, request: Request, at: datetime) -> Answer:
        query = _checked(request, BARS_PATH)
        day = self._day(request.parts["day"], at)
        if day == traps.REFUSED and at < traps.ALLOWED_FROM:
            raise Refusal(403, "NOT_AUTHORIZED", "Attempted to request today's data")
        adjusted = query.get("adjusted", "true") == "true"
        counts: Json = {"queryCount": 0, "resultsCount": 0, "adjusted": adjusted}
        if not _is_ready(day, at) or (day == traps.EMPTY and at < traps.NULL_FROM):
            return json_answer(self._envelope() | counts)
        if day == traps.EMPTY and at < traps.BARS_FROM:
            return json_answer(self._envelope() | counts | {"results": None})
        with_otc = query.get("include_otc", "false") == "true"
        companies = [one for one in COMPANIES if with_otc or not one.is_otc]
        found = traps.bars(day, at, [bar(one, day) for one in companies])
        if adjusted:
            found = [_adjust(one, day, EASTERN.day_of(at)) for one in found]
        number = len(found)
        counts |= {"queryCount": number, "resultsCount": number, "count": number}
        envelope = self._envelope("DELAYED" if day == traps.DELAYED else "OK")
        return Answer(traps.as_text(day, envelope | counts | {"results": found}))

    def _open_close(self, request: Request, at: datetime) -> Answer:
        _checked(request, OPEN_CLOSE_PATH)
        day = self._day(request.parts["day"], at)
        company = BY_TICKER.get(unquote(request.parts["ticker"]))
        late = day == traps.NOT_YET and at < traps.PRICES_FROM
        if company is None or late or not _is_ready(day, at):
            raise Refusal(404, "NOT_FOUND", "Data not found.")
        prices = bar(company, day)
        names = {"open": "o", "high": "h", "low": "l", "close": "c", "volume": "v"}
        said = {
            "from": str(day),
            "symbol": company.ticker,
            **{name: prices[key] for name, key in names.items()},
            "afterHours": prices["c"],
            "preMarket": prices["o"],
        }
        otc = {"otc": True} if company.is_otc else {}
        return json_answer(self._envelope() | said | otc)

    def _tickers(self, request: Request, at: datetime) -> Answer:
        query = _checked(request, TICKERS_PATH)
        page, asked = _page(query)
        day = self._day(asked.get("date", str(EASTERN.day_of(at))), at)
        companies = traps.listed(day, [one for one in COMPANIES if not one.is_otc])
        # The order of bytes: capitals come first.
        records = [listing(one, day) for one in sorted(companies)]
        if day == traps.BAD_CURSOR and page == 2 and at < traps.CURSOR_FROM:
            raise Refusal(400, "ERROR", 'strconv.ParseFloat: parsing "ZB": invalid syntax')
        if day == traps.CUT:
            records = records[: PAGE_SIZE * traps.PAGES_OF_CUT]
        base = "https://api.massive.com"
        if day == traps.FOREIGN and at < traps.FOREIGN_UNTIL:
            base = "https://tickers.example.org"
        if day == traps.DOUBLED_PORT:
            base = "https://api.polygon.io:443:443"
        return self._records(records, page, asked, f"{base}{TICKERS_PATH}", count=True)

    def _splits(self, request: Request, at: datetime) -> Answer:
        query = _checked(request, SPLITS_PATH)
        page, asked = _page(query)
        # Unlike prices, what is to come is told too.
        text = asked.get("execution_date", "")
        if not DAY.fullmatch(text):
            raise Refusal(400, "ERROR", "execution_date is YYYY-MM-DD")
        day = date.fromisoformat(text)
        records = traps.splits(day, at)
        small = small_split(day.year, day.month)
        if small.day == day:
            records.append(small.json)
        return self._records(records, page, asked, f"https://api.polygon.io{SPLITS_PATH}")

    def _records(
        self,
        records: Sequence[Json],
        page: int,
        asked: Mapping[str, str],
        url: str,
        *,
        count: bool = False,
    ) -> Answer:
        """A page, and the link to the next one if there is more."""
        size = min(int(asked["limit"]), PAGE_SIZE)
        some = records[page * size : (page + 1) * size]
        answer = self._envelope() | {"results": some}
        if count:
            answer["count"] = len(some)
        if (page + 1) * size < len(records):
            answer["next_url"] = f"{url}?{urlencode({'cursor': _cursor(page + 1, asked)})}"
        return json_answer(answer)


def _checked(request: Request, path: str) -> Mapping[str, str]:
    """The parameters of a request. Raises Refusal."""
    query = request.query
    if unknown := query.keys() - PARAMETERS[path]:
        raise Refusal(400, "ERROR", f"unknown parameters: {', '.join(sorted(unknown))}")
    for name in query.keys() & {"adjusted", "include_otc", "active"}:
        if query[name] not in FLAGS:
            raise Refusal(400, "ERROR", f"{name} is true or false")
    limit = query.get("limit", "100")
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST_RECORDS:
        raise Refusal(400, "ERROR", f"limit is 1 to {MOST_RECORDS}")
    return query


def _cursor(page: int, asked: Mapping[str, str]) -> str:
    return base64.urlsafe_b64encode(urlencode({**asked, "page": page}).encode()).decode()


def _page(query: Mapping[str, str]) -> tuple[int, Mapping[str, str]]:
    """The page, and what was asked for on the first one. Raises Refusal."""
    if "cursor" not in query:
        return 0, {"limit": "100", **query}
    try:
        asked = dict(parse_qsl(base64.urlsafe_b64decode(query["cursor"]).decode()))
        return int(asked.pop("page")), asked
    except (ValueError, KeyError):
        raise Refusal(400, "ERROR", "the cursor is invalid") from None


def _is_ready(day: date, at: datetime) -> bool:
    return is_session(day) and at >= EASTERN.to_utc(datetime.combine(day, READY))


def _adjust(prices: Json, day: date, today: date) -> Json:
    """Prices as if the splits between had been before."""
    company = BY_TICKER.get(prices["T"])
    if company is None:
        return prices
    factor = 1.0
    for split in splits_before(company, today):
        if split.day > day:
            factor *= split.split_from / split.split_to
    return prices | {key: round(prices[key] * factor, 4) for key in ("o", "h", "l", "c")}
