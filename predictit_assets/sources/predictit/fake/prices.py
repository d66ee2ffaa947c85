"""The odds: what each contract is worth, last traded at and is quoted at, at any moment."""

import math
from functools import lru_cache
from typing import NamedTuple

from predictit_assets.sample.random import SeededRandom
from predictit_assets.sources.predictit.fake.dates import DAY, HOUR, MINUTE
from predictit_assets.sources.predictit.fake.markets import Contract, Market

KNOT = 6 * HOUR
"""Beliefs are worked out at this distance, and drawn straight in between."""

FLOOR = 0.004
"""The share of belief that the least likely contract of a market keeps."""

NEVER = 0
"""The feed's last price of a contract that has never traded."""

WAVES = ((0.20, 3 * DAY), (0.35, 17 * DAY), (0.60, 110 * DAY))
"""How beliefs sway: amplitude in log-odds, and about how long a wave is, in seconds."""

CERTAINTY = 7.0
"""How far, in log-odds, the winner has pulled away when a market closes."""


class Quotes(NamedTuple):
    """The YES side of a book in cents; None where nobody offers."""

    ask: int | None
    bid: int | None


class Wave(NamedTuple):
    """A swing: amplitude, angular speed in radians a second, phase in radians."""

    amplitude: float
    speed: float
    phase: float

    def at(self, moment: float) -> float:
        """Log-odds at a moment (seconds)."""
        return self.amplitude * math.sin(self.speed * moment + self.phase)


class Temper(NamedTuple):
    """How a contract trades.

    Its standing in log-odds, slow and quick swings, mean seconds from trade to trade (infinity: it
    never trades), seconds from quote to quote, spread in cents.
    """

    standing: float
    waves: tuple[Wave, ...]
    ripple: Wave
    pace: float
    quote_pace: float
    spread: int


