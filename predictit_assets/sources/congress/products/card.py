"""What the index of all pages tells of the trades."""

from datetime import timedelta

from predictit_assets.report.figures import number
from predictit_assets.report.index import Ask, Card, Fact, Told

DAYS = 30
"""Days of reports that are counted."""

ASKED = """
select max(newest_answer_at) as newest, max(partition_date) as last_day
from core.trade_listing_days
"""

LAST_REPORT = """
select max(report_date) as last_report
from core.fact_trades
where counts and report_date <= ?
"""

TRADES = """
select
    count(*) as trades,
    count(distinct member_id) as members,
    median(case when dates_plausible then days_to_report end) as median_days,
    count_if(disclosure_url like 'https://%example.org/%') as made_up
from core.fact_trades
where counts and report_date > ? and report_date <= ?
"""


def read(ask: Ask) -> Told | None:
    """Trades that were told lately; None before anything was asked."""
    ((newest, asked),) = ask(ASKED)
    if newest is None:
        return None
    ((last,),) = ask(LAST_REPORT, asked)
    if last is None:
        return Told(newest, [Fact("Trades", "0", "Told so far.")])
    ((trades, members, days, made_up),) = ask(TRADES, last - timedelta(days=DAYS), last)
    facts = [
        Fact("Trades", number(trades), f"Told in the {DAYS} days up to {last:%d %b}."),
        Fact("Members", number(members), "Of Congress, who made these trades."),
    ]
    if days is not None:
        delay = f"{days:.1f}".removesuffix(".0")
        facts.append(Fact("Median delay", f"{delay} d", "Days from such a trade to its report."))
    return Told(newest, facts, bool(trades) and made_up == trades)


CARD = Card(
    "What members of Congress traded",
    "Trades in stocks that members disclose: who bought and sold what, how late it was told, and "
    "what became of it.",
    read,
)
