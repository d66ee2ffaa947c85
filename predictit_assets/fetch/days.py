"""Asking an API about days: which are due, within a budget of calls, each answer landed at once."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Protocol

from predictit_assets.contract.arrival import (
    ANSWERED,
    FAILED,
    NOTHING,
    REFUSED,
    Asking,
    ByDay,
)
from predictit_assets.contract.payload import Payload
from predictit_assets.errors import FetchError
from predictit_assets.fetch.client import CallsSpent, RequestRefused
from predictit_assets.fetch.rate_limit import MonthSpent


class Note(Protocol):
    """What is known of a day's last asking."""

    @property
    def at(self) -> datetime:
        """When it began."""
        ...

    @property
    def outcome(self) -> str:
        """What came of it."""
        ...


MAX_FAILURES = 3
"""Questions in a row that fail: then it is the API that does, and not the question."""


@dataclass
class DaysAsked:
    """What an asking of days came to."""

    asked: list[date] = field(default_factory=list)
    refused: dict[date, str] = field(default_factory=dict)
    """Days that the API refuses to answer, and what it said."""
    failed: dict[date, str] = field(default_factory=dict)
    """Days that it gave no answer about, and why. They stay due, after all others."""
    left: list[date] = field(default_factory=list)
    """Days that stay due, since the calls of the run, or of the month, were spent."""
    landed: int = 0
    """Answers that weren't held already."""
    calls: int = 0


def is_due(by_day: ByDay, day: date, last: Note | None, now: datetime) -> bool:
    """Whether a checkpoint of a day has passed since it was last asked, and it isn't too late."""
    until = by_day.until(day)
    if until is not None and until <= now:
        return False
    last = _unless_failed(last)
    passed = [at for at in by_day.checkpoints(day, last.outcome if last else "") if at <= now]
    return bool(passed) and (last is None or last.at < passed[-1])


def is_final(by_day: ByDay, day: date, last: Note | None) -> bool:
    """Whether a day was asked after its last checkpoint, or has none."""
    last = _unless_failed(last)
    checkpoints = by_day.checkpoints(day, last.outcome if last else "")
    return not checkpoints or (last is not None and last.at >= checkpoints[-1])


def _unless_failed(last: Note | None) -> Note | None:
    """An asking that failed counts as none."""
    return None if last is None or last.outcome == FAILED else last


def due_days(
    by_day: ByDay, days: Iterable[date], asked: Mapping[date, Note], now: datetime
) -> list[date]:
    """The days that are due, oldest first.

    Those whose asking failed come last, so that none waits for a day that never succeeds.
    """
    due = [day for day in days if is_due(by_day, day, asked.get(day), now)]
    failed = {day: note.at for day, note in asked.items() if note.outcome == FAILED}
    return sorted(due, key=lambda day: (day in failed, failed.get(day, now), day))


def forecast(days: Sequence[date], calls_a_day: float, seconds_a_call: float) -> str:
    """What asking these days needs, as a sentence."""
    calls = len(days) * calls_a_day
    hours = calls * seconds_a_call / 3600
    return f"{len(days)} days are due: about {calls:.0f} calls, {hours:.1f} h at the rate limit"


def ask_days(
    by_day: ByDay,
    days: Sequence[date],
    asking: Asking,
    calls_made: Callable[[], int],
    land: Callable[[Payload], object],
    note: Callable[[date, datetime, int, str], None],
    progress: Callable[[str], None],
) -> DaysAsked:
    """Ask about each day, oldest first, and land each answer before the next call.

    Can be killed at any call: a day whose asking didn't end isn't noted, so it stays due. Raises
    FetchError when the API fails, rather than a question.
    """
    result = DaysAsked()
    failures = 0
    for position, day in enumerate(days):
        began = datetime.now(UTC)
        before = calls_made()
        answers = 0
        outcome = NOTHING
        try:
            for payload in by_day.ask(asking, day):
                answers += 1
                if by_day.holds(payload):
                    outcome = ANSWERED
                if land(payload) is not None:
                    result.landed += 1
        except (CallsSpent, MonthSpent) as spent:
            progress(str(spent))
            result.left = list(days[position:])
            break
        except RequestRefused as refusal:
            advice = f"; {by_day.advice}" if by_day.advice else ""
            result.refused[day] = f"{refusal}{advice}"
            outcome = REFUSED
        except FetchError as fault:
            failures += 1
            if not fault.of_question:
                raise
            note(day, began, calls_made() - before, FAILED)
            if failures == MAX_FAILURES:
                raise
            result.failed[day] = str(fault)
            continue
        failures = 0
        note(day, began, calls_made() - before, outcome)
        result.asked.append(day)
        answered = "1 answer" if answers == 1 else f"{answers} answers"
        progress(f"{day}: {answered}, {position + 1} of {len(days)} days")
    result.calls = calls_made()
    return result
