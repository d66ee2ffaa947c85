"""What must come out of requests, told by what their senders mean: a model of its own."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import NamedTuple

from predictit_assets.sources.clickstream.fake.requests import Request

DAY = 86_400_000
PAUSE = 1_800_000
BLANK = " \t\r\n"
NUMBER = re.compile(r"-?[0-9]{1,14}(\.[0-9]+)?")


@dataclass
class Expected:
    """Counts and sums, as the tables are to give them."""

    requests: int = 0
    """Of which at least one hit is kept, or copied."""
    hits: int = 0
    """Staged, copies included."""
    copies: int = 0
    sessions: int = 0
    purchases: int = 0
    """Transactions, each once."""
    revenue: dict[str, str] = field(default_factory=dict)
    """By currency."""
    rejected: dict[str, int] = field(default_factory=dict)
    """By reason."""

    def as_json(self) -> dict[str, object]:
        """For a file."""
        return asdict(self)


class _Purchase(NamedTuple):
    event_at: int
    order: int
    revenue: Decimal
    currency: str


def expected(received: Iterable[tuple[int, Request]]) -> Expected:
    """What must come out of requests, in the order in which they arrive, in milliseconds."""
    told = Expected()
    rejected: Counter[str] = Counter()
    arrivals: dict[object, list[int]] = defaultdict(list)
    events: dict[str, list[int]] = defaultdict(list)
    bought: dict[tuple[str, str], _Purchase] = {}
    for order, (at, request) in enumerate(received):
        for hit in request.meant:
            if hit.rejected:
                rejected[hit.rejected] += 1
        kept = [hit.values for hit in request.meant if not hit.rejected]
        told.requests += bool(kept)
        for values in kept:
            told.hits += 1
            client = values["cid"].strip(BLANK)
            before = arrivals[_identity(values)] if values.get("z", "").strip(BLANK) else []
            copy = any(at // DAY - 1 <= one // DAY <= at // DAY for one in before)
            before.append(at)
            if copy:
                told.copies += 1
                continue
            event_at = at - _queue(values)
            events[client].append(event_at)
            number = values.get("ti", "").strip(BLANK).upper()
            if values.get("pa", "").strip(BLANK).lower() == "purchase" and number:
                key = (values.get("tid", "").strip(BLANK), number)
                currency = values.get("cu", "").strip(BLANK).upper()
                one = _Purchase(event_at, order, _amount(values.get("tr", "")), currency)
                bought[key] = min(bought.get(key, one), one)
    told.sessions = sum(_sessions(times) for times in events.values())
    told.purchases = len(bought)
    revenue: dict[str, Decimal] = defaultdict(Decimal)
    for one in bought.values():
        revenue[one.currency] += one.revenue
    told.revenue = {currency: str(total) for currency, total in sorted(revenue.items())}
    told.rejected = dict(sorted(rejected.items()))
    return told


def _identity(values: Mapping[str, str]) -> object:
    return frozenset((key, value) for key, value in values.items() if key not in ("qt", "tm"))


def _queue(values: Mapping[str, str]) -> int:
    text = values.get("qt", "")
    return int(text) if re.fullmatch("[0-9]{1,15}", text) and int(text) <= DAY else 0


def _amount(text: str) -> Decimal:
    clean = text.strip(BLANK)
    return Decimal(clean) if NUMBER.fullmatch(clean) else Decimal()


def _sessions(times: list[int]) -> int:
    """How many sessions a client's hits make.

    A pause of 30 minutes begins one; so does a midnight, but only after a day without a pause.
    """
    ordered = sorted(times)
    starts = 0
    paused: dict[int, bool] = {}
    """By day with hits: whether one of them came after a pause."""
    for n, at in enumerate(ordered):
        day = at // DAY
        after_pause = n == 0 or at - ordered[n - 1] >= PAUSE
        first_of_day = day not in paused
        starts += after_pause or (first_of_day and paused.get(day - 1) is False)
        paused[day] = paused.get(day, False) or after_pause
    return starts
