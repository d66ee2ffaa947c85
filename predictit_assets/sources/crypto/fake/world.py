"""Made-up coins with their prices. All of it depends on the seed and on the time alone."""

import json
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from predictit_assets.sample.random import SeededRandom
from predictit_assets.sources.crypto.settings import HISTORY_COINS

COINS = 300
PAGE_END = 250
"""The coin of this rank and the next one change places each minute."""
DAY = 86_400
STEP = 300
"""Seconds between two prices."""
Json = dict[str, Any]


class Text(str):
    """JSON that is sent as it is."""

    __slots__ = ()


class Odd:
    """The coins of which something is always odd, as in genuine data; by their number."""

    SAME_SYMBOL = 30
    """It has the symbol of the largest coin."""
    ZERO_WIDTH = 31
    CHINESE = 32
    RENAMED = 33
    """By turns, from month to month, symbol and name."""
    LEAVES = 34
    """Each month on LEAVE_DAYS."""
    STALE = 35
    """Its price is that of the month's first moment, until STALE_DAYS are over."""
    NO_VOLUME = 36
    WRAPPED = 37
    """It has no rank."""
    NO_CAP = 299
    """It has neither rank nor cap."""
    TINY = 38


LEAVE_DAYS = range(5, 8)
STALE_DAYS = 9


class Coin(NamedTuple):
    """A made-up coin."""

    number: int
    id: str
    symbol: str
    name: str
    price: float
    supply: int


