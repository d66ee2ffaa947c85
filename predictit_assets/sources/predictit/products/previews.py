"""A few rows of the marts for the Dagster UI, read when they were built."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import dagster as dg

from predictit_assets.layers.products import Preview
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.storage.warehouse import Query
from predictit_assets.text import printable

Plain = str | int | float | None


def _table(sql: str, **columns: str) -> Callable[[Query], dg.MetadataValue | None]:
    """Reads rows as a table; `columns` are their names and types, in the order of the query."""
    schema = dg.TableSchema([dg.TableColumn(name, kind) for name, kind in columns.items()])

    def read(query: Query) -> dg.MetadataValue | None:
        records = [
            dg.TableRecord(dict(zip(columns, map(_plain, row), strict=True))) for row in query(sql)
        ]
        return dg.MetadataValue.table(records, schema) if records else None

    return read


def _plain(value: Any) -> Plain:
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, str):
        return printable(value)
    return value if value is None or isinstance(value, int | float) else str(value)


def _newest(query: Query) -> dg.MetadataValue | None:
    ((polled_at,),) = query("select max(polled_at) as polled_at from marts.market_board")
    return dg.MetadataValue.text(_eastern(polled_at)) if polled_at else None


def _eastern(at: datetime) -> str:
    return f"{at.replace(tzinfo=UTC).astimezone(EASTERN.tzinfo):%a %d %b %Y, %H:%M} Eastern"


PREVIEWS: Mapping[str, Preview] = {
    "market_board": Preview(
        "biggest_moves",
        _table(
            """
            select
                market_short_name, contract_short_name,
                last_trade_price * 100 as last_trade_price, since_close * 100 as since_close
            from marts.market_board
            where since_close <> 0
            order by abs(since_close) desc, contract_id
            limit 8
            """,
            market="string",
            contract="string",
            last_cents="float",
            since_close_cents="float",
        ),
    ),
    "market_books": Preview(
        "best_arbitrage_a_day",
        _table(
            """
            select partition_date, max(best_no_net) * 100 as best_no_net
            from marts.market_books
            where best_no_net is not null
            group by partition_date
            order by partition_date desc
            limit 8
            """,
            day="date",
            profit_after_fee_cents="float",
        ),
    ),
    "feed_health": Preview(
        "polls_a_day",
        _table(
            """
            select partition_date, polls, longest_gap_minutes
            from marts.feed_health
            order by partition_date desc
            limit 8
            """,
            day="date",
            polls="int",
            longest_gap_minutes="float",
        ),
    ),
    "calibration": Preview(
        "came_true_by_price_a_day_before",
        _table(
            """
            select mean_price * 100 as mean_price, contracts, yes_share * 100 as yes_share
            from marts.calibration
            where days_before = 1
            order by price_bin
            """,
            mean_price_cents="float",
            contracts="int",
            came_true_percent="float",
        ),
    ),
}
"""By the mart they are of."""

NEWEST_POLL = Preview("odds_of", _newest)
"""Of when the odds of the board are."""
