"""The page: what was read, as HTML that loads nothing."""

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.products.links import link_of
from predictit_assets.sources.predictit.products.report import charts, queries
from predictit_assets.sources.predictit.products.report.queries import Closes, Contents, Outcomes
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

TEMPLATE = "page.html.j2"
SNIPPET = "window.vegaEmbed = vegaEmbed;"
"""What the page needs of the bundled libraries."""
PREDICTIT = "predictit.org"
MADE_UP = "example.org"
"""Reserved for examples: what bears it is made up."""
UNKNOWN = "–"
LONG = 120
"""Minutes from which on hours are told."""


def render(warehouse: Warehouse, objects: ObjectStore) -> bytes:
    """The page about what the warehouse holds now. Raises NothingHeld."""
    return page(queries.read(warehouse), libraries(objects))


def libraries(objects: ObjectStore) -> str:
    """The JavaScript that draws the charts, kept in the store: bundling it takes seconds."""
    import vl_convert

    asked = (SNIPPET, charts.vega_lite())
    made_of = "\n".join([version("vl-convert-python"), *asked])
    key = f"report/libraries/{hashlib.sha256(made_of.encode()).hexdigest()}.js"
    kept = objects.get(key)
    if kept is None:
        kept = vl_convert.javascript_bundle(*asked).encode()
        objects.replace(key, kept)
    return kept.decode()


def page(contents: Contents, libraries: str) -> bytes:
    """The page about these contents: the same bytes for the same contents."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("predictit_assets.sources.predictit.products.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "cents": cents,
        "price": price,
        "minutes": minutes,
        "move": move,
        "percent": percent,
        "web": web,
        "day": day_text,
        "eastern": eastern,
        "days_long": days_long,
        "digest": digest,
        "utc": utc,
    }
    specs = {
        **{f"odds_{n}": charts.odds(course, f"odds_{n}") for n, course in _numbered(contents)},
        "overround": charts.overround(contents.books),
        "arbitrage": charts.arbitrage(contents.books),
        "polls": charts.polls(contents.feed),
    }
    if contents.reliability:
        specs["reliability"] = charts.reliability(contents.reliability)
    text = environment.get_template(TEMPLATE).render(
        contents=contents,
        courses=list(_numbered(contents)),
        specs={name: _json(spec) for name, spec in specs.items()},
        libraries=libraries.replace("</script", "<\\/script"),
        source=source_of(contents.hosts),
        closes=closes_sentences(contents.closes),
        outcomes=outcomes_sentence(contents.outcomes),
        days={"odds": queries.ODDS_DAYS, "books": queries.BOOKS_DAYS, "feed": queries.FEED_DAYS},
        unknown=UNKNOWN,
    )
    return text.encode()


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
    when = f"on {_date(first)}" if first == last else f"from {_date(first)} to {_date(last)}"
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


def percent(share: Decimal | None) -> str:
    """A share in per cent; what is neither none nor all doesn't look like it."""
    if share is None:
        return UNKNOWN
    rounded = f"{share:.0%}"
    if rounded == "0%" and share:
        return "<1%"
    return ">99%" if rounded == "100%" and share != 1 else rounded


def web(address: str) -> str | None:
    """An address that a link may lead to: the feed could send anything."""
    return link_of(address)


def eastern(at: datetime, form: str = "%a %d %b %Y, %H:%M") -> str:
    """A UTC moment on the clocks of New York."""
    return f"{at.replace(tzinfo=UTC).astimezone(EASTERN.tzinfo):{form}}"


def utc(at: datetime) -> str:
    """A UTC moment for scripts."""
    return at.replace(tzinfo=UTC).isoformat()


def day_text(day: date) -> str:
    """A day without its year."""
    return f"{day:%a %d %b}"


def days_long(days: int) -> str:
    """A number of days with its unit."""
    return f"{days} day" if days == 1 else f"{days} days"


def digest(script: str) -> str:
    """What a content security policy knows an inline script by."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _date(day: date) -> str:
    return f"{day:%d %b %Y}".lstrip("0")


def _reasons(groups: Sequence[Closes]) -> str:
    return ", ".join(f"{group.reason} {group.rows:,}" for group in groups)


def _below(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _numbered(contents: Contents) -> Iterator[tuple[int, queries.Course]]:
    return enumerate(contents.courses)


def _json(spec: charts.Spec) -> str:
    """JSON that can stand in a <script>: nothing in it can end one, or begin a comment."""
    text = json.dumps(spec, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c")
