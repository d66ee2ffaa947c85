"""What must come out of an archive, worked out while it is written and not by the pipeline."""

import csv
from datetime import date, datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal
from pathlib import Path
from typing import Any

from predictit_assets.sources.crypto.fake import traps

FILE = "must_come_out.csv"
"""Beside the polls: no import takes it."""
COLUMNS = (
    *("partition_date", "coin_id", "quotes_seen", "fresh_quotes"),
    *("price_open", "price_high", "price_low", "price_close", "close_at"),
)
"""Those of `marts.coin_prices_1d`."""
STALE = timedelta(seconds=600)
DIGITS = Decimal(1).scaleb(-24)
WIDE = Context(prec=60, rounding=ROUND_DOWN)


class Expected:
    """The prices of each day and coin, poll by poll in the order of time."""

    def __init__(self) -> None:
        self._seen: dict[tuple[date, str], int] = {}
        self._quotes: dict[tuple[date, str], list[tuple[datetime, Decimal]]] = {}

    def add(self, at: datetime, rows: list[Any]) -> None:
        """A poll of one page."""
        if traps.is_refused(at):
            return
        bad = traps.rejected(at)
        coins = [row for place, row in enumerate(rows) if place not in bad]
        updated = [_whole(coin["last_updated"]) for coin in coins]
        newest = max(updated)
        for coin, moment in zip(coins, updated, strict=True):
            key = at.date(), coin["id"]
            self._seen[key] = self._seen.get(key, 0) + 1
            price = coin["current_price"]
            if newest - moment <= STALE and price:
                exact = Decimal(str(price)).quantize(DIGITS, context=WIDE)
                self._quotes.setdefault(key, []).append((at, exact))

    def write(self, folder: Path) -> None:
        """The list as CSV, a row per day and coin; without a fresh price there are no prices."""
        with (folder / FILE).open("w", newline="") as file:
            rows = csv.writer(file)
            rows.writerow(COLUMNS)
            for (day, coin), seen in sorted(self._seen.items()):
                quotes = self._quotes.get((day, coin), [])
                prices = [price for _, price in quotes]
                told = ["", "", "", "", ""]
                if quotes:
                    ends = prices[0], max(prices), min(prices), prices[-1]
                    told = [*(f"{price:f}" for price in ends), f"{quotes[-1][0]:%Y-%m-%d %H:%M:%S}"]
                rows.writerow([day, coin, seen, len(quotes), *told])


def _whole(text: str) -> datetime:
    """A moment to the second."""
    return datetime.fromisoformat(text).replace(microsecond=0)