class Prices:
    """The odds as a function of time. Moments are seconds since 1970."""

    def __init__(self, random: SeededRandom, markets: int) -> None:
        """`markets` is about how many are open at a time: so much is worth remembering."""
        self._random = random
        self._tempers = lru_cache(maxsize=2 * markets)(self._make_tempers)
        self._shares = lru_cache(maxsize=16 * markets)(self._make_shares)
        self._premium = lru_cache(maxsize=2 * markets)(self._make_premium)
        self._winner = lru_cache(maxsize=2 * markets)(self._draw_winner)
        self._last_closes = lru_cache(maxsize=2 * markets)(self.last_trades)

    def last_trades(self, market: Market, moment: float) -> list[int]:
        """Cents of each contract's last trade, 1 to 99, or NEVER."""
        if moment >= market.closes:
            return self._final_trades(market)
        return [
            self._last_trade(market, index, contract, temper, moment)
            for index, (contract, temper) in enumerate(
                zip(market.contracts, self._tempers(market), strict=True)
            )
        ]

    def last_closes(self, market: Market, midnight: float) -> list[int]:
        """The last trades at an Eastern midnight: the same all day long."""
        return self._last_closes(market, midnight)

    def quotes(self, market: Market, moment: float) -> list[Quotes]:
        """Each contract's best YES ask and bid."""
        return [
            self._quotes(market, index, contract, temper, moment)
            for index, (contract, temper) in enumerate(
                zip(market.contracts, self._tempers(market), strict=True)
            )
        ]

    def _last_trade(
        self, market: Market, index: int, contract: Contract, temper: Temper, moment: float
    ) -> int:
        if temper.pace == math.inf:
            return NEVER
        number = math.floor((moment - contract.opens) / temper.pace)
        while number >= 0:
            delay, luck = self._random.pair("trade", contract.id, number)
            traded = contract.opens + (number + delay) * temper.pace
            if traded <= moment:
                worth = self._worth(market, index, temper, traded)
                return _cents(100 * worth + _scatter(worth, luck))
            number -= 1
        return NEVER

    def _quotes(
        self, market: Market, index: int, contract: Contract, temper: Temper, moment: float
    ) -> Quotes:
        number = math.floor((moment - contract.opens) / temper.quote_pace)
        mood, luck = self._random.pair("quote", contract.id, number)
        worth = self._worth(market, index, temper, contract.opens + number * temper.quote_pace)
        middle = 100 * worth + 0.5 * _scatter(worth, luck)
        # Makers of markets leave less room on the cheap side of a book.
        spread = min(temper.spread, 1 + int(middle))
        bid = min(math.floor(middle - (spread - 1) / 2), 99)
        ask = max(bid + spread, 1)
        nobody = mood < 0.008
        return Quotes(
            ask=None if nobody or ask > 99 or mood > 0.985 else ask,
            bid=None if nobody or bid < 1 or mood < 0.02 else bid,
        )

    def _worth(self, market: Market, index: int, temper: Temper, moment: float) -> float:
        """What a contract is thought to be worth, in dollars between 0 and 1."""
        knot, into = divmod(moment, KNOT)
        before = self._shares(market, knot)[index]
        after = self._shares(market, knot + 1)[index]
        share = before + (after - before) * into / KNOT
        if len(market.contracts) > 1:
            level, wave = self._premium(market)
            share *= level + wave.at(moment)
        share += temper.ripple.at(moment) * math.sqrt(max(share * (1 - share), 0.0))
        return min(max(share, 0.003), 0.997)

    def _make_shares(self, market: Market, knot: float) -> list[float]:
        """How belief is shared among the contracts at a knot; nothing for those not yet added."""
        moment = knot * KNOT
        weights = self._weights(market, moment)
        begins = market.closes - _endgame(market)
        winner = self._winner(market)
        if winner is not None and moment > begins:
            done = (min(moment, market.closes) - begins) / (market.closes - begins)
            weights[winner] *= math.exp(CERTAINTY * done)
        total = sum(weights)
        if len(market.contracts) == 1:
            return [weights[0] / total]
        present = sum(weight > 0 for weight in weights)
        return [
            FLOOR + (1 - present * FLOOR) * weight / total if weight else 0.0 for weight in weights
        ]

    def _weights(self, market: Market, moment: float) -> list[float]:
        """The standing of each contract, and of `No` where a market has one contract only."""
        weights = [
            math.exp(temper.standing + sum(wave.at(moment) for wave in temper.waves))
            if contract.opens <= max(moment, market.opens)
            else 0.0
            for contract, temper in zip(market.contracts, self._tempers(market), strict=True)
        ]
        return weights if len(weights) > 1 else [*weights, 1.0]

    def _draw_winner(self, market: Market) -> int | None:
        """Which of the weights wins in the end; None for a market that is called off.

        Drawn by the odds of the last days, so that the odds of this feed are honest ones.
        """
        if self._random.unit("called off", market.id) < 0.1:
            return None
        weights = self._weights(market, market.closes - _endgame(market))
        for index, temper in enumerate(self._tempers(market)):
            if temper.pace == math.inf:
                weights[index] = 0.0
        left = self._random.unit("winner", market.id) * sum(weights)
        for index, weight in enumerate(weights):
            left -= weight
            if left < 0:
                return index
        return None

    def _final_trades(self, market: Market) -> list[int]:
        """What the contracts of a closed market traded at last."""
        before = self.last_trades(market, market.closes - 1)
        winner = self._winner(market)
        if winner is None:
            return before
        finals = []
        for index, (contract, cents) in enumerate(zip(market.contracts, before, strict=True)):
            short_of_certain = self._random.pick((1, 1, 1, 1, 1, 1, 2, 3), "final", contract.id)
            if index == winner:
                finals.append(100 - short_of_certain)
            else:
                finals.append(NEVER if cents == NEVER else short_of_certain)
        return finals

    def _make_premium(self, market: Market) -> tuple[float, Wave]:
        """What the shares of a market with several contracts add up to: a level and a swing."""
        level = self._random.between(0.98, 1.08, "premium", market.id)
        return level, self._wave(0.03, 2 * DAY, "premium", market.id)

    def _make_tempers(self, market: Market) -> list[Temper]:
        ranking = sorted(
            market.contracts, key=lambda contract: self._random.unit("rank", contract.id)
        )
        return [
            self._temper(market, ranking.index(contract), contract) for contract in market.contracts
        ]

    def _temper(self, market: Market, rank: int, contract: Contract) -> Temper:
        random = self._random
        standing = random.between(-2.5, 2.5, "standing", contract.id)
        if len(market.contracts) > 1:
            steepness = random.between(0.8, 2.8, "steepness", market.id)
            standing = 0.3 * standing - steepness * math.log1p(rank)
        # From every minute to every three days, and more often in a market that soon ends.
        pace = MINUTE * 4320 ** random.unit("pace", contract.id) ** 2.5
        pace = min(pace, (market.closes - market.opens) / 20)
        if random.unit("never", contract.id) < 0.02:
            pace = math.inf
            standing -= 2.5
        return Temper(
            standing=standing,
            waves=tuple(
                self._wave(amplitude, length, number, contract.id)
                for number, (amplitude, length) in enumerate(WAVES)
            ),
            ripple=self._wave(0.035, 5 * HOUR, "ripple", contract.id),
            pace=pace,
            quote_pace=min(max(pace / 3, MINUTE), HOUR),
            spread=int(25 ** random.unit("spread", contract.id) ** 5),
        )

    def _wave(self, amplitude: float, length: float, *words: str | int) -> Wave:
        """A swing of about this length in seconds, with its own phase."""
        shorter, phase = self._random.pair("wave", *words)
        return Wave(amplitude, math.tau / (length * (0.6 + 0.8 * shorter)), math.tau * phase)


def _endgame(market: Market) -> float:
    """Seconds before its close in which a market learns how it ends."""
    return min(3 * DAY, (market.closes - market.opens) / 4)


def _scatter(worth: float, luck: float) -> float:
    """Cents that a trade lies away from what the contract is worth: most in the middle."""
    return 3 * (2 * luck - 1) * math.sqrt(worth * (1 - worth))


def _cents(price: float) -> int:
    """The nearest price that can be traded."""
    return min(max(round(price), 1), 99)
