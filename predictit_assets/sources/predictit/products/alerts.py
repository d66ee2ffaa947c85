"""Moves that people want to know of: told after the facts were made, once an hour at most."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import dagster as dg
import msgspec

from predictit_assets.alerts.channels import Channel, Message
from predictit_assets.errors import NothingPublished
from predictit_assets.storage.warehouse import Warehouse

FACT = dg.AssetKey(["core", "predictit", "fact_prices"])
MAX_MOVES = 20
"""Moves spelt out in one message."""
MOVED = """
select
    polled_at, market_short_name, contract_short_name, last_trade_price, change_1h, market_url
from live.live_board
where abs(change_1h) >= ?
qualify row_number() over (order by abs(change_1h) desc, contract_id) <= ?
order by abs(change_1h) desc, contract_id
"""


@dataclass(frozen=True)
class Move:
    """What a contract did within an hour. Prices are dollars a share."""

    polled_at: datetime
    """UTC, without a zone."""
    market: str
    contract: str
    price: Decimal
    change: Decimal
    url: str

    def __str__(self) -> str:
        name = self.market if self.market == self.contract else f"{self.market}: {self.contract}"
        before = self.price - self.change
        return f"{name}: {before * 100:.0f} to {self.price * 100:.0f} cents\n{self.url}"


def moves(warehouse: Warehouse, threshold: float) -> list[Move]:
    """The biggest moves within the hour before the newest poll. Raises WarehouseBusy."""
    try:
        with warehouse.reading() as ask:
            return [Move(*row) for row in ask(MOVED, threshold, MAX_MOVES)]
    except NothingPublished:
        return []


class Told(msgspec.Struct):
    """What the sensor's cursor holds."""

    made: int = 0
    """Storage id of the materialization of the facts that was looked at."""
    polled_at: datetime | None = None
    """The newest poll whose moves were told."""


def moves_sensor(
    moves: Callable[[], list[Move]], channels: Sequence[Channel]
) -> dg.SensorDefinition:
    """Tell the channels of the moves that the facts show when they were made anew."""

    @dg.sensor(
        name="tell_moves",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After core/fact_prices was made: tells what moved beyond the threshold.",
    )
    def tell(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        told = msgspec.json.decode(context.cursor or "{}", type=Told)
        records = context.instance.fetch_materializations(FACT, limit=1).records
        if not records or records[0].storage_id == told.made:
            return dg.SkipReason("the facts weren't made anew")
        # Should the warehouse be busy for long, the tick fails and the next one looks again.
        found = moves()
        told.made = records[0].storage_id
        # An hour is told once, however often the facts are made meanwhile.
        if (
            found
            and told.polled_at
            and (found[0].polled_at - told.polled_at).total_seconds() < 3600
        ):
            found = []
        if not found:
            context.update_cursor(msgspec.json.encode(told).decode())
            return dg.SkipReason("nothing moved that much")
        told.polled_at = found[0].polled_at
        context.update_cursor(msgspec.json.encode(told).decode())
        text = "\n\n".join(str(move) for move in found)
        message = Message(f"predictit: {len(found)} moves within an hour", text, alarming=False)
        refusals = [
            f"{channel.name} couldn't be told ({refusal})"
            for channel in channels
            if (refusal := channel.deliver(message))
        ]
        return dg.SkipReason("; ".join([f"{len(found)} moves told", *refusals]))

    return tell
