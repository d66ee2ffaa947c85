"""Asking CoinGecko: the largest coins now, in pages, and the history of coins by day.

It imports little, since a poller outside Dagster imports it too.
"""

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from predictit_assets.contract.arrival import Asking, FileDrop, Polled, Refused
from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.contract.payload import (
    CAPTURE_TIME,
    InvalidPayload,
    Payload,
    parse_capture_time,
)
from predictit_assets.contract.source import Auth, OutsidePoll, RateLimit
from predictit_assets.errors import FetchError
from predictit_assets.sources.crypto import api, read
from predictit_assets.sources.crypto.settings import KEY_HEADERS, CryptoSettings

SOURCE = "crypto"
MARKETS, HISTORY = "markets", "history"
MARKETS_PATH = "/api/v3/coins/markets"
COINS_PATH = "/api/v3/coins"
RANGE_PATH = "market_chart/range"
PAGE_SIZE = 250
"""Coins of a page, the most that the API gives."""
MARKETS_PARAMS = {
    "vs_currency": "usd",
    "order": "market_cap_desc",
    "per_page": str(PAGE_SIZE),
    "sparkline": "false",
    "precision": "full",
}
DAY_SECONDS = 86_400
READY = timedelta(hours=1)
"""After the end of a day: from then on its history doesn't change."""
CRON = "10 2 * * *"
RECENT_DAYS = 7
REACH = timedelta(days=365)
"""So far back plans without a fee answer."""
MOST_IN_A_ROW = 3
"""Coins in a row that get no answer: then it is the API, and no more calls are made."""
NONE = (404,)
"""Statuses besides 200 that are answers: the API doesn't know the coin."""
PAUSE = 60.0
"""Seconds after a 429: the API counts by the minute."""
KEY_REFUSED = r'"error_code":\s*(10002|10005|10010|10011)\b'
"""No or a wrong key, one beyond the plan, one of the other host."""
FILE = re.compile(CAPTURE_TIME + r"(?:\.(?P<part>[^.]+?))?(?:-[0-9a-f]{64})?\.json")


def markets(asking: Asking) -> Iterator[Payload]:
    """The largest coins, now: one payload a page, all of one moment. Raises FetchError."""
    pages = asking.settings.pages
    now: datetime | None = None
    for page in range(1, pages + 1):
        answer = asking.client.get(MARKETS_PATH, {**MARKETS_PARAMS, "page": str(page)})
        # To the microsecond: polls that come right after each other keep different moments.
        now = now or datetime.now(UTC)
        yield Payload(UTC_CALENDAR.day_of(now), now, answer.body, f"p{page}of{pages}")
        # It has landed: raw tells what it says. Other pages would say no more.
        try:
            rows = api.rows_of(answer.body)
        except InvalidPayload as fault:
            text = f"{MARKETS_PATH}: page {page} can't be read: {fault}"
            raise FetchError(text, of_question=True) from None
        if not rows:
            return


def history_checkpoints(day: date, _outcome: str) -> list[datetime]:
    """The history of a day is final soon after its end."""
    return [UTC_CALENDAR.start_of(day + timedelta(days=1)) + READY]


def history_until(day: date) -> datetime:
    """From then on the plans without a fee don't answer about a day."""
    return UTC_CALENDAR.start_of(day) + REACH


def history(asking: Asking, day: date) -> Iterator[Payload]:
    """The history of each coin on a day that isn't held yet, one payload each.

    A coin that gets no sound answer costs the others nothing. Raises FetchError in the end.
    """
    start = int(UTC_CALENDAR.start_of(day).timestamp())
    params = {
        "vs_currency": "usd",
        "from": str(start),
        "to": str(start + DAY_SECONDS),
        "precision": "full",
    }
    held = asking.parts_held(day)
    faults: list[str] = []
    in_a_row = 0
    for coin in asking.settings.history_coins:
        if coin in held:
            continue
        path = f"{COINS_PATH}/{quote(coin, safe='')}/{RANGE_PATH}"
        try:
            answer = asking.client.get(path, params, NONE)
            yield Payload(day, datetime.now(UTC), answer.body, coin)
            api.history(answer.body)
        except FetchError as fault:
            # What isn't about the question is about all of them.
            in_a_row += 1
            if not fault.of_question or in_a_row == MOST_IN_A_ROW:
                raise
            faults.append(str(fault))
        except InvalidPayload as fault:
            faults.append(f"{path}: an answer can't be read: {fault}")
        else:
            in_a_row = 0
    if faults:
        more = f" (and {len(faults) - 1} coins more)" if len(faults) > 1 else ""
        raise FetchError(f"{faults[0]}{more}", of_question=True)


def saved_page(drop: FileDrop) -> Payload:
    """A saved page, such as 20260301T120000Z.p1of2.json; without a part it is the only one.

    Raises Refused.
    """
    at, named = parse_capture_time(drop.name), FILE.fullmatch(drop.name)
    if at is None or named is None:
        raise Refused("its name isn't a capture time and a page (YYYYMMDDTHHMMSSZ.p1of2.json)")
    part = named["part"] or api.ONLY_PAGE
    try:
        api.page_of(part)
    except InvalidPayload as fault:
        raise Refused(fault.reason) from None
    return Payload(UTC_CALENDAR.day_of(at), at, drop.body, part)


def key_of_plan(settings: Any) -> Auth | None:
    """The header of the plan; the public one shows no key."""
    header = KEY_HEADERS.get(settings.plan)
    return Auth(header, refusal=KEY_REFUSED) if header else None


def pace(settings: Any) -> RateLimit:
    """What the plan allows in a minute and in a month."""
    return RateLimit(
        settings.pace,
        60,
        a_month=settings.budget,
        for_polls=settings.calls_for_polls,
        pause=PAUSE,
        pages_refuse=True,
    )


POLL = OutsidePoll(
    source=SOURCE,
    dataset=MARKETS,
    calendar=UTC_CALENDAR,
    way=Polled(markets, lambda settings: settings.poll_interval),
    settings=CryptoSettings,
    rate_limit=pace,
    auth=key_of_plan,
    validate=read.page_validation,
)
"""What a poller outside Dagster has to know."""
