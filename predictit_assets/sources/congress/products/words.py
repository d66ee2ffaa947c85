"""What the tables' codes mean, in words: for the page and for messages."""

from decimal import Decimal

from predictit_assets.report.page import UNKNOWN

PARTIES = {"D": "Democratic", "R": "Republican", "I": "Independent", "L": "Libertarian"}
TYPES = ("purchase", "sale", "partial sale", "exchange", "other")
"""In the order of their colours."""
BASES = {"transaction": "the trade", "public": "the first day of the public"}
OWNERS = {
    "self": "",
    "joint": "jointly",
    "spouse": "by the spouse",
    "child": "by a child",
    "unstated": "",
    "other": "by another",
}
STATUSES = {
    "priced": "with a price",
    "not_a_stock": "no stock or fund: no price of it is kept",
    "none": "the report names no ticker",
    "index": "an index, which nobody can buy",
    "option": "an option: only the stock below it has a price",
    "when_issued": "traded before it was issued",
    "foreign": "a foreign listing",
    "unread": "what stands for the ticker can't be read",
    "no_session": "the day lies outside the exchange's calendar",
    "before_history": "before the prices that are held begin",
    "not_yet": "the price of that day isn't known yet",
    "session_missing": "the prices of that session are missing",
    "not_listed": "the session's prices don't hold this ticker",
}
"""Why a trade has a price on a day, or none."""
BILLION, MILLION, THOUSAND = 10**9, 10**6, 10**4


def type_of(side: str, is_partial: bool) -> str:
    """The type of a trade: one of TYPES."""
    return "partial sale" if side == "sale" and is_partial else side if side in TYPES else "other"


def status(code: str | None) -> str:
    """Why there is a price or none."""
    return STATUSES.get(code or "", code or UNKNOWN)


def dollars(amount: Decimal | None) -> str:
    """An amount to the dollar, or to the cent where it has some."""
    if amount is None:
        return UNKNOWN
    return f"${amount:,.0f}" if amount == amount.to_integral_value() else f"${amount:,.2f}"


def rough(amount: Decimal | None) -> str:
    """A sum as long as a heading bears it."""
    if amount is None:
        return UNKNOWN
    for size, letter in ((BILLION, "B"), (MILLION, "M")):
        if amount >= size:
            return f"${amount / size:,.1f}{letter}"
    return f"${amount / 1000:,.0f}K" if amount >= THOUSAND else f"${amount:,.0f}"


def amount_range(low: Decimal | None, high: Decimal | None, text: str) -> str:
    """The range of one trade, as the report gives it."""
    if low is None:
        return f"unread: {text}" if text else "unread"
    if high is None:
        return f"{dollars(low)} or more"
    return dollars(low) if low == high else f"{dollars(low)} – {dollars(high)}"


def spread(low: Decimal | None, high: Decimal | None, open_ended: int) -> str:
    """Between which sums the truth lies: with an open-ended amount there is no upper one."""
    if low is None:
        return UNKNOWN
    if high is None or open_ended:
        return f"{rough(low)} or more"
    return f"{rough(low)} – {rough(high)}"


def price(close: Decimal | None) -> str:
    """A price of a share."""
    if close is None:
        return UNKNOWN
    if close >= 1:
        return f"${close:,.2f}"
    return f"${f'{close:.6f}'.rstrip('0'):0<4}"


def signed(share: Decimal | None) -> str:
    """A return in per cent, with its sign."""
    if share is None:
        return UNKNOWN
    return f"{share * 100:+.1f}%".replace("-", "−")


def member(name: str | None, party: str | None, state: str | None) -> str:
    """A member as newspapers write one."""
    seat = "-".join(part for part in (party, state) if part)
    return f"{name or 'unknown'} ({seat})" if seat else name or "unknown"
