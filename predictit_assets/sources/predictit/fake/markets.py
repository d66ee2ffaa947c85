"""One market's fixed facts: its contracts, its wording, and at which moments its texts change."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from predictit_assets.sample.random import SeededRandom
from predictit_assets.sources.predictit.fake import dates
from predictit_assets.sources.predictit.fake.wording import (
    Named,
    Question,
    question,
    slug,
    with_quirk,
)

CONTRACT_IDS = 32
"""Contract ids set aside for each market; the largest real one has 22 contracts."""

IMAGES = "https://cdn.example.org/images"
SITE = "https://www.example.org/markets/detail"


class Timeline:
    """A text that changes at known moments (seconds since 1970)."""

    __slots__ = ("_moments", "_texts")

    def __init__(self, text: str, changes: Sequence[tuple[float, str]] = ()) -> None:
        self._moments = [moment for moment, _ in changes]
        self._texts = [text, *(later for _, later in changes)]

    def at(self, moment: float) -> str:
        """The text at a moment."""
        if not self._moments:
            return self._texts[0]
        return self._texts[bisect_right(self._moments, moment)]


@dataclass(frozen=True, slots=True)
class Life:
    """What the calendar decides about a market. Moments are seconds since 1970.

    `renames` are the moments at which an editor switches between the market's two wordings.
    """

    id: int
    opens: float
    closes: float
    size: int
    renames: tuple[float, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Contract:
    """One contract's fixed facts. It is in the feed from `opens` on, seconds since 1970."""

    id: int
    opens: float
    name: Timeline
    short_name: Timeline
    image: Timeline
    date_end: Timeline
    display_order: int


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """One market's fixed facts. It is in the feed from `opens` until `closes`.

    A `listed` market shows its contracts in display order, any other by price. Compared by
    identity, which makes a market a cheap key for what is remembered about it.
    """

    id: int
    opens: float
    closes: float
    name: Timeline
    short_name: Timeline
    image: Timeline
    url: str
    closed_date_end: str | None
    listed: bool
    contracts: tuple[Contract, ...]


def build_market(random: SeededRandom, life: Life) -> Market:
    """The market that leads this life."""
    words = question(random, life.id, life.size, dates.eastern(life.closes).year)
    name, short_name = _wordings(random, words.market, life.renames, life.id)
    closed_date_end = None
    if random.unit("odd end", life.id) < 0.25:
        closed_date_end = random.pick(dates.closed_date_ends(life.closes), "closed", life.id)
    listed = life.size > 1 and random.unit("listed", life.id) < 0.12
    return Market(
        id=life.id,
        opens=life.opens,
        closes=life.closes,
        name=name,
        short_name=short_name,
        image=_image(random, life, f"{IMAGES}/Markets/{{}}.jpg", life.id),
        url=f"{SITE}/{life.id}/{slug(words.market.now.name)}",
        closed_date_end=closed_date_end,
        listed=listed,
        contracts=_contracts(random, life, words, listed),
    )


def _contracts(
    random: SeededRandom, life: Life, words: Question, listed: bool
) -> tuple[Contract, ...]:
    # A contract added late is the market's last one, as it has the highest id.
    late = life.size > 2 and random.unit("late", life.id) < 0.7
    added = _moment(random, life, "added", life.id)
    ends = _date_ends(random, life)
    contracts = []
    for index, named in enumerate(words.contracts):
        contract_id = life.id * CONTRACT_IDS + index
        renames = _now_and_then(random, life, 0.03, "rename", contract_id)
        name, short_name = _wordings(random, named, renames, contract_id)
        contracts.append(
            Contract(
                id=contract_id,
                opens=added if late and index == life.size - 1 else life.opens,
                name=name,
                short_name=short_name,
                image=_image(random, life, f"{IMAGES}/Contracts/small_{{}}.png", contract_id),
                date_end=_date_end(random, life, ends, contract_id),
                display_order=index if listed else 0,
            )
        )
    return tuple(contracts)


def _moment(random: SeededRandom, life: Life, *words: str | int) -> float:
    """A moment in the middle part of the market's life."""
    return life.opens + (life.closes - life.opens) * random.between(0.3, 0.7, "moment", *words)


def _now_and_then(
    random: SeededRandom, life: Life, share: float, what: str, subject: int
) -> tuple[float, ...]:
    """For that share of the subjects the moment at which something changes, else none."""
    if random.unit(what, subject) < share:
        return (_moment(random, life, what, subject),)
    return ()


def _wordings(
    random: SeededRandom, named: Named, renames: Sequence[float], subject: int
) -> tuple[Timeline, Timeline]:
    """The name and the short name, which switch wording together."""
    now = named.now._replace(name=with_quirk(random, named.now.name, subject))
    switches = [
        (moment, now if number % 2 else named.later) for number, moment in enumerate(renames)
    ]
    return (
        Timeline(now.name, [(moment, wording.name) for moment, wording in switches]),
        Timeline(now.short_name, [(moment, wording.short_name) for moment, wording in switches]),
    )


def _image(random: SeededRandom, life: Life, form: str, subject: int) -> Timeline:
    moments = _now_and_then(random, life, 0.1, "image", subject)
    return Timeline(
        form.format(random.uuid("image", subject)),
        [(moment, form.format(random.uuid("new image", subject))) for moment in moments],
    )


def _date_ends(random: SeededRandom, life: Life) -> tuple[str, ...]:
    """The end dates to choose a contract's from: mostly one for the whole market."""
    draw = random.unit("date end", life.id)
    if draw < 0.75:
        return ("NA",)
    if draw < 0.92:
        return (dates.iso_date_end(life.closes),)
    return dates.free_text_date_ends(life.closes)


def _date_end(random: SeededRandom, life: Life, ends: Sequence[str], contract_id: int) -> Timeline:
    moments = _now_and_then(random, life, 0.04, "new date end", contract_id)
    return Timeline(
        random.pick(ends, "date end", contract_id),
        [(moment, dates.iso_date_end(life.closes + dates.DAY)) for moment in moments],
    )
