"""The made-up PredictIt itself: what its API would answer at any moment."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from predictit_assets.sample.clock import Clock
from predictit_assets.sample.fakes import (
    AskedAfterwards,
    Demo,
    Imported,
    PolledNow,
    moments,
)
from predictit_assets.sample.faults import Fault
from predictit_assets.sample.http import Route
from predictit_assets.sample.random import SeededRandom
from predictit_assets.sources.predictit.fake import dates
from predictit_assets.sources.predictit.fake.answers import Answers
from predictit_assets.sources.predictit.fake.faults import FAULTS
from predictit_assets.sources.predictit.fake.lifecycle import Calendar
from predictit_assets.sources.predictit.fake.markets import Market
from predictit_assets.sources.predictit.fake.prices import NEVER, Prices, Quotes
from predictit_assets.sources.predictit.fake.rendering import Record, payload_to_json

NO_QUOTES = Quotes(ask=None, bid=None)


class FakePredictIt:
    """A made-up PredictIt whose answers depend on the seed, the size and the time, nothing else.

    About `markets` markets with together about `contracts` contracts are open at any time. What is
    archived for last week and what is polled now therefore belong together. With twenty markets or
    more, every week sees markets open and close, a rename, and a rename that is taken back.
    """

    name = "predictit"
    faults: Sequence[Fault] = FAULTS
    defaults: Mapping[str, str] = {"PREDICTIT_POLL_INTERVAL": "0"}
    demo = Demo(
        ways=(Imported(days=7, minutes=30), PolledNow(), AskedAfterwards()),
        looks={"predictit board": "the newest odds, in this terminal"},
        # As often as the real one may be asked.
        watched={"PREDICTIT_POLL_INTERVAL": "60"},
    )

    def __init__(self, seed: int = 7, markets: int = 40, contracts: int = 180) -> None:
        random = SeededRandom(seed)
        self._random = random
        self._calendar = Calendar(random, markets, contracts)
        self._prices = Prices(random, markets)

    def payload(self, at: datetime) -> dict[str, list[Record]]:
        """The answer to `/api/marketdata/all/` at an aware time."""
        now = dates.seconds(at)
        midnight = dates.last_midnight(now)
        stamp = dates.time_stamp(self._random, now)
        return {
            "markets": [
                self._market(market, now, midnight, stamp) for market in self._calendar.open_at(now)
            ]
        }

    def body(self, at: datetime) -> bytes:
        """The payload as PredictIt sends it: UTF-8, CRLF, two-space indent."""
        return payload_to_json(self.payload(at))

    def market(self, market_id: int, at: datetime) -> Record | None:
        """The answer to `/api/marketdata/markets/{id}`: an open market or one that has closed.

        None for an id that is unknown, or not yet known, at that time.
        """
        now = dates.seconds(at)
        market = self._calendar.find(market_id, now)
        if market is None:
            return None
        stamp = dates.time_stamp(self._random, now)
        return self._market(market, now, dates.last_midnight(now), stamp)

    def routes(self, clock: Clock) -> Sequence[Route]:
        """PredictIt's API; like the real one it makes a new answer once a minute."""
        return Answers(self, clock).routes()

    def environment(self, url: str) -> Mapping[str, str]:
        """What makes the pipeline ask this address."""
        return {"PREDICTIT_API_URL": url}

    def archive(
        self, folder: Path, start: datetime, end: datetime, every: timedelta
    ) -> Iterator[Path]:
        """Write a payload for each step, as if someone had polled, and yield each file written.

        Files are named `YYYYMMDDTHHMMSSZ.json` by their UTC capture time, which is a whole second.
        """
        if every < timedelta(seconds=1):
            raise ValueError(f"payloads are named by the second, so they can't be {every} apart")
        folder.mkdir(parents=True, exist_ok=True)
        for at in moments(start, end, every):
            path = folder / f"{at:%Y%m%dT%H%M%SZ}.json"
            path.write_bytes(self.body(at))
            yield path

    def _market(self, market: Market, now: float, midnight: float, stamp: str) -> Record:
        closed = now >= market.closes
        trades = self._prices.last_trades(market, now)
        closes = self._prices.last_closes(market, midnight)
        quotes = [NO_QUOTES] * len(trades) if closed else self._prices.quotes(market, now)
        present = [index for index, one in enumerate(market.contracts) if one.opens <= now]
        if not market.listed:
            present.sort(key=lambda index: -trades[index])
        status = "Closed" if closed else "Open"
        closed_date_end = market.closed_date_end if closed else None
        return {
            "id": market.id,
            "name": market.name.at(now),
            "shortName": market.short_name.at(now),
            "image": market.image.at(now),
            "url": market.url,
            "contracts": [
                {
                    "id": contract.id,
                    "dateEnd": closed_date_end or contract.date_end.at(now),
                    "image": contract.image.at(now),
                    "name": contract.name.at(now),
                    "shortName": contract.short_name.at(now),
                    "status": status,
                    **_prices(trades[index], quotes[index], closes[index]),
                    "displayOrder": contract.display_order,
                }
                for index in present
                for contract in [market.contracts[index]]
            ],
            "timeStamp": stamp,
            "status": status,
        }


def _prices(trade: int, quotes: Quotes, close: int) -> Record:
    """A contract's prices, in cents, as the feed gives them, in dollars."""
    ask, bid = quotes
    return {
        "lastTradePrice": trade / 100,
        "bestBuyYesCost": None if ask is None else ask / 100,
        "bestBuyNoCost": None if bid is None else (100 - bid) / 100,
        "bestSellYesCost": None if bid is None else bid / 100,
        "bestSellNoCost": None if ask is None else (100 - ask) / 100,
        "lastClosePrice": None if close == NEVER else close / 100,
    }
