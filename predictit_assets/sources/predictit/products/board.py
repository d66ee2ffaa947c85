"""The board: the newest odds, for the terminal and for pipes."""

import csv
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple, TextIO

from rich.box import SIMPLE_HEAD
from rich.console import JustifyMethod, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from predictit_assets.contract.calendar import age_text
from predictit_assets.report.links import host_of
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.storage.warehouse import Warehouse
from predictit_assets.text import cell, escaped_json, printable, writes_unicode

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
"""Those of live.live_board."""
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

SHAPES = "▁▂▃▄▅▆▇█"


def newest_odds(warehouse: Warehouse, market: str, movers: bool) -> list[Odds]:
    """Open contracts whose market's name contains `market`.

    Markets with the biggest moves since the close come first; with `movers`, contracts by their
    move over 24 hours. Raises NothingPublished.
    """
    with warehouse.read_connection() as ask:
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
    text = json.dumps(odds, indent=1, ensure_ascii=False, default=_plain)
    to.write(escaped_json(text, ascii_only=not writes_unicode(to)) + "\n")


def write_csv(odds: Sequence[Odds], to: TextIO) -> None:
    """Every row as CSV with a heading; what is unknown is empty.

    Texts are on one line, and an apostrophe stands before those that begin like a formula.
    """
    columns = [name for name in odds[0] if name != "last_day"]
    writer = csv.writer(to, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([_csv_cell(row[name]) for name in columns] for row in odds)


def _csv_cell(value: object) -> object:
    if isinstance(value, str):
        return cell(value)
    return _plain(value) if isinstance(value, Decimal | datetime) else value


def _plain(value: object) -> object:
    """What JSON has no type for, as one that it has."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC).isoformat()
    raise TypeError(f"{value!r} is neither a price nor a time")


class Column(NamedTuple):
    """What stands beside the name of a contract."""

    heading: str
    width: int
    show: Callable[[Odds], str | Text]


def columns(width: int, bars: bool = True) -> list[Column]:
    """The columns that fit into a line and leave names enough room."""
    chosen = [column for column in COLUMNS if bars or column.heading != LAST_DAY_HEADING]
    for heading, room in FIRST_TO_GO:
        if width - 2 - sum(column.width + 1 for column in chosen) < room:
            chosen = [column for column in chosen if column.heading != heading]
    return chosen


def render(
    odds: Sequence[Odds],
    markets: int,
    contracts: int,
    width: int,
    now: datetime | None = None,
    *,
    bars: bool = True,
) -> RenderableType:
    """The first `markets` markets (of at least one), `contracts` contracts of each, as a table.

    `bars` says whether the terminal can show them.
    """
    shown = columns(width, bars)
    table = _table(odds, shown, now)
    for n, (_, group) in enumerate(groupby(odds, key=itemgetter("market_id"))):
        if n == markets:
            break
        rows = list(group)
        name = Text(printable(rows[0]["market_short_name"]), style="bold")
        if len(rows) == 1 and rows[0]["contract_short_name"] == rows[0]["market_short_name"]:
            table.add_row(name, *_cells(rows[0], shown), end_section=True)
            continue
        more = f" (+{len(rows) - contracts} more)" if len(rows) > contracts else ""
        table.add_row(name.append(more, style="not bold dim"))
        for k, row in enumerate(rows[:contracts]):
            contract = Padding(Text(printable(row["contract_short_name"])), (0, 0, 0, 2))
            last = k + 1 == min(contracts, len(rows))
            table.add_row(contract, *_cells(row, shown), end_section=last)
    return table


def render_movers(
    odds: Sequence[Odds],
    contracts: int,
    width: int,
    now: datetime | None = None,
    *,
    bars: bool = True,
) -> RenderableType:
    """The first `contracts` contracts (of at least one), each with its market, as a table."""
    shown = columns(width, bars)
    table = _table(odds, shown, now)
    for row in odds[:contracts]:
        market, contract = row["market_short_name"], row["contract_short_name"]
        name = Text(printable(contract), style="bold")
        if market != contract:
            name.append(f"\n{printable(market)}", style="not bold dim")
        table.add_row(name, *_cells(row, shown))
    return table


def _table(odds: Sequence[Odds], shown: Sequence[Column], now: datetime | None) -> Table:
    polled = odds[0]["polled_at"].replace(tzinfo=UTC)
    age = age_text((now or datetime.now(UTC)) - polled)
    local = polled.astimezone(EASTERN.tzinfo)
    host = next(filter(None, (host_of(row["market_url"]) for row in odds)), "PredictIt")
    table = Table(
        title=f"Odds of {local:%a %d %b %Y %H:%M} Eastern, {age}; in cents",
        caption=Text(f"Source: {host}; for non-commercial use."),
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        padding=0,  # the box leaves a space between columns
    )
    table.add_column("contract", min_width=MIN_NAME)
    for column in shown:
        justify: JustifyMethod = "left" if column.heading == LAST_DAY_HEADING else "right"
        table.add_column(column.heading, justify=justify, no_wrap=True, min_width=column.width)
    return table


def _cells(row: Odds, shown: Sequence[Column]) -> list[str | Text]:
    return [column.show(row) for column in shown]


def _cents(price: Decimal | None) -> str:
    return "-" if price is None else f"{price * 100:.0f}"


def _move(price: Decimal | None) -> Text:
    if not price:
        return Text("-" if price is None else "0", style="dim")
    return Text(f"{price * 100:+.0f}", style="green" if price > 0 else "red")


def _implied(probability: Decimal | None) -> str:
    return "-" if probability is None else f"{probability:.0%}"


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


LAST_DAY_HEADING = "last day"
MIN_NAME = 16
"""Characters that a name gets on any terminal; the rest of it goes on in the next line."""
COLUMNS = (
    Column("last", 4, lambda row: _cents(row["last_trade_price"])),
    Column("since\nclose", 5, lambda row: _move(row["since_close"])),
    Column("24 h", 4, lambda row: _move(row["change_24h"])),
    Column("7 d", 3, lambda row: _move(row["change_7d"])),
    Column("bid", 3, lambda row: _cents(row["bid"])),
    Column("ask", 3, lambda row: _cents(row["ask"])),
    Column("implied", 7, lambda row: _implied(row["implied_probability"])),
    Column(LAST_DAY_HEADING, LAST_DAY, lambda row: sparkline(row["last_day"] or [])),
)
FIRST_TO_GO = ((LAST_DAY_HEADING, 42), ("7 d", 36), ("24 h", 36), ("ask", 36), ("bid", 36))
"""Columns that are left out of a line that leaves names fewer characters than this, in turn."""
