"""Made-up orders, as the shop tells them in a dump of some day."""

import math
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from predictit_assets.sample.random import SeededRandom

Json = dict[str, Any]
ZONE = ZoneInfo("America/New_York")
DRAW = SeededRandom(45)
LOCATIONS = (370_001, 370_002, 370_003)
STAFF = tuple(range(192_000_001, 192_000_013))
DEVICES = (44, 45, 46)
"""In each location: the ids are used again."""
FIRST_ID = 149_000_000_000
"""Ids don't fit into 32 bits."""
TAX = 0.08875
NOT_SOLD = 1000
"""Numbers that other channels took, so that what people see is ahead."""


class Product(NamedTuple):
    """One of twenty. Each variant is of one product."""

    product_id: int
    variant_id: int
    cents: int


PRODUCTS = tuple(
    Product(9_080_000_000 + n // 2, 31_000_000_500 + n, 1_500 + 350 * n) for n in range(20)
)


def floated(cents: int, *, noisy: bool) -> str:
    """An amount as the shop's text: a float, which often isn't a whole cent."""
    amount = cents / 100
    return repr(math.nextafter(amount, math.inf) if noisy else amount)


def record(
    day: date,
    number: int,
    *,
    at: time | datetime | None = None,
    products: Sequence[Product] | None = None,
    **changes: Any,
) -> Json:
    """An order of a day. `changes` take the place of what is made up."""
    words = (str(day), number)
    order_id = FIRST_ID + day.toordinal() * 1000 + number
    made = at or time(9 + DRAW.number("hour", *words) % 12, DRAW.number("minute", *words) % 60)
    if isinstance(made, time):
        made = datetime.combine(day, made, ZONE)
    updated = made + timedelta(seconds=14)
    if products is None:
        some = 1 + DRAW.number("lines", *words) % 4
        products = [DRAW.pick(PRODUCTS, "product", *words, n) for n in range(some)]
    quantities = [1 + DRAW.number("quantity", *words, n) % 2 for n in range(len(products))]
    items = sum(one.cents * many for one, many in zip(products, quantities, strict=True))
    discount = items // 10 if DRAW.unit("discount", *words) < 0.15 else 0
    subtotal = items - discount
    tax = round(subtotal * TAX)
    noisy = DRAW.unit("noise", *words) < 0.44
    location = DRAW.pick(LOCATIONS, "location", *words)
    device = DRAW.pick(DEVICES, "device", *words)
    total = floated(subtotal + tax, noisy=noisy)
    order: Json = {
        "id": order_id,
        "email": f"buyer{number}@example.com",
        "closed_at": None,
        "created_at": made.isoformat(),
        "updated_at": updated.isoformat(),
        "number": number + 1,
        "note": None,
        "token": f"token-{order_id}",
        "gateway": DRAW.pick(("cash", "shopify_payments", "shopify_payments"), "paid", *words),
        "test": False,
        "total_price": total,
        "subtotal_price": floated(subtotal, noisy=False),
        "total_weight": 13,
        "total_tax": floated(tax, noisy=noisy),
        "taxes_included": False,
        "currency": "USD",
        "financial_status": "paid",
        "confirmed": True,
        "total_discounts": "0.00",
        "total_line_items_price": floated(items, noisy=False),
        "cart_token": f"cart-{order_id}",
        "buyer_accepts_marketing": number % 3 == 0,
        "name": f"EX{device}-{order_id}",
        "referring_site": None,
        "landing_site": None,
        "cancelled_at": None,
        "cancel_reason": None,
        "total_price_usd": total,
        "checkout_token": f"checkout-{order_id}",
        "reference": None,
        "user_id": STAFF[0]
        if DRAW.unit("first", *words) < 0.25
        else DRAW.pick(STAFF, "staff", *words),
        "location_id": location,
        "source_identifier": f"{location}-{device}-{number}",
        "source_url": None,
        "processed_at": made.isoformat(),
        "device_id": device,
        "phone": "555-555-5555",
        "customer_locale": None,
        "app_id": 129_000,
        "browser_ip": "127.0.0.1",
        "landing_site_ref": None,
        "order_number": number + 1 + NOT_SOLD,
        "processing_method": "direct",
        "checkout_id": 177_000_000_000 + number,
        "source_name": "pos",
        "fulfillment_status": "fulfilled" if number % 4 else None,
        "tags": "",
        "contact_email": f"buyer{number}@example.com",
        "order_status_url": f"https://shop.example.com/orders/{order_id}",
        "total_discount": None,
        "line_items": [
            line(order_id, n, one, many)
            for n, (one, many) in enumerate(zip(products, quantities, strict=True))
        ],
    }
    return order | changes


def line(order_id: int, place: int, product: Product, quantity: int) -> Json:
    """A line of an order."""
    return {
        "id": order_id * 50 + place,
        "variant_id": product.variant_id,
        "quantity": quantity,
        "product_id": product.product_id,
    }


def priced(day: date, number: int, price: str | float, **changes: Any) -> Json:
    """An order without tax, whose prices are all this."""
    keys = ("total_price", "subtotal_price", "total_line_items_price", "total_price_usd")
    prices: Json = dict.fromkeys(keys, price)
    return record(day, number, total_tax="0.0", **prices | changes)


def changed(order: Json, at: datetime, **changes: Any) -> Json:
    """An order after the shop changed it."""
    return order | {"updated_at": at.astimezone(ZONE).isoformat()} | changes


def ordinary(day: date, dumped: date) -> list[Json]:
    """The orders of a day on which nothing is odd, as a dump of another day tells them."""
    orders = [record(day, number) for number in range(5 + DRAW.number("orders", str(day)) % 8)]
    told = []
    for number, order in enumerate(orders):
        noon = datetime.combine(day, time(12), ZONE)
        if number % 5 == 3 and dumped > day + timedelta(days=2):
            closed = noon + timedelta(days=2)
            order = changed(order, closed, closed_at=closed.isoformat())
        if number % 11 == 7 and dumped > day + timedelta(days=1):
            gone = noon + timedelta(days=1)
            order = changed(order, gone, cancelled_at=gone.isoformat(), cancel_reason="customer")
        told.append(order)
    return told
