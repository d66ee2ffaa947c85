"""What core of crypto must hold, in plain Python and without SQL: every row and column."""

import re
from collections.abc import Sequence
from datetime import datetime
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
