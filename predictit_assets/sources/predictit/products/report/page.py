"""The page: what was read, as HTML that loads nothing."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from predictit_assets.report.page import UNKNOWN, date_text, fill, libraries, percent
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.products.report import charts, queries
from predictit_assets.sources.predictit.products.report.queries import Closes, Contents, Outcomes
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

TEMPLATE = "page.html.j2"
PREDICTIT = "predictit.org"
MADE_UP = "example.org"
"""Reserved for examples: what bears it is made up."""
LONG = 120
"""Minutes from which on hours are told."""


def render(warehouse: Warehouse, objects: ObjectStore) -> bytes:
    """The page about what the warehouse holds now. Raises NothingHeld."""
    return page(queries.read(warehouse), libraries(objects))


def page(contents: Contents, libraries: str) -> bytes:
    """The page about these contents: the same bytes for the same contents."""
    specs = {
        **{f"odds_{n}": charts.odds(course, f"odds_{n}") for n, course in _numbered(contents)},
        "overround": charts.overround(contents.books),
        "arbitrage": charts.arbitrage(contents.books),
        "polls": charts.polls(contents.feed),
    }
    if contents.reliability:
        specs["reliability"] = charts.reliability(contents.reliability)
    return fill(
        __package__,
        TEMPLATE,
        libraries,
        specs,
        FILTERS,
        contents=contents,
        courses=list(_numbered(contents)),
        source=source_of(contents.hosts),
        closes=closes_sentences(contents.closes),
        outcomes=outcomes_sentence(contents.outcomes),
        days={"odds": queries.ODDS_DAYS, "books": queries.BOOKS_DAYS, "feed": queries.FEED_DAYS},
    )


def source_of(hosts: Sequence[str]) -> dict[str, Any]:
    """Whose odds they are, by the addresses that the markets bear."""
    return {
        "hosts": ", ".join(hosts) or "unknown",
        "predictit": bool(hosts) and all(_below(host, PREDICTIT) for host in hosts),
        "made_up": bool(hosts) and all(_below(host, MADE_UP) for host in hosts),
    }


def closes_sentences(closes: Sequence[Closes]) -> list[str]:
    """The close reconciliation in words: what agrees, why the rest doesn't, what can't be told."""
    compared = [group for group in closes if group.agrees is not None]
    rows = sum(group.rows for group in compared)
    if not rows:
        return ["No close could be compared yet: that takes polls on two days in a row."]
    agreeing = sum(group.rows for group in compared if group.agrees)
    first, last = min(g.first for g in compared), max(g.last for g in compared)
    when = (
        f"on {date_text(first)}"
        if first == last
        else f"from {date_text(first)} to {date_text(last)}"
    )
    sentences = [
        f"Of {rows:,} closes {when} that could be compared, {agreeing:,} "
        f"({percent(Decimal(agreeing) / rows)}) are what the feed reported on the day after."
    ]
    if others := [group for group in compared if not group.agrees]:
        sentences.append(f"The others: {_reasons(others)}.")
    if unknown := [group for group in closes if group.agrees is None]:
        sentences.append(f"Not to be compared: {_reasons(unknown)}.")
    return sentences


def outcomes_sentence(outcomes: Outcomes) -> str:
    """How the contracts ended whose markets left the feed, in words."""
    decided = outcomes.yes + outcomes.no
    left = decided + outcomes.in_doubt + outcomes.unasked
    if not left:
        return "No market has left the feed yet, so no price could be compared with an outcome."
    if left == outcomes.unasked:
        return f"How {left:,} contracts ended whose market left the feed wasn't asked yet."
    unasked = f" How {outcomes.unasked:,} ended wasn't asked yet." if outcomes.unasked else ""
    return (
        f"Of {left:,} contracts whose market left the feed, {outcomes.yes:,} came true, "
        f"{outcomes.no:,} didn't, and {outcomes.in_doubt:,} ended in doubt.{unasked}"
    )


def cents(dollars: Decimal | None, digits: int = 0) -> str:
    """A price as a number of cents."""
    return UNKNOWN if dollars is None else f"{dollars * 100:.{digits}f}"


def price(dollars: Decimal | None) -> str:
    """A price with its unit."""
    return UNKNOWN if dollars is None else f"{cents(dollars)}¢"


def minutes(long: Decimal | None) -> str:
    """How long something took, in the unit that suits it."""
    if long is None:
        return UNKNOWN
    return f"{long:.0f} min" if long < LONG else f"{long / 60:.1f} h"


def move(change: Decimal | None) -> str:
    """A change in cents, with its sign."""
    if change is None:
        return UNKNOWN
    return f"{change * 100:+.0f}".replace("-", "−") if change else "0"


def eastern(at: datetime, form: str = "%a %d %b %Y, %H:%M") -> str:
    """A UTC moment on the clocks of New York."""
    return f"{at.replace(tzinfo=UTC).astimezone(EASTERN.tzinfo):{form}}"


def days_long(days: int) -> str:
    """A number of days with its unit."""
    return f"{days} day" if days == 1 else f"{days} days"


def _reasons(groups: Sequence[Closes]) -> str:
    return ", ".join(f"{group.reason} {group.rows:,}" for group in groups)


def _below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _numbered(contents: Contents) -> Iterator[tuple[int, queries.Course]]:
    return enumerate(contents.courses)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "cents": cents,
    "price": price,
    "minutes": minutes,
    "move": move,
    "eastern": eastern,
    "days_long": days_long,
}
