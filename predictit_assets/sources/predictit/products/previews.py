"""A few rows of the marts for the Dagster UI, read when they were built."""

from collections.abc import Mapping
from datetime import UTC, datetime

import dagster as dg

from predictit_assets.layers.products import Preview, table
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.storage.warehouse import Query


def _newest(query: Query) -> dg.MetadataValue | None:
    ((polled_at,),) = query("select max(polled_at) as polled_at from marts.market_board")
    return dg.MetadataValue.text(_eastern(polled_at)) if polled_at else None


def _eastern(at: datetime) -> str:
    return f"{at.replace(tzinfo=UTC).astimezone(EASTERN.tzinfo):%a %d %b %Y, %H:%M} Eastern"


PREVIEWS: Mapping[str, Preview] = {
    "market_board": Preview(
        "biggest_moves",
        table(
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
        table(
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
        table(
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
        table(
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
