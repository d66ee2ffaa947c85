"""Markets that left the feed and that PredictIt wasn't asked about yet."""

from predictit_assets.contract.arrival import Query

# An answer that says Open doesn't settle a market, nor does one from before it came back.
PENDING = """
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


def pending_markets(query: Query) -> list[int]:
    """Ids of the markets that left and have no answer, those that left last first."""
    return [market_id for (market_id,) in query(PENDING)]
