"""A few rows of core for the Dagster UI, read when they were built."""

from collections.abc import Mapping

from predictit_assets.layers.products import Preview, table

PREVIEWS: Mapping[str, Preview] = {
    "fact_stock_days": Preview(
        "most_traded_of_the_newest_session",
        table(
            """
            select partition_date, ticker, close, volume, close * volume as traded
            from core.fact_stock_days
            where
                partition_date = (
                    select max(newest.partition_date) from core.fact_stock_days as newest
                )
            order by traded desc, ticker
            limit 8
            """,
            session="date",
            ticker="string",
            close="float",
            volume="float",
            traded="float",
        ),
    ),
}
"""By the table they are of."""
