"""The made-up Benzinga itself: what its API would answer at any moment."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from predictit_assets.sample.clock import Clock
from predictit_assets.sample.fakes import Demo, Fetched
from predictit_assets.sample.faults import Fault, always, json_fault
from predictit_assets.sample.http import XML, Answer, Handler, Request, Route, json_answer
from predictit_assets.sources.congress.fake.records import Json, Record, ordinary
from predictit_assets.sources.congress.fake.traps import END, TRAPS

TOKEN = "made-up-token"  # noqa: S105  # of nobody
PATH = "/api/v1/gov/usa/congress/trades"
PAGE_SIZE, MAX_PAGE_SIZE = 50, 1000
MAX_DAYS = 31
"""Of one request: more than that nobody asks for, and it would take long."""
MOVE = timedelta(days=1)
"""The farthest that a record moves to another report day."""
PARAMETERS = {
    *("token", "date", "date_from", "date_to", "chamber", "pagesize", "page"),
    *("updated_since", "search_keys", "fields"),
}
CHAMBERS = {"House", "Senate"}
NUMBER = re.compile(r"[0-9]{1,12}")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def refusal(code: str, value: str, status: int) -> Answer:
    """The envelope of everything that goes wrong."""
    return json_answer({"ok": False, "errors": [{"code": code, "value": value}]}, status)


def _ignored_page(request: Request, handler: Handler) -> Answer:
    parts = urlsplit(request.path)
    query = urlencode({**request.query, "page": "0"})
    return handler(replace(request, path=f"{parts.path}?{query}"))


def _first(change: Any) -> Any:
    """Do something to the first record of an answer that has one."""

    def spoil(answer: Any) -> None:
        if isinstance(answer, dict) and answer.get("data"):
            change(answer["data"][0])

    return spoil


def _no_data(answer: Any) -> None:
    if isinstance(answer, dict):
        answer.pop("data", None)


class FakeCongress:
    """A made-up Benzinga whose answers depend on the time alone.

    Until the end of March 2024 it holds what `traps` says; later every day is an ordinary one.
    """

    name = "congress"
    faults: Sequence[Fault] = (
        Fault(
            "500-envelope",
            "Status 500 in the API's own words.",
            always(refusal("internal_server_error", "try again", 500)),
        ),
        Fault("ignored-page", "The first page, whichever was asked for.", _ignored_page),
        json_fault("no-data", "An envelope without data.", _no_data),
        json_fault("no-id", "A record without id.", _first(lambda one: one.pop("id"))),
        json_fault(
            "wrong-type", "An amount that is a number.", _first(lambda one: one.update(amount=1))
        ),
        json_fault(
            "new-field", "A record with a new field.", _first(lambda one: one.update(new=1))
        ),
    )
    defaults: Mapping[str, str] = {
        "PREDICTIT_CONGRESS_API_KEY": TOKEN,
        "PREDICTIT_CONGRESS_CALLS_A_MINUTE": "60000",
    }
    demo = Demo(ways=(Fetched(days=28),))

    def __init__(self, token: str = TOKEN) -> None:
        self._token = token

    def reported(self, day: date, at: datetime) -> list[Json]:
        """The records whose report day it is at a moment, in the order sent."""
        near = [day - MOVE, day]
        found = [one.at(at) for of in near for one in _records(of)]
        return [one for one in found if one and one["report_date"] == str(day)]

    def routes(self, clock: Clock) -> Sequence[Route]:
        """What is answered at the time that the clock shows."""
        return [Route("GET", PATH, lambda request: self._answer(request, clock()))]

    def environment(self, url: str) -> Mapping[str, str]:
        """What makes the pipeline ask this address."""
        return {"PREDICTIT_CONGRESS_API_URL": url}

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

    def _answer(self, request: Request, at: datetime) -> Answer:
        query = request.query
        if query.get("token") != self._token:
            return refusal("auth_failed", "the token is missing or wrong", 401)
        try:
            days, page, size = _asked(query)
        except ValueError as error:
            return refusal("bad_request", str(error), 400)
        if "application/json" not in request.header("Accept"):
            return Answer(b"<result/>", content_type=XML)
        found = [one for day in days for one in self.reported(day, at)]
        if chamber := query.get("chamber"):
            found = [one for one in found if one["chamber"] == chamber]
        if since := query.get("updated_since"):
            found = sorted(
                (one for one in found if one["updated"] >= int(since)),
                key=lambda one: one["updated"],
            )
        some = found[page * size : (page + 1) * size]
        if some:
            return json_answer({"data": some})
        # Both mean the same, and both are sent.
        if page == 0 and days[0].toordinal() % 2:
            return refusal("no_data_found", "no data found for the query", 404)
        return json_answer([])


@lru_cache(maxsize=64)
def _records(day: date) -> Sequence[Record]:
    if day < END:
        return tuple(TRAPS[day](day)) if day in TRAPS else ()
    return tuple(ordinary(day))


def _asked(query: Mapping[str, str]) -> tuple[list[date], int, int]:
    """The days, the page and its size. Raises ValueError."""
    if unknown := query.keys() - PARAMETERS:
        raise ValueError(f"unknown parameters: {', '.join(sorted(unknown))}")
    numbers = {
        "page": query.get("page", "0"),
        "pagesize": query.get("pagesize", str(PAGE_SIZE)),
        "updated_since": query.get("updated_since", "0"),
    }
    for name, text in numbers.items():
        if not NUMBER.fullmatch(text):
            raise ValueError(f"{name} is no number")
    page, size = int(numbers["page"]), int(numbers["pagesize"])
    if not 1 <= size <= MAX_PAGE_SIZE:
        raise ValueError(f"pagesize is 1 to {MAX_PAGE_SIZE}")
    if query.get("chamber", "House") not in CHAMBERS:
        raise ValueError("chamber is House or Senate")
    first = query.get("date") or query.get("date_from", "")
    last = query.get("date") or query.get("date_to", "")
    if not (DAY.fullmatch(first) and DAY.fullmatch(last)):
        raise ValueError("date, or date_from and date_to, are YYYY-MM-DD")
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    if not 0 <= (end - start).days < MAX_DAYS:
        raise ValueError(f"a request is about 1 to {MAX_DAYS} days")
    return [start + timedelta(days=n) for n in range((end - start).days + 1)], page, size
