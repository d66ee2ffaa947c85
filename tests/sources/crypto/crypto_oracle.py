"""What core and marts of crypto must hold, in plain Python without SQL: every row and column."""

import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Context, Decimal
from fractions import Fraction
from itertools import pairwise
from typing import Any

Row = dict[str, Any]
EXACT = Context(prec=80)
"""Logarithms and roots to more digits than any column has."""
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff"
FACT = (
    *("partition_date", "polled_at", "source_ts", "page", "coin_id"),
    *("market_cap_rank", "fully_diluted_valuation", "volume_24h", "change_24h_pct"),
    *("circulating_supply", "total_supply", "max_supply"),
)
"""Columns of a fact that are as staged."""


def ratio(value: Fraction | Decimal | None) -> Decimal | None:
    """As the column holds it: 12 decimals, halves away from zero, at most 999,999."""
    if value is None:
        return None
    places = min(Fraction(value), Fraction(999_999)) * 10**12
    cut = abs(places) + Fraction(1, 2)
    digits = cut.numerator // cut.denominator
    return Decimal(-digits if places < 0 else digits).scaleb(-12)


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
    step = Fraction(max(steps)) if steps else None
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
        "largest_step": ratio(step),
    }


def by_day(rows: Sequence[Row]) -> dict[date, list[Row]]:
    found: dict[date, list[Row]] = {}
    for row in rows:
        found.setdefault(row["partition_date"], []).append(row)
    return found


def gaps(staged: Sequence[Row]) -> list[Row]:
    """The holes of each day with polls."""
    found = []
    for day, rows in by_day(staged).items():
        start = datetime.combine(day, datetime.min.time())
        end = start + timedelta(days=1)
        moments = [start, *sorted({row["polled_at"] for row in rows}), end]
        for place, (at, after) in enumerate(pairwise(moments)):
            seconds = _seconds(at, after)
            if seconds > 900:
                minutes = Decimal(seconds) / 60
                found.append(
                    {
                        "partition_date": day,
                        "gap_start_ts": at,
                        "gap_end_ts": after,
                        "minutes": minutes.quantize(Decimal("0.01"), ROUND_HALF_UP),
                        "from_midnight": place == 0,
                        "to_midnight": place == len(moments) - 2,
                    }
                )
    return found


