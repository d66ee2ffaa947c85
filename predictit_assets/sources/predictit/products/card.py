"""What the index of all pages tells of the odds."""

from predictit_assets.report.figures import number
from predictit_assets.report.index import Ask, Card, Fact, Told

BOARD = """
select
    max(polled_at) as newest,
    count(distinct market_id) as markets,
    count(*) as contracts,
    count_if(market_url like 'https://www.example.org/%') as made_up
from marts.market_board
"""

POLLS = """
select partition_date, polls
from marts.feed_health
order by partition_date desc
limit 1
"""


def read(ask: Ask) -> Told | None:
    """The newest poll, and how often the feed was heard on its day; None where nothing is."""
    ((newest, markets, contracts, made_up),) = ask(BOARD)
    if newest is None:
        return None
    facts = [
        Fact("Markets", number(markets), "Open in the newest poll."),
        Fact("Contracts", number(contracts), "Answers that have a price, in these markets."),
    ]
    for day, polls in ask(POLLS):
        facts.append(Fact("Polls", number(polls), f"Sound answers of the feed on {day:%d %b}."))
    return Told(newest, facts, made_up == contracts)


CARD = Card(
    "What the market thinks",
    "Political odds: who is favoured, what moved, what a whole market costs, and how good the odds "
    "turned out to be.",
    read,
)
