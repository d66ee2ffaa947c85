"""Markets that left the feed: which of them nobody has asked PredictIt about yet."""

from predictit_assets.errors import NothingPublished
from predictit_assets.storage.warehouse import Warehouse

# An answer that says Open isn't the end of it, nor is one from before the market came back.
UNASKED = """
select markets.market_id
from core.dim_markets as markets
left join staging.closed_contracts as answers
    on
        markets.market_id = answers.market_id
        and markets.last_seen_ts <= answers.polled_at
        and answers.market_status = 'Closed'
where not markets.is_open and answers.market_id is null
order by markets.last_seen_ts desc, markets.market_id
"""


def pending_markets(warehouse: Warehouse) -> list[int]:
    """Ids of the markets that left and haven't been asked for, those that left last first.

    None while nothing has been published.
    """
    try:
        with warehouse.reading() as ask:
            return [market_id for (market_id,) in ask(UNASKED)]
    except NothingPublished:
        return []
