"""What the index of all pages tells of the prices."""

from predictit_assets.report.figures import number
from predictit_assets.report.index import Ask, Card, Fact, Told

MADE_UP = "Made-Up 500 Fund"
"""A fund of the made-up exchange, and of no real one."""

PRICES = """
select
    max(captured_at) as newest,
    max(partition_date) as last_day,
    count(distinct partition_date) as sessions
from core.fact_stock_days
"""

TRADED = """
select count(distinct ticker) as traded
from core.fact_stock_days
where partition_date = ?
"""

SPLITS = "select count(*) as splits from core.fact_stock_splits"

OF_A_MADE_UP_EXCHANGE = "select count(*) as funds from core.dim_tickers where name = ?"


def read(ask: Ask) -> Told | None:
    """Sessions, stocks and splits; None before a session is held."""
    ((newest, last, sessions),) = ask(PRICES)
    if newest is None:
        return None
    ((traded,),) = ask(TRADED, last)
    ((splits,),) = ask(SPLITS)
    ((funds,),) = ask(OF_A_MADE_UP_EXCHANGE, MADE_UP)
    facts = [
        Fact("Sessions", number(sessions), "Days of the exchange whose prices are held."),
        Fact("Stocks", number(traded), f"With a price on {last:%d %b}, the newest session."),
        Fact("Splits", number(splits), "Told for these days, or for days to come."),
    ]
    return Told(newest, facts, bool(funds))


CARD = Card(
    "What stocks cost",
    "Prices of each session as they were then, splits, and which tickers were listed: what trades "
    "of Congress are held against.",
    read,
)
