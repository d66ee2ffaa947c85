"""Alerts of moves: sent after the prices were built, once an hour at most."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import dagster as dg
import msgspec

from predictit_assets.alerts.channels import Channel, Message
from predictit_assets.errors import NothingPublished
from predictit_assets.storage.warehouse import Warehouse
from predictit_assets.text import printable

HOUR = timedelta(hours=1)
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
        market, contract = printable(self.market), printable(self.contract)
        name = market if market == contract else f"{market}: {contract}"
        before = self.price - self.change
        return f"{name}: {before * 100:.0f} to {self.price * 100:.0f} cents\n{printable(self.url)}"


def moves(warehouse: Warehouse, threshold: float) -> list[Move]:
    """The biggest moves within the hour before the newest poll. Raises WarehouseBusy."""
    try:
        with warehouse.read_connection() as ask:
            return [Move(*row) for row in ask(MOVED, threshold, MAX_MOVES)]
    except NothingPublished:
        return []


class Reported(msgspec.Struct):
    """What the sensor's cursor holds."""

    materialization: int = 0
    """Storage id of the materialization of the prices that was looked at last."""
    polled_at: datetime | None = None
    """The newest poll whose moves were reported."""


def moves_sensor(
    moves: Callable[[], list[Move]], channels: Sequence[Channel], prices: dg.AssetKey
) -> dg.SensorDefinition:
    """Notify the channels of moves beyond the threshold after each build of the prices."""

    @dg.sensor(
        name="alert_moves_predictit",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Sends what moved beyond the threshold after {prices.to_user_string()} was built, "
            "once an hour at most."
        ),
    )
    def notify(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        reported = msgspec.json.decode(context.cursor or "{}", type=Reported)
        records = context.instance.fetch_materializations(prices, limit=1).records
        if not records or records[0].storage_id == reported.materialization:
            return dg.SkipReason("the prices weren't built again")
        # If the warehouse stays busy, the tick fails and the next one looks again.
        found = moves()
        reported.materialization = records[0].storage_id
        # The moves of an hour are reported once, however often the prices are built meanwhile.
        if found and reported.polled_at and found[0].polled_at - reported.polled_at < HOUR:
            found = []
        if found:
            reported.polled_at = found[0].polled_at
        context.update_cursor(msgspec.json.encode(reported).decode())
        if not found:
            return dg.SkipReason("nothing moved that much")
        text = "\n\n".join(str(move) for move in found)
        message = Message(f"predictit: {len(found)} moves within an hour", text, alarming=False)
        refusals = [
            f"{channel.name} couldn't be notified ({refusal})"
            for channel in channels
            if (refusal := channel.deliver(message))
        ]
        return dg.SkipReason("; ".join([f"{len(found)} moves reported", *refusals]))

    return notify
