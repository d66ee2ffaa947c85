"""Small pictures of the marts for the Dagster UI.

They are bars, written as SVG by hand: a plotting library would take longer than the whole mart.
"""

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from html import escape

from predictit_assets.storage.warehouse import Ask

WIDTH = 480
STEP = 34
MARGIN = 12
UP, DOWN, INK = "#1f8a5b", "#c2412d", "#333"


Bar = tuple[str, float, str]
"""A label, a value, and the value as text."""


@dataclass(frozen=True)
class Picture:
    """What is drawn of a mart: the rows of a query, each as a bar."""

    title: str
    query: str
    bar: Callable[..., Bar]

    def markdown(self, ask: Ask) -> str | None:
        """The picture as it is now, as a Markdown image; None when there is nothing to draw."""
        rows = [self.bar(*row) for row in ask(self.query)]
        if not rows:
            return None
        encoded = base64.b64encode(bars(rows).encode()).decode()
        return f"{self.title}\n\n![{self.title}](data:image/svg+xml;base64,{encoded})"


def _move(market: str, contract: str, since_close: Decimal) -> Bar:
    label = market if market == contract else f"{market}: {contract}"
    return label, float(since_close), f"{since_close * 100:+.0f}"


def _profit(day: date, net: Decimal) -> Bar:
    return f"{day:%a %d %b %Y}", float(net), f"{net * 100:+.1f}"


def _polls(day: date, polls: int) -> Bar:
    return f"{day:%a %d %b %Y}", float(polls), f"{polls:,d}"


def _error(price: Decimal, contracts: int, share: Decimal) -> Bar:
    label = f"{price * 100:.0f}¢, {contracts:,d} contracts, {share * 100:.0f} % came true"
    return label, float(share - price), f"{(share - price) * 100:+.0f}"


PICTURES = {
    "market_board": Picture(
        "Biggest moves since the close, in cents",
        """
        select market_short_name, contract_short_name, since_close
        from marts.market_board
        where since_close <> 0
        order by abs(since_close) desc, contract_id
        limit 8
        """,
        _move,
    ),
    "market_books": Picture(
        "Best negative-risk profit of a day, after the fee, in cents",
        """
        select partition_date, max(best_no_net) as best_no_net
        from marts.market_books
        where best_no_net is not null
        group by partition_date
        order by partition_date desc
        limit 8
        """,
        _profit,
    ),
    "feed_health": Picture(
        "Sound polls a day",
        """
        select partition_date, polls
        from marts.feed_health
        order by partition_date desc
        limit 8
        """,
        _polls,
    ),
    "calibration": Picture(
        "Too cheap (up) or too dear (down) a day before the end: came true less mean price",
        """
        select mean_price, contracts, yes_share
        from marts.calibration
        where days_before = 1
        order by price_bin
        """,
        _error,
    ),
}
"""By the name of the mart."""


def bars(rows: Sequence[Bar]) -> str:
    """An SVG of bars, each below its label, to the right for what is more than nothing."""
    values = [value for _, value, _ in rows]
    low, high = min(0.0, *values), max(0.0, *values)
    room = WIDTH - 2 * MARGIN - 40  # the values stand beside the bars
    scale = room / ((high - low) or 1)
    zero = MARGIN - low * scale
    drawn = []
    for n, (label, value, text) in enumerate(rows):
        top = MARGIN + n * STEP
        long = abs(value) * scale
        left = zero - (long if value < 0 else 0)
        end = max(zero, left + long) + 4
        drawn.append(
            f'<text x="{MARGIN}" y="{top + 10}">{escape(label)}</text>'
            f'<rect x="{left:.1f}" y="{top + 15}" width="{long:.1f}" height="12" '
            f'fill="{DOWN if value < 0 else UP}"/>'
            f'<text x="{end:.1f}" y="{top + 25}">{escape(text)}</text>'
        )
    height = 2 * MARGIN + len(rows) * STEP
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
        f'font-family="sans-serif" font-size="11" fill="{INK}">'
        f'<rect width="100%" height="100%" fill="white"/>{"".join(drawn)}</svg>'
    )
