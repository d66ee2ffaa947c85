"""A few rows of the marts for the Dagster UI, read when they were built."""

from collections.abc import Mapping

from predictit_assets.layers.products import Preview, table

PREVIEWS: Mapping[str, Preview] = {
    "market_share_1d": Preview(
        "largest_coins_of_the_newest_day",
        table(
            """
            select partition_date, coin_id, market_cap, share, polled_at
            from marts.market_share_1d
            where
                partition_date = (
                    select max(newest.partition_date) from marts.market_share_1d as newest
                )
            order by share desc, coin_id
            limit 8
            """,
            day="date",
            coin="string",
            market_cap="float",
            share="float",
            polled_at="datetime",
        ),
    ),
    "coin_risk_1d": Preview(
        "deepest_drawdowns_of_the_newest_day",
        table(
            """
            select
                partition_date, coin_id, price_close, return_1d, volatility_7d, volatility_30d,
                drawdown
            from marts.coin_risk_1d
            where
                partition_date = (
                    select max(newest.partition_date) from marts.coin_risk_1d as newest
                )
            order by drawdown, coin_id
            limit 8
            """,
            day="date",
            coin="string",
            price_close="float",
            return_1d="float",
            volatility_7d="float",
            volatility_30d="float",
            drawdown="float",
        ),
    ),
    "coin_feed_health": Preview(
        "newest_days",
        table(
            """
            select
                partition_date, polls, complete_polls, coin_rows, rejected_rows, stale_rows,
                longest_gap_minutes, feed_age_p50_s
            from marts.coin_feed_health
            order by partition_date desc
            limit 8
            """,
            day="date",
            polls="int",
            complete_polls="int",
            coin_rows="int",
            rejected_rows="int",
            stale_rows="int",
            longest_gap_minutes="float",
            feed_age_p50_s="int",
        ),
    ),
}
"""By the mart they are of."""
