"""The sessions of New York's exchanges: every weekday but those that a seed of dbt closes."""

import csv
from collections.abc import Mapping
from datetime import date, timedelta
from functools import cache

from predictit_assets.paths import DBT_DIR

CLOSURES = DBT_DIR / "seeds" / "stocks" / "core" / "exchange_closures.csv"
"""The core table of exchange days is made of the same file. After its last year no day is closed:
to ask once in vain costs less than to miss a session."""
CLOSED, HALF = "closed", "half"
SATURDAY = 5


@cache
def closures() -> Mapping[date, str]:
    """The weekdays that are closed, or end early."""
    with CLOSURES.open(newline="", encoding="utf-8") as file:
        return {
            date.fromisoformat(row["exchange_date"]): row["status"] for row in csv.DictReader(file)
        }


def is_weekday(day: date) -> bool:
    """Monday to Friday."""
    return day.weekday() < SATURDAY


def is_session(day: date) -> bool:
    """Whether there was trading, if only for half a day."""
    return is_weekday(day) and closures().get(day) != CLOSED


def ends_its_week(day: date) -> bool:
    """Whether a session is the last one of its week."""
    rest = (day + timedelta(days=n) for n in range(1, SATURDAY - day.weekday()))
    return is_session(day) and not any(map(is_session, rest))


def session_of(day: date) -> date:
    """The first session on a day or after it."""
    while not is_session(day):
        day += timedelta(days=1)
    return day
