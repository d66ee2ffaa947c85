"""A few rows of the marts for the Dagster UI, read when they were built."""

from collections.abc import Mapping

from predictit_assets.layers.products import Preview, table

PREVIEWS: Mapping[str, Preview] = {
    "overview_1d": Preview(
        "newest_days",
        table(
            """
            select
                partition_date, count_new_sessions, count_active_clients, pageviews,
                sum_of_add_to_cart, transactions, hits_of_bots
            from marts.overview_1d
            order by partition_date desc
            limit 8
            """,
            day="date",
            sessions="int",
            clients="int",
            pageviews="int",
            adds="int",
            transactions="int",
            hits_of_bots="int",
        ),
    ),
    "revenue_1d": Preview(
        "newest_days",
        table(
            """
            select partition_date, property_id, currency, transactions, revenue, tax, shipping
            from marts.revenue_1d
            order by partition_date desc, transactions desc, property_id, currency
            limit 8
            """,
            day="date",
            property="string",
            currency="string",
            transactions="int",
            revenue="float",
            tax="float",
            shipping="float",
        ),
    ),
    "funnel_1d": Preview(
        "newest_days",
        table(
            """
            select
                partition_date, sessions, with_detail, with_add, with_purchase, detail_rate,
                add_rate, purchase_rate
            from marts.funnel_1d
            order by partition_date desc
            limit 8
            """,
            day="date",
            sessions="int",
            with_detail="int",
            with_add="int",
            with_purchase="int",
            detail_rate="float",
            add_rate="float",
            purchase_rate="float",
        ),
    ),
    "collector_health_1h": Preview(
        "newest_hours",
        table(
            """
            select
                period_start_ts, requests, hits, clients, copies, conflicts, bot_hits, delay_p95_ms,
                skew_p95_ms
            from marts.collector_health_1h
            order by period_start_ts desc
            limit 8
            """,
            hour="datetime",
            requests="int",
            hits="int",
            clients="int",
            copies="int",
            conflicts="int",
            bot_hits="int",
            delay_p95_ms="int",
            skew_p95_ms="int",
        ),
    ),
}
"""By the mart they are of."""
