"""What the index of all pages tells of the clicks."""

from predictit_assets.report.figures import number
from predictit_assets.report.index import Ask, Card, Fact, Told

NEWEST = "select max(received_at) as newest from core.fact_hits"

DAY = """
select partition_date, count_new_sessions, pageviews, transactions
from marts.overview_1d
order by partition_date desc
limit 1
"""

MADE_UP = """
select
    count(entry_page) as all_pages,
    count_if(entry_page like 'https://%.example/%' or entry_page like 'https://%.example:%')
        as made_up
from core.sessions
"""


def read(ask: Ask) -> Told | None:
    """The newest day of visits; None before a hit is held."""
    ((newest,),) = ask(NEWEST)
    if newest is None:
        return None
    facts = []
    for day, sessions, views, bought in ask(DAY):
        facts += [
            Fact("Sessions", number(sessions), f"Visits that began on {day:%d %b}, without bots."),
            Fact("Page views", number(views), "Of people on that day."),
            Fact("Purchases", number(bought), "On that day, each counted once."),
        ]
    ((pages, made_up),) = ask(MADE_UP)
    return Told(newest, facts, bool(pages) and made_up == pages)


CARD = Card(
    "What people do",
    "Clicks and purchases on sites and apps: visits by hour and day, the funnel, carts that were "
    "left, where people come from, and bots.",
    read,
)
