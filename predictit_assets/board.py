"""The board: the newest odds that are published, for the terminal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from urllib.parse import urlsplit

import duckdb
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from predictit_assets.errors import PredictitError
from predictit_assets.storage.warehouse import Warehouse
from predictit_assets.trading_day import EASTERN

ODDS = """
with newest as (select max(last_seen_ts) as polled_at from core.dim_markets),

odds as (
    select
        facts.polled_at, markets.market_id, markets.market_short_name, markets.market_url,
        contracts.contract_short_name, facts.last_trade_price,
        facts.last_trade_price - facts.last_close_price as since_close,
        facts.best_sell_yes_cost as bid, facts.best_buy_yes_cost as ask,
        max(abs(since_close)) over (partition by markets.market_id) as biggest_move
    from core.fact_prices as facts
    inner join newest using (polled_at)
    inner join core.dim_contracts as contracts using (contract_id)
    inner join core.dim_markets as markets on contracts.market_id = markets.market_id
    where markets.market_name ilike '%' || ? || '%'
)

select * exclude (biggest_move)
from odds
order by biggest_move desc nulls last, market_id, last_trade_price desc nulls last
"""


@dataclass(frozen=True)
class Odds:
    """One open contract. Prices are dollars a share; None is unknown."""

    polled_at: datetime
    market_id: int
    market: str
    url: str
    contract: str
    last: Decimal | None
    since_close: Decimal | None
    bid: Decimal | None
    ask: Decimal | None


def newest_odds(warehouse: Warehouse, market: str = "") -> list[Odds]:
    """All open contracts whose market's name contains `market`, biggest moves first."""
    if not warehouse.file.exists():
        raise PredictitError(
            f"there is no warehouse at {warehouse.file} yet: `predictit build` makes it "
            "(`make demo` keeps its own, in PREDICTIT_HOME=data/sample)"
        )
    try:
        with warehouse.connect() as connection:
            rows = connection.execute(ODDS, [market]).fetchall()
    except duckdb.CatalogException:
        raise PredictitError("nothing is published yet: `predictit build` does that") from None
    return [Odds(*row) for row in rows]


def render(odds: Sequence[Odds], markets: int, contracts: int) -> RenderableType:
    """The first `markets` markets (of at least one), `contracts` contracts of each, as a table."""
    polled = odds[0].polled_at.replace(tzinfo=UTC).astimezone(EASTERN)
    table = Table(
        title=f"Odds of {polled:%a %d %b %Y %H:%M} Eastern, in cents",
        caption=f"Source: {urlsplit(odds[0].url).hostname}; for non-commercial use.",
        title_justify="left",
        caption_justify="left",
    )
    table.add_column("market", ratio=3)
    table.add_column("contract", ratio=2)
    for heading in ("last", "since close", "bid", "ask"):
        table.add_column(heading, justify="right", no_wrap=True)
    for n, (_, group) in enumerate(groupby(odds, key=lambda row: row.market_id)):
        if n == markets:
            break
        rows = list(group)
        for k, row in enumerate(rows[:contracts]):
            more = f" (+{len(rows) - contracts} more)" if len(rows) > contracts else ""
            table.add_row(
                Text(row.market + more if k == 0 else ""),
                Text(row.contract),
                _cents(row.last),
                _move(row.since_close),
                _cents(row.bid),
                _cents(row.ask),
                end_section=k + 1 == min(contracts, len(rows)),
            )
    return table


def _cents(price: Decimal | None) -> str:
    return "-" if price is None else f"{price * 100:.0f}"


def _move(price: Decimal | None) -> Text:
    if not price:
        return Text("-" if price is None else "0", style="dim")
    return Text(f"{price * 100:+.0f}", style="green" if price > 0 else "red")
