"""How figures and names are told on any page: numbers of things, money, parts, changes.

Here belongs what pages of two sources tell alike. What is a price of one source only stays there.
"""

from decimal import Decimal

from predictit_assets.report.page import UNKNOWN
from predictit_assets.text import printable

UNITS = ((Decimal("1e12"), "T"), (Decimal("1e9"), "B"), (Decimal("1e6"), "M"))


def number(of: int | None) -> str:
    """A number of things."""
    return UNKNOWN if of is None else f"{of:,}"


def money(amount: Decimal | None) -> str:
    """An amount to the cent; what currency it is in stands beside it."""
    return UNKNOWN if amount is None else f"{amount:,.2f}"


def large(dollars: Decimal | None) -> str:
    """A sum of money to three digits, with its unit."""
    if dollars is None:
        return UNKNOWN
    for size, unit in UNITS:
        if dollars >= size:
            scaled = dollars / size
            return f"{scaled:,.{2 if scaled < 10 else 1 if scaled < 100 else 0}f} {unit}"
    return f"{dollars:,.0f}"


def share(part: Decimal | int, whole: Decimal | int) -> str:
    """A part in per cent, to a tenth; what isn't none doesn't look like it."""
    if not whole:
        return UNKNOWN
    rounded = f"{100 * part / whole:.1f}%"
    return "<0.1%" if rounded == "0.0%" and part else rounded


def move(change: Decimal | None, digits: int = 1) -> str:
    """A change in per cent, with its sign."""
    if change is None:
        return UNKNOWN
    text = f"{change * 100:+.{digits}f}%"
    return text.lstrip("+-") if not float(text[:-1]) else text.replace("-", "−")


def way(change: Decimal | None) -> str:
    """The class of a change: up, down, or neither as far as it is told."""
    if change is None or move(change)[0] not in "+−":
        return "flat"
    return "up" if change > 0 else "down"


def short(text: str, longest: int) -> str:
    """A text of others, fit for a line: no more than `longest` characters of it."""
    fit = printable(text)
    return fit if len(fit) <= longest else f"{fit[: longest - 1]}…"
