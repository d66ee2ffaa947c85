"""What is odd in the made-up Polygon, a day each: what the API was seen to do, until March 2024."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

from predictit_assets.sources.stocks.fake.companies import Company, Json, Split

HOLIDAY = date(2023, 11, 23)
HALF_DAY = date(2023, 11, 24)

# Bars
EMPTY = date(2024, 2, 5)
NULL_FROM = datetime(2024, 2, 6, 12, tzinfo=UTC)
BARS_FROM = datetime(2024, 2, 7, 12, tzinfo=UTC)
"""First no results, then null, at last bars."""
REFUSED = date(2024, 2, 6)
ALLOWED_FROM = datetime(2024, 2, 8, 12, tzinfo=UTC)
NOT_YET = date(2024, 2, 7)
PRICES_FROM = datetime(2024, 2, 10, 12, tzinfo=UTC)
"""Until then each ticker of the session is a 404."""
REVISED = date(2024, 2, 8)
REVISED_AT = datetime(2024, 2, 9, 13, tzinfo=UTC)
ODD_BARS = date(2024, 2, 9)
DELAYED = date(2024, 2, 12)
"""The status isn't OK, and the bars are there."""

# Lists
AWAY = "ZQ"
AWAY_ON = {date(2024, 2, 6), date(2024, 2, 7)}
GONE = "ZR"
GONE_FROM = date(2024, 2, 12)
TWICE = date(2024, 2, 9)
FOREIGN = date(2024, 2, 16)
FOREIGN_UNTIL = datetime(2024, 2, 20, tzinfo=UTC)
BAD_CURSOR = date(2024, 2, 23)
CURSOR_FROM = datetime(2024, 2, 27, tzinfo=UTC)
CUT = date(2024, 3, 1)
PAGES_OF_CUT = 3
DOUBLED_PORT = date(2024, 3, 8)
SHORT = date(2024, 3, 15)
OF_SHORT = 12

# Splits
LATE = date(2024, 2, 13)
LATE_FROM = datetime(2024, 3, 20, tzinfo=UTC)
TAKEN_BACK = date(2024, 2, 14)
TAKEN_BACK_AT = datetime(2024, 2, 21, tzinfo=UTC)
TWO_RATIOS = date(2024, 2, 15)
ODD_SPLITS = date(2024, 2, 16)
SPLIT = date(2024, 2, 20)


def bars(day: date, at: datetime, sound: list[Json]) -> list[Json]:
    """The bars of a session as they are at a moment."""
    if day == REVISED and at >= REVISED_AT:
        return [one | {"c": one["l"]} if one["T"] == "EXPL" else one for one in sound]
    if day == ODD_BARS:
        return [*sound, *_odd_bars(sound[1])]
    return sound


def _odd_bars(sound: Json) -> list[Json]:
    def without(key: str) -> Json:
        return {name: value for name, value in sound.items() if name != key}

    return [
        sound | {"T": "ODD\x01"},
        sound | {"T": ""},
        without("c") | {"T": "NOCLOSE"},
        sound | {"T": "TEXT", "v": "12"},
        sound | {"T": "UPSIDE", "h": 1, "l": 2},
        sound | {"T": "NEGATIVE", "l": -1},
        sound | {"T": "LARGE", "v": 1.12117471e08},
        sound | {"T": "FRACTION", "v": 25933.6, "vw": None},
        # Once more, with less volume.
        sound | {"v": 1},
        without("n") | {"T": "NONUMBER"},
    ]


def as_text(day: date, answer: Json) -> bytes:
    """An answer as JSON. One number is written as no one writes it by hand."""
    text = json.dumps(answer, ensure_ascii=False, separators=(",", ":"))
    if day == ODD_BARS:
        text = text.replace("112117471.0", "1.12117471e+08")
    return text.encode()


def listed(day: date, companies: Sequence[Company]) -> list[Company]:
    """The companies of a day's list, before they are sorted."""
    if day == SHORT:
        return list(companies[:OF_SHORT])
    away = {AWAY} if day in AWAY_ON else set()
    gone = {GONE} if day >= GONE_FROM else set()
    found = [one for one in companies if one.ticker not in away | gone]
    if day == TWICE:
        found.append(companies[1]._replace(name="Example Partners, once more"))
    return found


def splits(day: date, at: datetime) -> list[Json]:
    """The splits of a day that only a test looks at."""
    make = _SPLITS.get(day)
    return make(day, at) if make else []


def _late(day: date, at: datetime) -> list[Json]:
    return [Split("SMPL", day, 2, 3).json] if at >= LATE_FROM else []


def _taken_back(day: date, at: datetime) -> list[Json]:
    return [Split("NWHR", day, 1, 2).json] if at < TAKEN_BACK_AT else []


def _two_ratios(day: date, _at: datetime) -> list[Json]:
    return [Split("FICT.B", day, 1, 2).json, Split("FICT.B", day, 2, 3).json]


def _odd_splits(day: date, _at: datetime) -> list[Json]:
    sound = Split("EXPB", day, 1, 1.016781).json
    return [
        sound,
        sound | {"id": "none", "split_to": 0},
        sound | {"id": "other day", "execution_date": "2024-02-17"},
        {key: value for key, value in sound.items() if key != "split_from"},
    ]


def _split(day: date, _at: datetime) -> list[Json]:
    return [Split("EXPL", day, 1, 4).json]


_SPLITS: Mapping[date, Callable[[date, datetime], list[Json]]] = {
    LATE: _late,
    TAKEN_BACK: _taken_back,
    TWO_RATIOS: _two_ratios,
    ODD_SPLITS: _odd_splits,
    SPLIT: _split,
}
