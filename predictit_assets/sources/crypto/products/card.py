"""What the index of all pages tells of the coins."""

from predictit_assets.report.figures import large, number
from predictit_assets.report.index import Ask, Card, Fact, Told

POLLS = "select max(polled_at) as newest from core.coin_polls"

COINS = """
select
    count(*) as coins,
    count_if(image_url like 'https://assets.example/%') as made_up
from core.dim_coins
where is_open
"""

MARKET = """
select partition_date, total_market_cap, coins_counted
from marts.market_share_1d
order by partition_date desc
limit 1
"""

LARGEST = """
select coin_name, price
from live.live_coin_board
where market_cap_rank is not null
order by market_cap_rank
limit 1
"""


def read(ask: Ask) -> Told | None:
    """The newest poll's coins and prices; None before a poll is held."""
    ((newest,),) = ask(POLLS)
    if newest is None:
        return None
    ((coins, made_up),) = ask(COINS)
    facts = [Fact("Coins", number(coins), "In the newest complete poll.")]
    for day, total, counted in ask(MARKET):
        meaning = f"Market caps of {counted:,} coins on {day:%d %b}, in dollars."
        facts.append(Fact("The market", large(total), meaning))
    for name, price in ask(LARGEST):
        facts.append(Fact("Largest coin", f"{price:,.2f}", f"The price of {name}, in dollars."))
    return Told(newest, facts, bool(coins) and made_up == coins)


CARD = Card(
    "What coins cost",
    "Prices of the largest coins: the newest board, shares of the market, risk, and how far they "
    "are from the vendor's own history.",
    read,
)