class World:
    """Coins and prices of a seed."""

    def __init__(self, seed: int = 7, coins: int = COINS) -> None:
        self.random = SeededRandom(seed)
        self.coins = [self._coin(number) for number in range(coins)]
        self.by_id = {coin.id: coin for coin in self.coins}
        self._noise = lru_cache(maxsize=65_536)(
            lambda *words: 2 * self.random.unit("noise", *words) - 1
        )

    def _coin(self, number: int) -> Coin:
        known = number < len(HISTORY_COINS)
        name = f"Example Coin {number}"
        symbol = f"x{number}"
        if number == Odd.SAME_SYMBOL:
            symbol = "x0"
        if number == Odd.ZERO_WIDTH:
            name = "\u200bExample\u200d  Zero "
        if number == Odd.CHINESE:
            name = "\u4f8b\u5b50"
        price = 90_000.0 / 1.05**number
        if number == Odd.TINY:
            price = 5.6e-11
        cap = 1.6e12 / (number + 1) ** 1.3
        if number == PAGE_END:
            cap = 1.6e12 / PAGE_END**1.3
        return Coin(
            number,
            HISTORY_COINS[number] if known else f"example-coin-{number}",
            symbol,
            name,
            price,
            int(cap / price),
        )

    def factor(self, coin: Coin, at: datetime) -> float:
        """What the price of a coin is multiplied with at a moment."""
        seconds = int(at.timestamp())
        swing = abs((seconds // DAY + 37 * coin.number) % 60 - 30) / 30
        day = self._noise(coin.number, "day", seconds // DAY)
        step = self._noise(coin.number, "step", seconds // STEP)
        # No more than a page's end apart: caps keep their order but for neighbours.
        return 1 + 0.01 * (swing - 0.5) + 0.004 * day + 0.001 * step

    def price(self, coin: Coin, at: datetime) -> float:
        """The price of a coin at a moment, in dollars."""
        return coin.price * self.factor(coin, self.updated(coin, at))

    def cap(self, coin: Coin, at: datetime) -> float:
        """The market cap of a coin at a moment."""
        if coin.number == Odd.NO_CAP:
            return 0.0
        if coin.number in {PAGE_END - 1, PAGE_END}:
            # Two neighbours that change places.
            minute = int(at.timestamp()) // 60
            first = minute % 2 == coin.number % 2
            return float(int(1.6e12 / PAGE_END**1.3 * (1.0001 if first else 1)))
        return float(int(self.price(coin, at) * coin.supply))

    def updated(self, coin: Coin, at: datetime) -> datetime:
        """When a coin was last updated, as seen at a moment."""
        month = at.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        if coin.number == Odd.STALE and at < month + timedelta(days=STALE_DAYS):
            return month
        seconds = int(at.timestamp())
        lag = 1000 + self.random.number("lag", coin.number, seconds // STEP) % 119_000
        return datetime.fromtimestamp(seconds, UTC) - timedelta(milliseconds=lag)

    def is_listed(self, coin: Coin, at: datetime) -> bool:
        """Whether a coin is among those of a moment."""
        return coin.number != Odd.LEAVES or at.astimezone(UTC).day not in LEAVE_DAYS

    def listed(self, at: datetime) -> list[Coin]:
        """The coins of a moment, the largest first."""
        there = [coin for coin in self.coins if self.is_listed(coin, at)]
        return sorted(there, key=lambda coin: (-self.cap(coin, at), coin.number))

    def row(self, coin: Coin, rank: int, at: datetime) -> Json:
        """A coin as the API sends it."""
        price, cap = self.price(coin, at), self.cap(coin, at)
        before = self.price(coin, at - timedelta(days=1))
        change = price - before
        renamed = coin.number == Odd.RENAMED and at.astimezone(UTC).month % 2 == 0
        ranked = coin.number not in {Odd.WRAPPED, Odd.NO_CAP}
        return {
            "id": coin.id,
            "symbol": f"{coin.symbol}r" if renamed else coin.symbol,
            "name": f"{coin.name} (Renamed)" if renamed else coin.name,
            "image": f"https://assets.example/{coin.number}/large.png",
            "current_price": price,
            "market_cap": cap,
            "market_cap_rank": rank if ranked else None,
            "fully_diluted_valuation": int(cap) if coin.number % 3 else None,
            "total_volume": 0 if coin.number == Odd.NO_VOLUME else cap / 20,
            "high_24h": max(price, before),
            "low_24h": min(price, before),
            "price_change_24h": change,
            "price_change_percentage_24h": round(100 * change / before, 5),
            "market_cap_change_24h": change * coin.supply,
            "market_cap_change_percentage_24h": round(100 * change / before, 5),
            "circulating_supply": float(coin.supply),
            "total_supply": float(coin.supply) if coin.number % 2 else None,
            "max_supply": None,
            "ath": coin.price * 2,
            "ath_change_percentage": round(100 * (price / coin.price / 2 - 1), 5),
            "ath_date": "2021-05-10T00:30:01.123Z",
            "atl": coin.price / 1000,
            "atl_change_percentage": round(100 * (1000 * price / coin.price - 1), 5),
            "atl_date": "2020-10-02T00:00:00.000Z",
            "roi": {"times": 4.2, "currency": "usd", "percentage": 420.1}
            if coin.number == 1
            else None,
            "last_updated": moment(self.updated(coin, at)),
        }

    def rows(self, at: datetime) -> list[Json]:
        """All coins of a moment, the largest first."""
        return [self.row(coin, rank, at) for rank, coin in enumerate(self.listed(at), 1)]

    def points(self, coin: Coin, start: datetime, end: datetime, now: datetime) -> list[datetime]:
        """The moments of a coin's history: hourly at odd seconds, of the last day more.

        A hole of an hour and two points in an hour happen once a day.
        """
        end = min(end, now)
        if end - start > timedelta(days=90):
            days = [start + timedelta(days=n) for n in range((end - start).days + 1)]
            return [*days, end]
        found = []
        day = f"{start:%Y-%m-%d}"
        hole = self.random.number("hole", coin.number, day) % 23 + 1
        twice = (hole + 7) % 24
        at, hour = start, 0
        while at < end:
            recent = at >= now - timedelta(days=1)
            odd = timedelta(
                milliseconds=self.random.number("odd", coin.number, day, hour) % 200_000
            )
            if recent or hour % 24 != hole:
                found.append(at + odd)
            if not recent and hour % 24 == twice:
                found.append(at + odd + timedelta(minutes=30))
            at += timedelta(minutes=5) if recent else timedelta(hours=1)
            hour += 1
        return [one for one in found if one < end]

    def history(self, coin: Coin, moments: list[datetime]) -> Json:
        """The three arrays of a coin's history."""

        def array(value: Any) -> list[list[Any]]:
            return [[int(at.timestamp() * 1000), value(at)] for at in moments]

        return {
            "prices": array(lambda at: self.price(coin, at)),
            "market_caps": array(lambda at: self.cap(coin, at)),
            "total_volumes": array(lambda at: self.cap(coin, at) / 20),
        }


def moment(at: datetime) -> str:
    """A time as the API writes it."""
    return f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03}Z"


def as_text(rows: list[Any]) -> bytes:
    """Rows as JSON; what is `Text` is sent as it is."""
    return f"[{','.join(map(_text, rows))}]".encode()


def _text(value: Any) -> str:
    if isinstance(value, Text):
        return str(value)
    if isinstance(value, dict):
        pairs = (f"{json.dumps(key)}:{_text(one)}" for key, one in value.items())
        return f"{{{','.join(pairs)}}}"
    return json.dumps(value, ensure_ascii=False)
