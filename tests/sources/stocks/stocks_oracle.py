"""What core makes of staged stocks, written from its definition and from none of its SQL."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Row = dict[str, Any]
NEW_YORK = ZoneInfo("America/New_York")
ATTRIBUTES = (
    "name",
    "type",
    "primary_exchange",
    "currency_name",
    "cik",
    "composite_figi",
    "share_class_figi",
)


def grouped(rows: Iterable[Row], *names: str) -> dict[Any, list[Row]]:
    """Rows by the values of columns."""
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in names)
        groups[key if len(names) > 1 else key[0]].append(row)
    return groups


def exchange_days(closures: Iterable[Row]) -> list[Row]:
    """The calendar, by the lines of the CSV."""
    lines = {date.fromisoformat(line["exchange_date"]): line for line in closures}
    day, number, days = date(2012, 1, 1), 0, []
    while day <= date(max(lines).year, 12, 31):
        line = lines.get(day, {})
        session = day.weekday() < 5 and line.get("status") != "closed"
        half = session and line.get("status") == "half"
        number += session

        def at(wall: time, day: date = day) -> datetime:
            local = datetime.combine(day, wall, NEW_YORK)
            return local.astimezone(UTC).replace(tzinfo=None)

        days.append(
            {
                "exchange_date": day,
                "is_session": session,
                "is_half_day": half,
                "opens_at": at(time(9, 30)) if session else None,
                "closes_at": at(time(13 if half else 16)) if session else None,
                "session_number": number if session else None,
                "reason": line.get("reason"),
            }
        )
        day += timedelta(days=1)
    return days


def stock_days(staged: Iterable[Row]) -> list[Row]:
    """The bars of the newest answer that isn't cut."""
    made = []
    for day, rows in grouped(staged, "partition_date").items():
        answers = grouped(rows, "captured_at")
        most = max(map(len, answers.values()))
        newest = max(at for at, bars in answers.items() if len(bars) >= Fraction(most, 2))
        for ticker, bars in grouped(answers[newest], "ticker").items():
            first, *twins = sorted(bars, key=lambda bar: (-bar["volume"], bar["position"]))
            kept = {
                name: value
                for name, value in first.items()
                if name not in ("part", "position", "captured_at")
            }
            made.append(
                {
                    **kept,
                    "partition_date": day,
                    "ticker": ticker,
                    "captured_at": newest,
                    "twins": len(twins),
                }
            )
    return made


def newest_answers(answers: Iterable[Row]) -> dict[int, Row]:
    """Of one day, the newest answer of each page."""
    return {
        page: max(rows, key=lambda row: row["captured_at"])
        for page, rows in grouped(answers, "page").items()
    }


def rows_of(rows: Iterable[Row], answers: Iterable[Row]) -> list[Row]:
    """The rows that answers hold."""
    held = {(one["partition_date"], one["captured_at"], one["part"]) for one in answers}
    return [row for row in rows if (row["partition_date"], row["captured_at"], row["part"]) in held]


def splits(staged: list[Row], answers: Iterable[Row]) -> list[Row]:
    """Splits of the newest answers; where the last page is missing, of those that are there."""
    made = []
    for day, of_day in grouped(answers, "partition_date").items():
        newest = newest_answers(of_day)
        last = min((page for page, one in newest.items() if one["is_last"]), default=max(newest))
        held = rows_of(staged, (one for page, one in newest.items() if page <= last))
        for ticker, rows in grouped(held, "ticker").items():
            first = min(rows, key=lambda row: (row["split_id"], row["page"], row["position"]))
            ratios = {Fraction(row["split_to"]) / Fraction(row["split_from"]) for row in rows}
            made.append(
                {
                    "partition_date": day,
                    "ticker": ticker,
                    "split_id": first["split_id"],
                    "split_from": first["split_from"],
                    "split_to": first["split_to"],
                    "is_ambiguous": len(ratios) > 1,
                    "captured_at": first["captured_at"],
                }
            )
    return made


def listings(staged: list[Row], answers: Iterable[Row]) -> list[Row]:
    """What whole lists list."""
    made = []
    for day, of_day in grouped(answers, "partition_date").items():
        newest = newest_answers(of_day)
        last = min((page for page, one in newest.items() if one["is_last"]), default=None)
        if last is None or any(page not in newest for page in range(last)):
            continue
        held = rows_of(staged, (newest[page] for page in range(last + 1)))
        for ticker, rows in grouped(held, "ticker").items():
            first = min(
                rows,
                key=lambda row: (
                    -(row["last_updated_at"] or datetime(1970, 1, 2)).timestamp(),
                    row["cik"] is None,
                    row["cik"] or "",
                    row["page"],
                    row["position"],
                ),
            )
            made.append(
                {
                    "partition_date": day,
                    "ticker": ticker,
                    **{name: first[name] for name in ATTRIBUTES},
                    "name": " ".join(first["name"].split()),
                    "last_updated_at": first["last_updated_at"],
                    "captured_at": first["captured_at"],
                }
            )
    return made


def answer_days(bars: list[Row], others: list[Row]) -> list[Row]:
    """`core.stock_answer_days`."""
    return [
        {
            "partition_date": day,
            "has_bars": any(row["partition_date"] == day for row in bars),
            "newest_answer_at": max(row["captured_at"] for row in answers),
        }
        for day, answers in grouped(bars + others, "partition_date").items()
    ]


def usable_days(listed: Iterable[Row]) -> list[date]:
    """The days of the lists that didn't shrink."""
    sizes = {day: len(rows) for day, rows in sorted(grouped(listed, "partition_date").items())}
    days = list(sizes)
    return [
        day
        for place, day in enumerate(days)
        if sizes[day]
        >= Fraction(95, 100)
        * max((sizes[one] for one in days[max(place - 5, 0) : place]), default=0)
    ]


def tickers_history(listed: list[Row]) -> list[Row]:
    """Versions of what usable lists said."""
    usable = set(usable_days(listed))
    made = []
    for ticker, rows in grouped(listed, "ticker").items():
        versions: list[Row] = []
        for row in sorted(rows, key=lambda row: row["partition_date"]):
            said = {name: row[name] for name in ATTRIBUTES}
            if row["partition_date"] not in usable:
                continue
            if versions and all(versions[-1][name] == said[name] for name in ATTRIBUTES):
                continue
            if versions:
                versions[-1] |= {"valid_to_date": row["partition_date"], "is_current": False}
            versions.append(
                {
                    "ticker": ticker,
                    **said,
                    "valid_from_date": row["partition_date"],
                    "valid_to_date": None,
                    "is_current": True,
                }
            )
        made += versions
    return made


def tickers(listed: list[Row]) -> list[Row]:
    """What is known of each ticker now."""
    usable = usable_days(listed)
    by_ticker = grouped((row for row in listed if row["partition_date"] in usable), "ticker")
    made = []
    for version in tickers_history(listed):
        if version["is_current"]:
            days = sorted(row["partition_date"] for row in by_ticker[version["ticker"]])
            made.append(
                {
                    "ticker": version["ticker"],
                    **{name: version[name] for name in (*ATTRIBUTES, "valid_from_date")},
                    "first_listed_date": days[0],
                    "last_listed_date": days[-1],
                    "is_active": sum(day > days[-1] for day in usable) < 3,
                }
            )
    return made
