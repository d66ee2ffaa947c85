"""The made-up CoinGecko itself: what its API would answer at any moment."""

import json
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from predictit_assets.sample.clock import Clock
from predictit_assets.sample.fakes import Demo, Fetched, Imported, moments
from predictit_assets.sample.faults import Fault, always, json_fault
from predictit_assets.sample.http import HTML, Answer, Request, Route, json_answer
from predictit_assets.sources.crypto.ask import (
    COINS_PATH,
    MARKETS_PARAMS,
    MARKETS_PATH,
    RANGE_PATH,
    REACH,
)
from predictit_assets.sources.crypto.fake import traps
from predictit_assets.sources.crypto.fake.expected import Expected
from predictit_assets.sources.crypto.fake.world import World, as_text
from predictit_assets.sources.crypto.settings import KEY_HEADERS, Plan

MINUTE = 60.0
MOST_A_PAGE = 250
DEMO_COINS = 60
"""Of the largest coins, those that an archive holds: its polls needn't be large."""
NO_KEY, NOT_IN_PLAN, PRO_KEY_NEEDED, DEMO_KEY_NEEDED, TOO_OLD = 10002, 10005, 10010, 10011, 10012
BAN = "<!DOCTYPE html><html><title>Access denied</title>Error 1020</html>"
PARAMETERS: Mapping[str, set[str]] = {
    MARKETS_PATH: {*MARKETS_PARAMS, "page"},
    COINS_PATH: {"vs_currency", "from", "to", "precision"},
}
Endpoint = Callable[[Request, datetime], Answer]


class Refusal(Exception):
    """A request that isn't answered, and what is said instead."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer
        super().__init__()


def status_answer(code: int, status: int, nested: bool = False, retry_after: str = "") -> Answer:
    """An error in one of the API's two shapes."""
    said: dict[str, Any] = {
        "status": {
            "timestamp": "2026-03-01T00:00:00.000+00:00",
            "error_code": code,
            "error_message": "You can't do this. Please see the made-up documentation.",
        }
    }
    answer = json_answer({"error": said} if nested else said, status)
    headers = {"Retry-After": retry_after} if retry_after else {}
    return Answer(answer.body, answer.status, headers=headers)


def _rows_changed(change: Callable[[list[Any]], list[Any]]) -> Callable[..., Answer]:
    """The page of the right answer, after something was done to its rows."""

    def answer(request: Request, handler: Callable[[Request], Answer]) -> Answer:
        right = handler(request)
        rows = json.loads(right.body)
        return Answer(as_text(change(rows))) if isinstance(rows, list) else right

    return answer


def _null_arrays(value: Any) -> None:
    if isinstance(value, dict):
        value.update(dict.fromkeys(value))


