"""The index of all pages: a card a source, with what its page is about and a few numbers of it.

What a card says and counts belongs to the source: `CARD` in its products. A source that has none
gets one of what its declaration says.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from importlib import import_module
from typing import Any, NamedTuple

from predictit_assets.contract.source import Source
from predictit_assets.report.figures import number
from predictit_assets.report.page import fill

INDEX = "index"
"""The name of the page, where the others bear that of their source. No source is called so."""
TEMPLATE = "index.html.j2"
Ask = Callable[..., list[tuple[Any, ...]]]
"""Runs a query (with `?` for each value that follows it) and gives its rows."""


class Fact(NamedTuple):
    """A number on a card."""

    name: str
    value: str
    meaning: str
    """What is counted, in a sentence."""


class Told(NamedTuple):
    """What a card tells of what is published."""

    newest: datetime
    """Of when the newest is, UTC without a zone."""
    facts: Sequence[Fact]
    made_up: bool = False


class Card(NamedTuple):
    """What the index says of a source."""

    title: str
    """That of its page."""
    sentence: str
    """What is to be read there."""
    read: Callable[[Ask], Told | None]
    """Asks the published tables; None where they hold nothing."""


class Entry(NamedTuple):
    """A card as it is shown."""

    source: str
    card: Card
    told: Told | None
    has_page: bool


def card_of(source: Source) -> Card:
    """The card of a source."""
    own = getattr(import_module(source.products), "CARD", None) if source.products else None
    return own or Card(source.title, "", _published_of(source))


def _published_of(source: Source) -> Callable[[Ask], Told | None]:
    def read(ask: Ask) -> Told | None:
        if source.published is None:
            return None
        ((newest,),) = ask(source.published.newest)
        if newest is None:
            return None
        days = len(ask(source.published.days))
        return Told(newest, [Fact("Days", number(days), "Days of which something is published.")])

    return read


def page(entries: Sequence[Entry]) -> bytes:
    """The index: the same bytes for the same entries."""
    return fill(__package__, TEMPLATE, "", {}, {}, entries=entries)
