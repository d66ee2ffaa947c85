"""Made-up companies with their prices and splits. All of it depends on the day alone."""

import hashlib
import string
from collections.abc import Iterator, Sequence
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

from predictit_assets.sources.stocks.ask import EASTERN
from predictit_assets.sources.stocks.sessions import is_session

Json = dict[str, Any]
CLOSE = time(16)
FIRST_YEAR = 2023
SPLIT_FROM = 10
"""The day of the month on or after which a small company splits."""


class Company(NamedTuple):
    """A made-up company, or a fund."""

    ticker: str
    name: str
    cents: int
    """About what a share costs before any split."""
    type: str = "CS"
    is_otc: bool = False


NAMED = (
    Company("SPY", "Made-Up 500 Fund", 45_000, "ETF"),
    Company("EXPL", "Example Partners L.P.", 16_500),
    Company("SMPL", "Sample Industries Inc.", 6_100),
    Company("FICT.B", "Fiction Holdings Class B", 31_000),
    Company("NWHR", "Nowhere Index Fund", 8_800, "ETF"),
    Company("EXP.B", "Example Holdings Class B", 2_400),
    Company("EXPB", "Example Bakery", 1_250),
    Company("EXPpA", "Example Holdings Preferred A", 2_600, "PFD"),
    Company("EXPpD", "Example Holdings Preferred D", 2_500, "PFD"),
    Company("EXPpL", "Example Holdings Preferred L", 2_450, "PFD"),
    Company("KIMPL", "Kimple Stores", 910),
    Company("KIMpL", "Kim Made-Up Preferred L", 2_607, "PFD"),
)
SMALL = tuple(
    Company(f"Z{letter}", f"Small Company {letter}", 700 + 90 * number)
    for number, letter in enumerate(string.ascii_uppercase)
)
OTC = (
    Company("NSRGX", "Nowhere Chocolate", 10_100, "ADRC", is_otc=True),
    Company("TCEHX", "Tale of Chess", 4_300, "ADRC", is_otc=True),
)
COMPANIES: Sequence[Company] = (*NAMED, *SMALL, *OTC)
BY_TICKER = {one.ticker: one for one in COMPANIES}


class Split(NamedTuple):
    """So many old shares become so many new ones."""

    ticker: str
    day: date
    split_from: float
    split_to: float

    @property
    def json(self) -> Json:
        """As the API sends it."""
        return {
            "id": f"E{made_up(63, *self)}",
            "ticker": self.ticker,
            "execution_date": str(self.day),
            "split_from": self.split_from,
            "split_to": self.split_to,
        }


LARGE_SPLITS = (
    Split("EXPL", date(2024, 2, 20), 1, 4),
    Split("SMPL", date(2024, 2, 13), 2, 3),
)


def made_up(length: int, *words: object) -> str:
    """Hexadecimal digits that depend on the words alone."""
    return hashlib.sha256(repr(words).encode()).hexdigest()[:length]


@lru_cache(maxsize=512)
def small_split(year: int, month: int) -> Split:
    """The split of a month: one small company splits, in turn."""
    day = date(year, month, SPLIT_FROM)
    while not is_session(day):
        day += timedelta(days=1)
    turn = year * 12 + month
    shares = (1, 2) if turn // len(SMALL) % 2 else (10, 1)
    return Split(SMALL[turn % len(SMALL)].ticker, day, *shares)


def splits_before(company: Company, day: date) -> Iterator[Split]:
    """The splits that a day's prices are after."""
    months = [(year, month) for year in range(FIRST_YEAR, day.year + 1) for month in range(1, 13)]
    for split in (*LARGE_SPLITS, *(small_split(*one) for one in months)):
        if split.ticker == company.ticker and split.day <= day:
            yield split


@lru_cache(maxsize=4096)
def bar(company: Company, day: date) -> Json:
    """The prices of a session as sent, not adjusted."""
    noise = int(made_up(8, company.ticker, str(day)), 16)
    swing = abs((day.toordinal() + 37 * company.cents) % 240 - 120)
    cents = company.cents * (1000 + 3 * swing)
    for split in splits_before(company, day):
        cents = int(cents * split.split_from / split.split_to)
    begin = max(cents * (1000 + noise % 31 - 15) // 1_000_000, 2)
    end = max(cents * (1000 + noise // 31 % 31 - 15) // 1_000_000, 2)
    high = max(begin, end) * (1000 + noise % 9) // 1000
    low = max(min(begin, end) * (1000 - noise % 7) // 1000, 1)
    volume = 1_000 + noise % 5_000_000
    found: Json = {
        "T": company.ticker,
        "v": volume + 0.6 if company.is_otc else volume,
        "vw": round((high + low + 2 * end) / 400, 4),
        "o": begin / 100,
        "c": end / 100,
        "h": high / 100,
        "l": low / 100,
        "t": int(EASTERN.to_utc(datetime.combine(day, CLOSE)).timestamp() * 1000),
        "n": volume // 100 + 1,
    }
    return found | {"otc": True} if company.is_otc else found


def listing(company: Company, day: date) -> Json:
    """What a list of a day says of a company."""
    number = made_up(10, "company", company.ticker).upper()
    found = {
        "ticker": company.ticker,
        "name": company.name,
        "market": "stocks",
        "locale": "us",
        "primary_exchange": "XNYS" if company.cents % 3 else "XNAS",
        "type": company.type,
        "active": True,
        "currency_name": "usd",
        "composite_figi": f"BBG{number[:9]}",
        "share_class_figi": f"BBG{number[1:]}",
        "last_updated_utc": f"{day}T00:00:00Z",
    }
    # Funds have none.
    return found if company.type == "ETF" else found | {"cik": f"{int(number[:6], 16):010}"}
