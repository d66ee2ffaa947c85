"""What core of crypto must hold, in plain Python and without SQL: every row and column."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"
FACT = (
    *("partition_date", "polled_at", "source_ts", "page", "coin_id"),
    *("market_cap_rank", "fully_diluted_valuation", "volume_24h", "change_24h_pct"),
    *("circulating_supply", "total_supply", "max_supply"),
)
"""Columns of a fact that are as staged."""


def clean(text: str) -> str:
    seen = "".join(one for one in text if one not in UNSEEN)
    return re.sub(r"\s+", " ", seen).strip(" ")


def unknown(value: Any) -> Any:
    return None if value == 0 else value


def once_a_poll(staged: Sequence[Row]) -> list[Row]:
    """Of a coin on two pages of a poll the lower page."""
    found: dict[tuple[datetime, str], Row] = {}
    for row in sorted(staged, key=lambda row: (row["page"], row["pages"]), reverse=True):
        found[row["polled_at"], row["coin_id"]] = row
    return list(found.values())


def polls(staged: Sequence[Row]) -> dict[datetime, list[Row]]:
    found: dict[datetime, list[Row]] = {}
    for row in staged:
        found.setdefault(row["polled_at"], []).append(row)
    return found


def newest_source(rows: Sequence[Row]) -> datetime | None:
    return max((row["source_ts"] for row in rows if row["source_ts"]), default=None)


def is_stale(at: datetime | None, newest: datetime | None) -> bool:
    if at is None or newest is None:
        return True
    return (newest.replace(microsecond=0) - at.replace(microsecond=0)).total_seconds() > 600


def coin_prices(staged: Sequence[Row]) -> list[Row]:
    return [
        {name: row[name] for name in FACT}
        | {name: unknown(row[name]) for name in ("price", "market_cap", "high_24h", "low_24h")}
        | {"is_stale": is_stale(row["source_ts"], newest_source(rows))}
        for rows in polls(once_a_poll(staged)).values()
        for row in rows
    ]


def coin_polls(staged: Sequence[Row]) -> list[Row]:
    found = []
    once = polls(once_a_poll(staged))
    for at, rows in polls(staged).items():
        pages = max(row["pages"] for row in rows)
        there = len({row["page"] for row in rows})
        found.append(
            {
                "partition_date": at.date(),
                "polled_at": at,
                "pages": pages,
                "pages_staged": there,
                "is_complete": there == pages,
                "coin_rows": len(once[at]),
                "newest_source_ts": newest_source(once[at]),
            }
        )
    return found


def coin_history(staged: Sequence[Row]) -> list[Row]:
    newest: dict[tuple[Any, str], datetime] = {}
    for row in staged:
        key = row["partition_date"], row["coin_id"]
        newest[key] = max(newest.get(key, row["asked_at"]), row["asked_at"])
    return [
        row | {"price": unknown(row["price"])}
        for row in staged
        if row["asked_at"] == newest[row["partition_date"], row["coin_id"]]
        and row["point_at"].date() == row["partition_date"]
    ]


def seen(staged: Sequence[Row]) -> dict[str, list[Row]]:
    """The observations of each coin, by time."""
    found: dict[str, list[Row]] = {}
    for row in sorted(once_a_poll(staged), key=lambda row: row["polled_at"]):
        found.setdefault(row["coin_id"], []).append(row)
    return found


def named(row: Row) -> tuple[str, str]:
    return clean(row["symbol"]), clean(row["coin_name"])


def attribute_runs(staged: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    for rows in seen(staged).values():
        before = None
        for row in rows:
            now = row["partition_date"], named(row)
            if now != before:
                found.append(
                    {
                        "partition_date": row["partition_date"],
                        "coin_id": row["coin_id"],
                        "symbol": named(row)[0],
                        "coin_name": named(row)[1],
                        "first_seen_ts": row["polled_at"],
                    }
                )
            found[-1] |= {"last_seen_ts": row["polled_at"], "image_url": row["image_url"] or ""}
            before = now
    return found


def coins(staged: Sequence[Row]) -> list[Row]:
    known = coin_polls(staged)
    whole = [row["polled_at"] for row in known if row["is_complete"]]
    newest = max(whole) if whole else max(row["polled_at"] for row in known)
    found = []
    for coin, rows in seen(staged).items():
        first, last = rows[0], rows[-1]
        is_open = last["polled_at"] >= newest
        found.append(
            {
                "coin_id": coin,
                "symbol": named(last)[0],
                "coin_name": named(last)[1],
                "image_url": last["image_url"],
                "effective_ts": first["polled_at"],
                "last_seen_ts": last["polled_at"],
                "expiry_ts": None if is_open else last["polled_at"],
                "is_open": is_open,
            }
        )
    return found


def coins_history(staged: Sequence[Row]) -> list[Row]:
    found: list[Row] = []
    for coin, rows in seen(staged).items():
        versions: list[Row] = []
        for row in rows:
            symbol, name = named(row)
            last = versions[-1] if versions else None
            if last and (last["symbol"], last["coin_name"]) == (symbol, name):
                continue
            if last:
                last |= {"valid_to": row["polled_at"], "is_current": False}
            versions.append(
                {
                    "coin_id": coin,
                    "symbol": symbol,
                    "coin_name": name,
                    "valid_from": row["polled_at"],
                    "valid_to": None,
                    "is_current": True,
                }
            )
        found += versions
    return found


def prices_by(facts: Sequence[Row], period: timedelta) -> list[Row]:
    """Prices by hour or day."""
    by_coin: dict[tuple[Any, str], list[Row]] = {}
    for row in sorted(facts, key=lambda row: row["polled_at"]):
        by_coin.setdefault((row["partition_date"], row["coin_id"]), []).append(row)
    found = []
    for (day, coin), rows in by_coin.items():
        fresh = [row for row in rows if row["price"] is not None and not row["is_stale"]]
        start = datetime.combine(day, datetime.min.time())
        while start.date() == day:
            end = start + period
            there = [row for row in rows if start <= row["polled_at"] < end]
            if there:
                found.append(
                    {
                        "partition_date": day,
                        "period_start_ts": start,
                        "coin_id": coin,
                        "first_polled_at": there[0]["polled_at"],
                        "last_polled_at": there[-1]["polled_at"],
                        "quotes_seen": len(there),
                    }
                    | _of_fresh(fresh, start, end)
                )
            start = end
    return found


def _seconds(earlier: datetime, later: datetime) -> int:
    span = later.replace(microsecond=0) - earlier.replace(microsecond=0)
    return int(span.total_seconds())


def _of_fresh(fresh: Sequence[Row], start: datetime, end: datetime) -> Row:
    mine = [place for place, row in enumerate(fresh) if start <= row["polled_at"] < end]
    quotes = [fresh[place] for place in mine]
    steps, covered, weighed = [], 0, Fraction(0)
    for place in mine:
        at, price = fresh[place]["polled_at"], fresh[place]["price"]
        after = fresh[place + 1]["polled_at"] if place + 1 < len(fresh) else end
        held = min(900, _seconds(at, after), _seconds(at, end))
        covered += held
        weighed += held * Fraction(int(Fraction(price) * 10**18), 10**18)
        if place and _seconds(fresh[place - 1]["polled_at"], at) <= 900:
            steps.append(abs(float(price) / float(fresh[place - 1]["price"]) - 1))
    close = quotes[-1] if quotes else None
    prices = [row["price"] for row in quotes]
    uncovered = Decimal(int((end - start).total_seconds()) - covered) / 60
    step = Decimal(min(max(steps), 999_999)) if steps else None
    return {
        "fresh_quotes": len(quotes),
        "source_updates": len({row["source_ts"] for row in quotes}),
        "price_open": prices[0] if prices else None,
        "price_high": max(prices, default=None),
        "price_low": min(prices, default=None),
        "price_close": prices[-1] if prices else None,
        "close_at": close["polled_at"] if close else None,
        "market_cap_close": close["market_cap"] if close else None,
        "volume_24h_close": close["volume_24h"] if close else None,
        "time_weighted_price": float(weighed) / covered if covered else None,
        "covered_seconds": covered,
        "minutes_uncovered": uncovered.quantize(Decimal("0.01"), ROUND_HALF_UP),
        "largest_step": None if step is None else step.quantize(Decimal("1e-12"), ROUND_HALF_UP),
    }
