"""A few rows of the marts for the Dagster UI, read when they were built."""

from collections.abc import Mapping

from predictit_assets.layers.products import Preview, table

PREVIEWS: Mapping[str, Preview] = {
    "trade_prices": Preview(
        "newest_trades",
        table(
            """
            select
                report_date, transaction_date, member_name, side, ticker, amount_low, amount_high,
                stock_close, public_close
            from marts.trade_prices
            where counts
            order by report_date desc, amount_estimate desc nulls last, transaction_id
            limit 8
            """,
            told_on="date",
            traded_on="date",
            member="string",
            side="string",
            ticker="string",
            low="float",
            high="float",
            close_at_the_trade="float",
            close_for_the_public="float",
        ),
    ),
    "trade_coverage": Preview(
        "prices_on_the_day_of_the_trade",
        table(
            """
            select status, sum(trades) as all_trades
            from marts.trade_coverage
            where basis = 'transaction'
            group by status
            order by all_trades desc, status
            """,
            status="string",
            trades="int",
        ),
    ),
    "return_summary": Preview(
        "excess_from_the_first_day_of_the_public",
        table(
            """
            select
                side, horizon_sessions, n, excess_return_mean * 100 as excess_return_mean,
                excess_return_median * 100 as excess_return_median, hit_share * 100 as hit_share
            from marts.return_summary
            where basis = 'public'
            order by side, horizon_sessions
            """,
            side="string",
            sessions="int",
            trades="int",
            mean_percent="float",
            median_percent="float",
            beat_the_benchmark_percent="float",
        ),
    ),
    "buyer_clusters": Preview(
        "newest_clusters",
        table(
            """
            select ticker, report_date, members, parties, amount_low, amount_estimate
            from marts.buyer_clusters
            order by report_date desc, members desc, ticker
            limit 8
            """,
            ticker="string",
            told_up_to="date",
            members="int",
            parties="string",
            at_least="float",
            estimate="float",
        ),
    ),
    "late_filings": Preview(
        "newest_late_reports",
        table(
            """
            select member_name, report_date, late_trades, worst_days_late, amount_estimate
            from marts.late_filings
            order by report_date desc, worst_days_late desc, report_id
            limit 8
            """,
            member="string",
            told_on="date",
            late_trades="int",
            days_late="int",
            estimate="float",
        ),
    ),
    "disclosure_lag_1mo": Preview(
        "days_to_report",
        table(
            """
            select report_month, chamber, party, trades, p50, p90, over_45
            from marts.disclosure_lag_1mo
            order by report_month desc, chamber, party
            limit 8
            """,
            month="date",
            chamber="string",
            party="string",
            trades="int",
            median_days="float",
            nine_of_ten_days="float",
            over_45_days="int",
        ),
    ),
    "trade_breakdown_1d": Preview(
        "greatest_sums_of_the_newest_day",
        table(
            """
            select dimension, value, side, trades, amount_low, amount_high, amount_estimate
            from marts.trade_breakdown_1d
            where
                date_basis = 'report'
                and activity_date = (
                    select max(newest.activity_date)
                    from marts.trade_breakdown_1d as newest
                    where newest.date_basis = 'report'
                )
            order by amount_estimate desc nulls last, dimension, value, side
            limit 8
            """,
            dimension="string",
            value="string",
            side="string",
            trades="int",
            low="float",
            high="float",
            estimate="float",
        ),
    ),
}
"""By the mart they are of."""
