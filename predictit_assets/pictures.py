"""Small pictures of the marts for the Dagster UI.

They are bars, written as SVG by hand: a plotting library would take longer than the whole mart.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from predictit_assets.storage.warehouse import Warehouse

WIDTH = 480
STEP = 34
MARGIN = 12
UP, DOWN, INK = "#1f8a5b", "#c2412d", "#333"


@dataclass(frozen=True)
class Picture:
    """What is drawn of a mart: rows of a label, a value and the value as text, by a query."""

    title: str
    query: str

    def markdown(self, warehouse: Warehouse) -> str | None:
        """The picture as it is now, as a Markdown image; None when there is nothing to draw."""
        with warehouse.connect() as connection:
            rows = connection.execute(self.query).fetchall()
        if not rows:
            return None
        encoded = base64.b64encode(bars(rows).encode()).decode()
        return f"{self.title}\n\n![{self.title}](data:image/svg+xml;base64,{encoded})"


PICTURES = {
    "market_board": Picture(
        "Biggest moves since the close, in cents",
        """
        select
            case
                when market_short_name = contract_short_name then market_short_name
                else market_short_name || ': ' || contract_short_name
            end,
            since_close::double,
            format('{:+d}', (since_close * 100)::int)
        from marts.market_board
        where since_close <> 0
        order by abs(since_close) desc, contract_id
        limit 8
        """,
    ),
    "market_books": Picture(
        "Best negative-risk profit of a day, after the fee, in cents",
        """
        select
            strftime(snapshot_date, '%a %d %b %Y'),
            max(best_no_net)::double,
            format('{:+.1f}', max(best_no_net)::double * 100)
        from marts.market_books
        where best_no_net is not null
        group by snapshot_date
        order by snapshot_date desc
        limit 8
        """,
    ),
    "feed_health": Picture(
        "Sound polls a day",
        """
        select strftime(snapshot_date, '%a %d %b %Y'), polls::double, format('{:,d}', polls)
        from marts.feed_health
        order by snapshot_date desc
        limit 8
        """,
    ),
    "calibration": Picture(
        "Too cheap (up) or too dear (down) a day before the end: came true less mean price",
        """
        select
            format(
                '{:.0f}¢, {:,d} contracts, {:.0f} % came true',
                mean_price::double * 100, contracts, yes_share::double * 100
            ),
            (yes_share - mean_price)::double,
            format('{:+.0f}', (yes_share - mean_price)::double * 100)
        from marts.calibration
        where days_before = 1
        order by price_bin
        """,
    ),
}
"""By the name of the mart."""


def bars(rows: Sequence[tuple[str, float, str]]) -> str:
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