class FakeCrypto:
    """A made-up CoinGecko whose answers depend on seed and time alone.

    What is odd happens at the times that `traps` names, to some coins always, or on demand.
    """

    name = "crypto"
    faults: Sequence[Fault] = (
        Fault("status-200", "A status object with 200.", always(status_answer(429, 200))),
        Fault("429-status", "429 in the API's shape.", always(status_answer(429, 429))),
        Fault(
            "429-soon",
            "429 in the API's shape, come back in a second.",
            always(status_answer(429, 429, retry_after="1")),
        ),
        Fault("html-429", "An HTML page, status 429.", always(Answer(BAN.encode(), 429, HTML))),
        *(
            Fault(
                f"{status}-{code}{'-nested' * nested}",
                f"Status {status}, error code {code}.",
                always(status_answer(code, status, nested)),
            )
            for code in (NO_KEY, NOT_IN_PLAN, PRO_KEY_NEEDED, DEMO_KEY_NEEDED)
            for status in (401, 403)
            for nested in (False, True)
        ),
        Fault("odd-rows", "A page with rows that can't be loaded.", _rows_changed(traps.odd_rows)),
        Fault("zeros", "A page whose numbers are 0.", _rows_changed(traps.zeros)),
        Fault("coarse", "Whole seconds and one decimal.", _rows_changed(traps.coarse)),
        Fault("no-coins", "A page without coins.", always(Answer(b"[]"))),
        json_fault("null-arrays", "A history whose arrays are null.", _null_arrays),
    )
    defaults: Mapping[str, str] = {
        "PREDICTIT_CRYPTO_CALLS_A_MINUTE": "60000",
        # As often as its archives have a poll, by default.
        "PREDICTIT_CRYPTO_POLL_INTERVAL": "900",
    }
    demo = Demo(ways=(Imported(days=3), Fetched(days=3)))

    def __init__(
        self,
        plan: Plan = Plan.PUBLIC,
        key: str = "",
        calls_a_minute: int | None = None,
        seed: int = 7,
    ) -> None:
        """`calls_a_minute`: None answers any number of calls."""
        self.world = World(seed)
        self._plan = plan
        self._key = key
        self._calls_a_minute = calls_a_minute
        self._calls: deque[float] = deque()

    def routes(self, clock: Clock) -> Sequence[Route]:
        """What is answered at the time that the clock shows."""
        endpoints: Mapping[str, Endpoint] = {
            MARKETS_PATH: self._markets,
            f"{COINS_PATH}/(?P<coin>[^/]+)/{RANGE_PATH}": self._history,
        }

        def answer(endpoint: Endpoint, request: Request) -> Answer:
            try:
                self._admit(request)
                return endpoint(request, clock())
            except Refusal as refusal:
                return refusal.answer

        return [Route("GET", path, partial(answer, one)) for path, one in endpoints.items()]

    def environment(self, url: str) -> Mapping[str, str]:
        """What makes the pipeline ask this address."""
        return {"PREDICTIT_CRYPTO_API_URL": url}

    def archive(
        self, folder: Path, start: datetime, end: datetime, every: timedelta
    ) -> Iterator[Path]:
        """Write polls of one page, named by their capture time.

        At last a list of what must come out of them, which isn't imported: see `expected`.
        """
        folder.mkdir(parents=True, exist_ok=True)
        outcome = Expected()
        for at in moments(start, end, every):
            file = folder / f"{at:%Y%m%dT%H%M%SZ}.p1of1.json"
            rows = self.rows(at, 1, DEMO_COINS)
            outcome.add(at, rows)
            file.write_bytes(as_text(rows))
            yield file
        outcome.write(folder)

    def page(self, at: datetime, page: int = 1, per_page: int = MOST_A_PAGE) -> bytes:
        """A page of a moment."""
        return as_text(self.rows(at, page, per_page))

    def rows(self, at: datetime, page: int = 1, per_page: int = MOST_A_PAGE) -> list[Any]:
        """The rows of a page of a moment, with what is odd of them."""
        first = (page - 1) * per_page
        listed = self.world.listed(at)[first : first + per_page]
        rows = [self.world.row(coin, rank, at) for rank, coin in enumerate(listed, first + 1)]
        return traps.page(rows, at)

    def _admit(self, request: Request) -> None:
        nested = request.path.partition("?")[0] != MARKETS_PATH
        if any(name.startswith("x_cg") for name in request.query):
            raise Refusal(status_answer(NO_KEY, 401, nested))
        for plan, header in KEY_HEADERS.items():
            shown = request.header(header)
            if plan is self._plan and shown != self._key:
                raise Refusal(status_answer(NO_KEY, 401, nested))
            if plan is not self._plan and shown:
                code = PRO_KEY_NEEDED if self._plan is Plan.PRO else DEMO_KEY_NEEDED
                raise Refusal(status_answer(code, 401, nested))
        if self._calls_a_minute is None:
            return
        while self._calls and self._calls[0] <= request.monotonic - MINUTE:
            self._calls.popleft()
        if len(self._calls) >= self._calls_a_minute:
            raise Refusal(status_answer(429, 429))
        self._calls.append(request.monotonic)

    def _markets(self, request: Request, at: datetime) -> Answer:
        query = _checked(request, MARKETS_PATH)
        try:
            page, per_page = int(query.get("page", "1")), int(query.get("per_page", "100"))
        except ValueError:
            raise Refusal(_wrong("invalid page")) from None
        if query.get("vs_currency") != "usd" or page < 1 or not 1 <= per_page <= MOST_A_PAGE:
            raise Refusal(_wrong("invalid vs_currency or page"))
        return Answer(self.page(at, page, per_page))

    def _history(self, request: Request, at: datetime) -> Answer:
        query = _checked(request, COINS_PATH)
        try:
            start, end = (datetime.fromtimestamp(int(query[name]), UTC) for name in ("from", "to"))
        except (KeyError, ValueError, OverflowError):
            raise Refusal(_wrong("invalid from or to")) from None
        coin = self.world.by_id.get(unquote(request.parts["coin"]))
        if coin is None:
            raise Refusal(_wrong("coin not found", 404))
        if self._plan is not Plan.PRO and start < at - REACH:
            raise Refusal(status_answer(TOO_OLD, 401, nested=True))
        if start.date() == traps.NULL_ARRAYS and at < traps.NULL_UNTIL:
            return json_answer({"prices": None, "market_caps": None, "total_volumes": None})
        return json_answer(self.world.history(coin, self.world.points(coin, start, end, at)))


def _wrong(text: str, status: int = 422) -> Answer:
    return json_answer({"error": text}, status)


def _checked(request: Request, path: str) -> dict[str, str]:
    """The parameters of a request. Raises Refusal for one that nobody knows."""
    query = request.query
    if unknown := query.keys() - PARAMETERS[path]:
        raise Refusal(_wrong(f"unknown parameter {min(unknown)}"))
    return query