def feed_health(staged: Sequence[Row], rejected: Sequence[Row]) -> list[Row]:
    """How well the feed was heard, by day."""
    found = []
    facts, holes, refused = (by_day(rows) for rows in (coin_prices(staged), gaps(staged), rejected))
    told = by_day(coin_polls(staged))
    for day, rows in by_day(staged).items():
        ages = sorted(
            _seconds(poll["newest_source_ts"], poll["polled_at"])
            for poll in told[day]
            if poll["newest_source_ts"]
        )
        moments = [row["source_ts"] for row in rows if row["source_ts"]]
        changes = [row["change_24h_pct"] for row in rows if row["change_24h_pct"] is not None]
        found.append(
            {
                "partition_date": day,
                "polls": len(told[day]),
                "complete_polls": sum(poll["is_complete"] for poll in told[day]),
                "pages": len({(row["polled_at"], row["page"]) for row in rows}),
                "coin_rows": len(rows),
                "rejected_rows": len(refused.get(day, [])),
                "coins_seen": len({row["coin_id"] for row in rows}),
                "unpriced_rows": sum(not row["price"] for row in rows),
                "stale_rows": sum(row["is_stale"] for row in facts[day]),
                "longest_gap_minutes": max((hole["minutes"] for hole in holes.get(day, [])),
                                           default=None),
                "feed_age_p50_s": ages[(len(ages) + 1) // 2 - 1] if ages else None,
                "feed_age_max_s": ages[-1] if ages else None,
                "whole_second_share": _share([at.microsecond == 0 for at in moments]),
                "one_decimal_share": _share([one * 10 == int(one * 10) for one in changes]),
            }
        )  # fmt: skip
    return found


def _share(held: Sequence[bool]) -> Decimal | None:
    return ratio(Fraction(sum(held), len(held))) if held else None


def life(staged: Sequence[Row]) -> list[Row]:
    """The stretches of each coin."""
    whole = {poll["partition_date"] for poll in coin_polls(staged) if poll["is_complete"]}
    open_now = {row["coin_id"] for row in coins(staged) if row["is_open"]}
    found = []
    for coin, rows in seen(staged).items():
        stretches: list[list[Row]] = []
        for row in rows:
            before = stretches[-1][-1]["partition_date"] if stretches else None
            passed = before and any(before < day < row["partition_date"] for day in whole)
            if before is None or passed:
                stretches.append([])
            stretches[-1].append(row)
        found += [
            {
                "coin_id": coin,
                "stretch": number,
                "first_seen_ts": stretch[0]["polled_at"],
                "last_seen_ts": stretch[-1]["polled_at"],
                "days_seen": len({row["partition_date"] for row in stretch}),
                "is_open": coin in open_now and number == len(stretches),
            }
            for number, stretch in enumerate(stretches, start=1)
        ]
    return found


def market_share(staged: Sequence[Row]) -> list[Row]:
    """The shares of the coins of page 1, at the last poll of a day that has it."""
    found = []
    first = [row for row in coin_prices(staged) if row["page"] == 1]
    for day, rows in by_day(first).items():
        newest = max(row["polled_at"] for row in rows)
        there = [row for row in rows if row["polled_at"] == newest]
        counted = [row for row in there if row["market_cap"] and row["market_cap_rank"]]
        total = sum((Fraction(row["market_cap"]) for row in counted), Fraction(0))
        found += [
            {
                "partition_date": day,
                "polled_at": newest,
                "coin_id": row["coin_id"],
                "market_cap": row["market_cap"],
                "total_market_cap": Decimal(int(total * 10**8)).scaleb(-8),
                "share": ratio(Fraction(row["market_cap"]) / total),
                "coins_counted": len(counted),
                "coins_without_cap": len(there) - len(counted),
            }
            for row in counted
        ]
    return found


def reconciliation(staged: Sequence[Row], history: Sequence[Row]) -> list[Row]:
    """Our prices against the vendor's history, by coin and day."""
    closes = {
        (row["partition_date"], row["coin_id"]): row["price_close"]
        for row in prices_by(coin_prices(staged), timedelta(days=1))
    }
    fresh: dict[tuple[date, str], list[Row]] = {}
    for row in coin_prices(staged):
        if row["price"] and not row["is_stale"]:
            fresh.setdefault((row["partition_date"], row["coin_id"]), []).append(row)
    points: dict[tuple[date, str], list[Row]] = {}
    for row in sorted(coin_history(history), key=lambda row: row["point_at"]):
        points.setdefault((row["partition_date"], row["coin_id"]), []).append(row)
    found = []
    for (day, coin), told in points.items():
        differences: list[tuple[Fraction, datetime]] = []
        for point in told:
            before = [
                (quote["source_ts"], quote["polled_at"], quote["price"])
                for quote in fresh.get((day, coin), [])
                if quote["source_ts"] <= point["point_at"]
            ]
            if point["price"] and before and _seconds(max(before)[0], point["point_at"]) <= 600:
                ours = Fraction(max(before)[2])
                difference = abs(ours / Fraction(point["price"]) - 1)
                differences.append((difference, point["point_at"]))
        sizes = sorted(size for size, _ in differences)
        middle = sizes[(len(sizes) - 1) // 2 : len(sizes) // 2 + 1]
        largest = [at for size, at in differences if ratio(size) == ratio(sizes[-1])]
        close, theirs = closes.get((day, coin)), told[-1]["price"]
        off = Fraction(close) / Fraction(theirs) - 1 if close and theirs else None
        found.append(
            {
                "partition_date": day,
                "coin_id": coin,
                "history_points": len(told),
                "points_compared": len(sizes),
                "median_difference": ratio(sum(middle) / len(middle)) if sizes else None,
                "max_difference": ratio(sizes[-1]) if sizes else None,
                "max_difference_at": min(largest) if sizes else None,
                "history_close": theirs,
                "price_close": close,
                "close_difference": ratio(off),
            }
        )
    return found


def risk(staged: Sequence[Row]) -> list[Row]:
    """Returns and what is made of them, by coin and day."""
    closes: dict[str, dict[date, Decimal]] = {}
    for row in prices_by(coin_prices(staged), timedelta(days=1)):
        if row["price_close"]:
            closes.setdefault(row["coin_id"], {})[row["partition_date"]] = row["price_close"]
    returns = {coin: _returns(by_day) for coin, by_day in closes.items()}
    found = []
    for coin, by_day in closes.items():
        for day, close in by_day.items():
            week = _past(returns[coin], day, 7)
            month = _past(returns[coin], day, 30)
            bitcoin = _past(returns.get("bitcoin", {}), day, 30)
            both = sorted(month.keys() & bitcoin.keys())
            largest = max(price for at, price in by_day.items() if at <= day)
            found.append(
                {
                    "partition_date": day,
                    "coin_id": coin,
                    "price_close": close,
                    "return_1d": returns[coin].get(day),
                    "volatility_7d": _volatility(list(week.values()), 5),
                    "volatility_30d": _volatility(list(month.values()), 20),
                    "returns_7d": len(week),
                    "returns_30d": len(month),
                    "drawdown": ratio(Fraction(close) / Fraction(largest) - 1),
                    "correlation_30d": _correlation(
                        [month[at] for at in both], [bitcoin[at] for at in both], 20
                    ),
                    "pairs_30d": len(both),
                }
            )
    return found


def _returns(by_day: dict[date, Decimal]) -> dict[date, Decimal]:
    found = {}
    for day, close in by_day.items():
        if before := by_day.get(day - timedelta(days=1)):
            found[day] = ratio(EXACT.ln(EXACT.divide(close, before)))
    return {day: one for day, one in found.items() if one is not None}


def _past(returns: dict[date, Decimal], day: date, days: int) -> dict[date, Decimal]:
    return {at: one for at, one in returns.items() if day - timedelta(days=days) < at <= day}


def _spread(ours: Sequence[Decimal], theirs: Sequence[Decimal]) -> Fraction:
    """The sum of the products of what both are off their means."""
    mean, other = (sum(map(Fraction, them), Fraction(0)) / len(them) for them in (ours, theirs))
    return sum(
        (
            (Fraction(one) - mean) * (Fraction(two) - other)
            for one, two in zip(ours, theirs, strict=True)
        ),
        Fraction(0),
    )


def _root(value: Fraction) -> Decimal:
    return EXACT.sqrt(EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)))


