"""Which markets there are when, and when each opens, is renamed and closes."""

import math
from functools import lru_cache

from predictit_assets.sample.random import SeededRandom
from predictit_assets.sources.predictit.fake.dates import DAY, MINUTE
from predictit_assets.sources.predictit.fake.markets import Life, Market, build_market

MAX_CONTRACTS = 22

# Contracts of successive slots, before they are stretched to the size that is asked for. Its length
# shares no factor with that of KINDS, so that every kind of slot has markets of every size.
SIZES = (1, 4, 1, 9, 2, 1, 16, 1, 3, 7, 1, 12, 2)
KINDS = ("usual", "long", "usual", "usual", "usual", "long", "brief", "usual", "usual", "usual")

SHARE_OPEN = 0.95
"""Of all slots, how many hold an open market at a time."""

EDIT_SPACING = 1.5 * DAY
"""From the start of one long-lived slot's passing rename to that of the next slot's, seconds."""

EDIT_LENGTH = 1.0 * DAY
"""How long a passing rename stays before the first wording is back, seconds."""


class Calendar:
    """All markets, past and future.

    There is a fixed number of slots, each of which holds one market after another. Where one ends
    and the next begins follows from the slot and the market's turn in it alone, so the markets of
    any moment are found without going through those before.
    """

    def __init__(self, random: SeededRandom, markets: int, contracts: int) -> None:
        if not 1 <= markets <= contracts <= 12 * markets:
            raise ValueError(
                "the sample has at least one market, and 1 to 12 contracts for each of them, "
                f"not {markets} markets and {contracts} contracts"
            )
        self._random = random
        self._slots = math.ceil(markets / SHARE_OPEN)
        self._kinds = [KINDS[slot % len(KINDS)] for slot in range(self._slots)]
        self._phases = [random.unit("phase", slot) for slot in range(self._slots)]
        self._periods = [self._period(slot) for slot in range(self._slots)]
        self._sizes = _sizes(self._slots, contracts / markets)
        self._market = lru_cache(maxsize=4 * self._slots)(self._build)

    def open_at(self, moment: float) -> list[Market]:
        """The markets open at a moment (seconds since 1970), by id."""
        markets = (self._market(slot, self._turn(slot, moment)) for slot in range(self._slots))
        return sorted(
            (market for market in markets if market.opens <= moment < market.closes),
            key=lambda market: market.id,
        )

    def find(self, market_id: int, moment: float) -> Market | None:
        """The market with this id if it had opened by then (seconds since 1970), else None."""
        day, slot = divmod(market_id, self._slots)
        if market_id < 0 or day * DAY > moment:
            return None
        turn = self._turn(slot, (day + 1) * DAY)
        opens, _ = self._span(slot, turn)
        if self._id(slot, opens) != market_id or opens > moment:
            return None
        return self._market(slot, turn)

    def _id(self, slot: int, opens: float) -> int:
        # A slot opens at most one market a day, so the two name it, and ids grow with time.
        return int(opens // DAY) * self._slots + slot

    def _period(self, slot: int) -> float:
        """Mean seconds from one market's opening in the slot to the next one's."""
        if self._kinds[slot] == "brief":
            # Two openings are at most 1.6 periods apart: less than a week.
            return self._random.between(3.0, 4.2, "period", slot) * DAY
        if self._kinds[slot] == "long":
            return self._random.between(700, 1800, "period", slot) * DAY
        return 10 * DAY * 12 ** self._random.unit("period", slot)

    def _boundary(self, slot: int, turn: int) -> float:
        """The moment at which a slot passes to its market number `turn`."""
        jitter = self._random.between(-0.3, 0.3, "boundary", slot, turn)
        return (turn + self._phases[slot] + jitter) * self._periods[slot]

    def _turn(self, slot: int, moment: float) -> int:
        """The number of the market whose turn it is in the slot at a moment."""
        turn = math.floor(moment / self._periods[slot] - self._phases[slot]) + 1
        while self._boundary(slot, turn) > moment:
            turn -= 1
        return turn

    def _span(self, slot: int, turn: int) -> tuple[float, float]:
        """When a market opens and closes: within its turn, with a gap at either end."""
        gap = min(0.03 * self._periods[slot], 2 * DAY)
        opens = self._boundary(slot, turn) + gap
        closes = self._boundary(slot, turn + 1) - gap
        return opens // MINUTE * MINUTE, closes // MINUTE * MINUTE

    def _build(self, slot: int, turn: int) -> Market:
        opens, closes = self._span(slot, turn)
        market_id = self._id(slot, opens)
        size = 1
        if self._sizes[slot] > 1:
            wobble = self._random.between(0.8, 1.2, "size", market_id)
            size = min(max(round(self._sizes[slot] * wobble), 2), MAX_CONTRACTS)
        renames = self._renames(slot, market_id, opens, closes)
        return build_market(self._random, Life(market_id, opens, closes, size, tuple(renames)))

    def _renames(self, slot: int, market_id: int, opens: float, closes: float) -> list[float]:
        """When the market's wording switches; every second switch takes the one before back."""
        if self._kinds[slot] == "long":
            return self._passing_renames(slot, opens, closes)
        if self._kinds[slot] == "brief" or self._random.unit("renamed", market_id) < 0.25:
            return [opens + (closes - opens) * self._random.between(0.3, 0.7, "when", market_id)]
        return []

    def _passing_renames(self, slot: int, opens: float, closes: float) -> list[float]:
        # The long-lived slots take turns at it, so that every week sees a whole rename and its
        # return even while a slot or two are between markets.
        long_lived = [one for one, kind in enumerate(self._kinds) if kind == "long"]
        cycle = max(2, len(long_lived)) * EDIT_SPACING
        first = long_lived.index(slot) * EDIT_SPACING
        moments = []
        for number in range(math.ceil((opens - first) / cycle), math.ceil(closes / cycle) + 1):
            start = first + number * cycle
            if opens < start and start + EDIT_LENGTH < closes:
                moments += [start, start + EDIT_LENGTH]
        return moments


def _sizes(slots: int, mean: float) -> list[float]:
    """How many contracts each slot's markets have on average: one in about half of the slots."""
    beyond_one = [SIZES[slot % len(SIZES)] - 1 for slot in range(slots)]
    stretch = (mean - 1) * slots / max(1, sum(beyond_one))
    return [1 + extra * stretch for extra in beyond_one]
