"""Orders: a shop's dumps, a file a day, in a zip that a new one takes the place of."""

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import ClassVar

import pyarrow

from predictit_assets.contract.arrival import Arrival, Dropped, FileBounds, FileDrop, Refused
from predictit_assets.contract.calendar import Calendar
from predictit_assets.contract.payload import Payload, Validation
from predictit_assets.contract.schema import Schema
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.contract.source import (
    Dataset,
    Limits,
    Published,
    Reference,
    Serving,
    Source,
)
from predictit_assets.sources.orders import rows
from predictit_assets.sources.orders.schemas import OrderDumps, OrderLines, OrderManifest, Orders
from predictit_assets.sources.orders.settings import OrdersSettings

NAME = "orders"
EASTERN = Calendar("America/New_York")
CRON = "0 6 * * *"
DAY = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(?![0-9])")
MB = 1_000_000


def identify(drop: FileDrop) -> Payload:
    """A file under the day that begins its name. Raises Refused."""
    named = DAY.match(drop.name)
    try:
        day = date.fromisoformat(named[1]) if named else None
    except ValueError:
        day = None
    if day is None:
        raise Refused("its name begins with no date (YYYY-MM-DD): it is left out")
    return Payload(day, drop.came_at, drop.body, drop.name)


def bounds(settings: OrdersSettings) -> FileBounds:
    """What is taken of a zip, by the settings."""
    return FileBounds(
        max_file=settings.max_file_mb * MB,
        max_archive=settings.max_mb * MB,
        max_unpacked=settings.max_unpacked_mb * MB,
    )


class OrderFiles(Dataset):
    """What the shop says of a day."""

    name: ClassVar[str] = "order_files"
    description: ClassVar[str] = "A file of the orders of one day."
    calendar: ClassVar[Calendar] = EASTERN
    arrivals: ClassVar[Sequence[Arrival]] = (
        Dropped(
            identify,
            folder=lambda settings: settings.path,
            url=lambda settings: settings.url.get_secret_value(),
            cron=CRON,
            bounds=bounds,
        ),
    )
    tables: ClassVar[Mapping[str, Schema]] = {
        "orders": Orders,
        "order_lines": OrderLines,
        "order_dumps": OrderDumps,
    }
    rejects: ClassVar[Sequence[str]] = ("orders", "order_lines")
    counts: ClassVar[Sequence[str]] = ("orders", "lines", "incomplete_orders")
    max_age: ClassVar[Limits | None] = None
    one_per_moment: ClassVar[bool] = True
    day_is_capture: ClassVar[bool] = False
    warnings: ClassVar[type[OrderManifest]] = OrderManifest

    def age_of_newest(self, settings: SourceSettings) -> Limits | None:
        """As the settings say: from so many hours on a warning, from twice as many on an error."""
        hours = settings.max_age_hours if isinstance(settings, OrdersSettings) else None
        return Limits(timedelta(hours=hours), timedelta(hours=2 * hours)) if hours else None

    def validate(self, payload: Payload) -> Validation:
        """Check the container, and count. Raises InvalidPayload with the JSON path."""
        seen = rows.look_through(payload)
        counts = {
            "orders": seen.orders,
            "lines": seen.lines,
            "incomplete_orders": seen.incomplete,
        }
        return Validation(counts, sorted(seen.new_fields), seen.rejected)

    def rows(self, payloads: Sequence[Payload]) -> dict[str, pyarrow.RecordBatch]:
        """One row per order, line and file, by payload and position."""
        return rows.batches(payloads)


SOURCE = Source(
    name=NAME,
    title="Orders of a shop, with their lines and what changed afterwards",
    homepage="https://www.shopify.com/",
    licence="the shop's own",
    datasets=(OrderFiles(),),
    settings=OrdersSettings,
    docs="https://shopify.dev/docs/api/admin-rest/latest/resources/order",
    published=Published(
        table="fact_orders",
        days="select distinct partition_date from core.fact_orders",
        newest="select max(updated_at) as newest from core.fact_orders",
    ),
    products="predictit_assets.sources.orders.products",
    max_age=None,
    serving=Serving(
        ("core", "marts", "live_order_summary"),
        private={
            "fact_orders": (
                *("email", "phone", "contact_email", "browser_ip", "token", "cart_token"),
                *("checkout_token", "order_status_url", "note"),
            ),
            "orders_history": ("note",),
        },
        references={
            "fact_order_lines": (Reference(("order_id", "partition_date"), "fact_orders"),)
        },
    ),
)