def _volatility(returns: Sequence[Decimal], fewest: int) -> Decimal | None:
    if len(returns) < fewest:
        return None
    return ratio(_root(_spread(returns, returns) / (len(returns) - 1) * 365))


def _correlation(ours: Sequence[Decimal], theirs: Sequence[Decimal], fewest: int) -> Decimal | None:
    if len(ours) < fewest:
        return None
    varies = _spread(ours, ours) * _spread(theirs, theirs)
    if not varies:
        return None
    common = _spread(ours, theirs)
    together = EXACT.divide(Decimal(common.numerator), Decimal(common.denominator))
    return ratio(EXACT.divide(together, _root(varies)))


def live_prices(published: Sequence[Row], staged: Sequence[Row]) -> list[Row]:
    """The facts of published rows before the newest staged day, and those of that day."""
    newest = max(row["partition_date"] for row in staged)
    before = [row for row in published if row["partition_date"] < newest]
    today = [row for row in staged if row["partition_date"] == newest]
    return coin_prices(before) + coin_prices(today)


def live_board(published: Sequence[Row], staged: Sequence[Row]) -> list[Row]:
    """The coins of the newest complete poll, and how their prices moved."""
    newest = max(row["partition_date"] for row in staged)
    polls_held = [row for row in coin_polls(published) if row["partition_date"] < newest]
    polls_held += [row for row in coin_polls(staged) if row["partition_date"] == newest]
    now = max(row["polled_at"] for row in polls_held if row["is_complete"])
    names = {row["coin_id"]: named(row) for row in once_a_poll(staged) if row["polled_at"] == now}
    live = live_prices(published, staged)
    fresh = [row for row in live if row["price"] and not row["is_stale"]]

    def change(row: Row, back: timedelta) -> Decimal | None:
        latest = now - back
        there = [
            (one["polled_at"], one["price"])
            for one in fresh
            if one["coin_id"] == row["coin_id"]
            and latest - timedelta(seconds=900) <= one["polled_at"] <= latest
        ]
        if not there or not row["price"]:
            return None
        return ratio(Fraction(row["price"]) / Fraction(max(there)[1]) - 1)

    same = ("coin_id", "market_cap_rank", "polled_at", "source_ts", "price", "is_stale")
    return [
        {name: row[name] for name in same}
        | {"symbol": names[row["coin_id"]][0], "coin_name": names[row["coin_id"]][1]}
        | {
            "change_1h": change(row, timedelta(hours=1)),
            "change_24h": change(row, timedelta(hours=24)),
            "change_7d": change(row, timedelta(days=7)),
            "vendor_change_24h_pct": row["change_24h_pct"],
            "market_cap": row["market_cap"],
            "volume_24h": row["volume_24h"],
        }
        for row in live
        if row["polled_at"] == now
    ]
