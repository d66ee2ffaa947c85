"""What the index of all pages tells of the orders."""

from predictit_assets.report.figures import number
from predictit_assets.report.index import Ask, Card, Fact, Told

TOLD = """
select max(captured_at) as newest, max(partition_date) as last_day
from staging.order_dumps
"""

SUMS = """
select currency, sum(orders) as all_orders, sum(net) as all_net
from marts.order_summary_1d
group by currency
order by all_orders desc, currency
limit 1
"""

MADE_UP = """
select
    count(*) as all_orders,
    count_if(order_status_url like 'https://%.example.com/%') as made_up
from core.fact_orders
"""


def read(ask: Ask) -> Told | None:
    """Orders of the currency that most are in; None before a file is held."""
    ((newest, last),) = ask(TOLD)
    if newest is None:
        return None
    facts = []
    for currency, orders, net in ask(SUMS):
        money = currency or "a currency that isn't told"
        facts.append(Fact("Orders", number(int(orders)), f"Up to {last:%d %b}, in {money}."))
        facts.append(Fact("Net", f"{net:,.0f}", f"Prices after discounts, before tax, in {money}."))
        if orders:
            facts.append(Fact("Average order", f"{net / orders:,.2f}", "Net by order."))
    ((all_orders, made_up),) = ask(MADE_UP)
    return Told(newest, facts, bool(all_orders) and made_up == all_orders)


CARD = Card(
    "What the shop sold",
    "Orders of a shop: net by day and location, hours of the week, staff, products, and what "
    "changed after the fact.",
    read,
)
