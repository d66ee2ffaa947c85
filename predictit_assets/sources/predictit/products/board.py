"""The board: the newest odds, for the terminal and for pipes."""

import csv
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, TextIO
from urllib.parse import urlsplit

from rich.box import SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from predictit_assets.contract.calendar import EASTERN
from predictit_assets.storage.warehouse import Warehouse

Odds = dict[str, Any]
"""A row of live.live_board; with it `biggest_move` of its market and `last_day`, hourly prices."""

BOARD_COLUMNS = (
    "polled_at",
    "market_id",
    "contract_id",
    "market_name",
    "market_short_name",
    "market_url",
    "contract_name",
    "contract_short_name",
    "last_trade_price",
    "bid",
    "ask",
    "mid_price",
    "spread",
    "mark",
    "implied_probability",
    "is_normalized",
    "rank_in_market",
    "since_close",
    "change_1h",
    "change_24h",
    "change_7d",
)
"""Those of schemas.live.LiveBoard, which takes longer to import than the board may to answer."""
BOARD = f"""
select
    {", ".join(f"board.{name}" for name in BOARD_COLUMNS)},
    max(abs(board.since_close)) over (partition by board.market_id) as biggest_move
from live.live_board as board
where board.market_name ilike '%' || ? || '%'
"""
BY_MARKET = (
    "order by biggest_move desc nulls last, board.market_id, board.rank_in_market nulls last"
)
BY_MOVE = "order by abs(board.change_24h) desc nulls last, board.contract_id"
HOURS = """
select contract_id, trade_close
from marts.odds_1h
where partition_date >= (select max(newest.partition_date) from marts.odds_1h as newest) - 1
order by contract_id, period_start_ts
"""
LAST_DAY = 24

WIDE = 100
"""The characters in a line from which on a sparkline leaves room for names."""
SHAPES = "▁▂▃▄▅▆▇█"


def newest_odds(warehouse: Warehouse, market: str, movers: bool) -> list[Odds]:
    """Open contracts whose market's name contains `market`.

    Markets with the biggest moves since the close come first; with `movers`, contracts by their
    move over 24 hours. Raises NothingPublished.
    """
    with warehouse.reading() as ask:
        board = ask(BOARD + (BY_MOVE if movers else BY_MARKET), market)
        hours = ask(HOURS)
    last_days = {
        contract: [price for _, price in prices][-LAST_DAY:]
        for contract, prices in groupby(hours, key=itemgetter(0))
    }
    odds = [dict(zip((*BOARD_COLUMNS, "biggest_move"), row, strict=True)) for row in board]
    return [{**row, "last_day": last_days.get(row["contract_id"])} for row in odds]


def write_json(odds: Sequence[Odds], to: TextIO) -> None:
    """Every row as a JSON array; prices are numbers, times ISO 8601 in UTC."""
    json.dump(list(_plain(odds)), to, indent=1, ensure_ascii=False)
    to.write("\n")


def write_csv(odds: Sequence[Odds], to: TextIO) -> None:
    """Every row as CSV with a heading; what is unknown is empty."""
    rows = [{**row, "last_day": None} for row in _plain(odds)]
    columns = [name for name in rows[0] if name != "last_day"]
    writer = csv.DictWriter(to, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def _plain(odds: Sequence[Odds]) -> Iterator[Odds]:
    for row in odds:
        yield {name: _jsonable(value) for name, value in row.items()}


def _jsonable(value: object) -> object:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    if isinstance(value, list):
        return [_jsonable(one) for one in value]
    return value


def render(odds: Sequence[Odds], markets: int, contracts: int, width: int) -> RenderableType:
    """The first `markets` markets (of at least one), `contracts` contracts of each, as a table."""
    table = _table(odds, width)
    for n, (_, group) in enumerate(groupby(odds, key=lambda row: row["market_id"])):
        if n == markets:
            break
        rows = list(group)
        more = f" (+{len(rows) - contracts} more)" if len(rows) > contracts else ""
        name = Text(str(rows[0]["market_short_name"]), style="bold")
        table.add_row(name.append(more, style="not bold dim"))
        for k, row in enumerate(rows[:contracts]):
            contract = Text("  " + str(row["contract_short_name"]))
            table.add_row(
                contract, *_cells(row, width), end_section=k + 1 == min(contracts, len(rows))
            )
    return table


def render_movers(odds: Sequence[Odds], contracts: int, width: int) -> RenderableType:
    """The first `contracts` contracts (of at least one), each with its market, as a table."""
    table = _table(odds, width)
    for row in odds[:contracts]:
        market, contract = str(row["market_short_name"]), str(row["contract_short_name"])
        name = Text(contract, style="bold")
        if market != contract:
            name.append(f"\n{market}", style="not bold dim")
        table.add_row(name, *_cells(row, width))
    return table


def _table(odds: Sequence[Odds], width: int) -> Table:
    polled = odds[0]["polled_at"].replace(tzinfo=UTC).astimezone(EASTERN)
    table = Table(
        title=f"Odds of {polled:%a %d %b %Y %H:%M} Eastern, in cents",
        caption=f"Source: {urlsplit(odds[0]['market_url']).hostname}; for non-commercial use.",
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    table.add_column("contract")
    for heading in ("last", "close", "24 h", "7 d", "bid", "ask", "implied"):
        table.add_column(heading, justify="right", no_wrap=True)
    if width >= WIDE:
        table.add_column("a day", no_wrap=True)
    return table


def _cells(row: Odds, width: int) -> list[str | Text]:
    """What stands beside the name."""
    implied = row["implied_probability"]
    cells: list[str | Text] = [
        _cents(row["last_trade_price"]),
        _move(row["since_close"]),
        _move(row["change_24h"]),
        _move(row["change_7d"]),
        _cents(row["bid"]),
        _cents(row["ask"]),
        "-" if implied is None else f"{implied:.0%}",
    ]
    return [*cells, sparkline(row["last_day"] or [])] if width >= WIDE else cells


def _cents(price: Decimal | None) -> str:
    return "-" if price is None else f"{price * 100:.0f}"


def _move(price: Decimal | None) -> Text:
    if not price:
        return Text("-" if price is None else "0", style="dim")
    return Text(f"{price * 100:+.0f}", style="green" if price > 0 else "red")


def sparkline(prices: Sequence[Decimal | None]) -> str:
    """Prices as a row of bars, scaled to at least ten cents; a gap where one is unknown."""
    known = [price for price in prices if price is not None]
    if not known:
        return ""
    low = min(known)
    reach = max(max(known) - low, Decimal("0.10"))
    top = len(SHAPES) - 1
    return "".join(
        " " if price is None else SHAPES[int((price - low) / reach * top)] for price in prices
    )
