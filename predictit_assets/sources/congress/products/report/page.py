"""The page: what was read, as HTML that loads nothing."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from predictit_assets.report.links import host_of
from predictit_assets.report.page import UNKNOWN, fill, libraries
from predictit_assets.sources.congress.ask import EASTERN
from predictit_assets.sources.congress.products import words
from predictit_assets.sources.congress.products.report import charts, queries
from predictit_assets.sources.congress.products.report.queries import (
    Contents,
    Disclosure,
    Returns,
    Value,
    Window,
)
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.warehouse import Warehouse

TEMPLATE = "page.html.j2"
MADE_UP = "example.org"
"""Reserved for examples: what bears it is made up."""
TOP = 12
"""Values of a dimension in a table."""
SIDES = ("purchase", "sale")
TILES = """
AK .  .  .  .  .  .  .  .  .  .  ME
.  .  .  .  .  .  .  .  .  .  VT NH
.  WA ID MT ND MN IL WI MI NY RI MA
.  OR NV WY SD IA IN OH PA NJ CT .
.  CA UT CO NE MO KY WV VA MD DE .
.  .  AZ NM KS AR TN NC SC DC .  .
.  .  .  .  OK LA MS AL GA .  .  .
HI .  .  .  TX .  .  .  .  FL .  .
PR VI GU AS MP .  .  .  .  .  .  .
"""
"""Where a state lies on the map of tiles; the territories are below."""


def render(warehouse: Warehouse, objects: ObjectStore, prices: bool) -> bytes:
    """The page about what the warehouse holds now. Raises NothingHeld.

    `prices` says whether the marts are there that need the prices of stocks.
    """
    return page(queries.read(warehouse, prices), libraries(objects))


def page(contents: Contents, libraries: str) -> bytes:
    """The page about these contents: the same bytes for the same contents."""
    specs = {"lags": charts.lags(contents.lags)}
    for window in contents.windows:
        specs[f"types_{window.days}"] = charts.types(window)
        specs[f"transactions_{window.days}"] = charts.transactions(window)
    sides = [side for side in SIDES if any(one.side == side for one in contents.returns)]
    for side in sides:
        specs[f"returns_{side}"] = charts.returns(contents.returns, side)
    return fill(
        __package__,
        TEMPLATE,
        libraries,
        specs,
        FILTERS,
        contents=contents,
        tiles=tiles,
        left_out=charts.left_out,
        greatest=greatest,
        horizons=horizons,
        what=what,
        words=words,
        sides=sides,
        source=source_of(contents.addresses),
        top=TOP,
        year=queries.YEAR,
        months=queries.LAG_MONTHS,
    )


def source_of(addresses: Sequence[str]) -> dict[str, Any]:
    """Who keeps the reports, by the addresses of the disclosures."""
    hosts = sorted({host for address in addresses if (host := host_of(address))})
    made_up = bool(hosts) and all(host == MADE_UP or host.endswith(f".{MADE_UP}") for host in hosts)
    return {"hosts": ", ".join(hosts) or "unknown", "made_up": made_up}


def tiles(window: Window) -> list[dict[str, Any]]:
    """The states as a map: where each lies, and how deep its colour is, in per cent."""
    values = {value.value: value for value in window.values.get("state", ())}
    most = max((value.estimate or Decimal() for value in values.values()), default=Decimal())
    found = []
    for row, line in enumerate(TILES.split("\n")[1:-1], start=1):
        for column, code in enumerate(line.split(), start=1):
            if code == ".":
                continue
            value = values.get(code)
            share = float((value.estimate or 0) / most) if value and most else 0.0
            # The square root, as one state often has more than all others.
            depth = round(8 + 52 * share**0.5) if value else 0
            found.append(
                {"code": code, "row": row, "column": column, "value": value, "depth": depth}
            )
    return found


def greatest(values: Sequence[Value]) -> Decimal:
    """What the longest bar stands for; never zero."""
    return max((value.estimate or Decimal() for value in values), default=Decimal()) or Decimal(1)


def horizons(returns: Sequence[Returns], side: str) -> list[tuple[int, dict[str, Returns]]]:
    """By horizon what became of the trades of a side, by basis."""
    found: dict[int, dict[str, Returns]] = {}
    for one in returns:
        if one.side == side:
            found.setdefault(one.horizon, {})[one.basis] = one
    return sorted(found.items())


def what(trade: Disclosure) -> str:
    """What was traded, as short as it can be told."""
    return trade.security_name or trade.ticker or trade.ticker_sent or "not named"


def eastern(at: datetime) -> str:
    """A UTC moment on the clocks of Washington."""
    return f"{at.replace(tzinfo=UTC).astimezone(EASTERN.tzinfo):%a %d %b %Y, %H:%M}"


def month(day: date) -> str:
    """The month of a day."""
    return f"{day:%b %Y}"


def days(number: Decimal | float | None) -> str:
    """A number of days, with a half where it has one."""
    return UNKNOWN if number is None else f"{number:.1f}".removesuffix(".0")


def share(part: int, whole: int) -> str:
    """A part in per cent."""
    return f"{100 * part / whole:.0f}%" if whole else UNKNOWN


FILTERS: Mapping[str, Callable[..., Any]] = {
    "eastern": eastern,
    "month": month,
    "days": days,
    "share": share,
    "dollars": words.dollars,
    "rough": words.rough,
    "price": words.price,
    "signed": words.signed,
    "status": words.status,
}
