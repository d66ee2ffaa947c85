"""Ordinary people of the made-up shop: they browse, look, add, remove and buy."""

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from predictit_assets.sample.random import SeededRandom
from predictit_assets.sources.clickstream.fake.requests import Json, Request, pixel, post

SECOND = 1_000
MINUTE = 60 * SECOND
DAY = 24 * 60 * MINUTE
"""Milliseconds."""
HITS_A_VISIT = 8.1
"""Roughly."""
PEOPLE = 900
SHOP = "https://shop.example"
BROWSERS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64; rv:121.0) Gecko/20100101 Firefox/121.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.1 Safari/605.1.15",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/17.1 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 13; SM-X200) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; Pixel 7) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/120.0.0.0 Mobile Safari/537.36",
)
CAMPAIGNS = (
    "utm_source=news&utm_medium=email&utm_campaign=spring%20sale",
    "utm_source=search&utm_medium=cpc&utm_campaign=lamps",
    "utm_source=friends",
)
BRANDS = ("Lux", "Morgen", None, "Halm", "Nord", "Ton", "Faden")
CATEGORIES = ("home/light", None, "home/textile", "kitchen", None, "garden/tools")


class Product(NamedTuple):
    """Something that is sold. Some lack a brand or a category."""

    sku: str
    name: str
    brand: str | None
    category: str | None
    price: Decimal


PRODUCTS = tuple(
    Product(
        f"sku{n}",
        f"Thing {n}",
        BRANDS[n % len(BRANDS)],
        CATEGORIES[n % len(CATEGORIES)],
        Decimal(195 + 730 * n) / 100,
    )
    for n in range(1, 41)
)


class Person(NamedTuple):
    """Somebody who comes now and then."""

    client: str
    property_id: str
    currency: str
    agent: str
    remote: str
    user: str | None
    """The name under which they log in, if they do."""


def person(draw: SeededRandom, number: int) -> Person:
    """The person of a number."""
    second_shop = draw.unit("shop", number) < 0.25
    return Person(
        str(draw.uuid("client", number)),
        "UA-2-1" if second_shop else "UA-1-1",
        "USD" if second_shop else "EUR",
        draw.pick(BROWSERS, "browser", number),
        f"198.51.100.{number % 254 + 1}",
        f"user{number}" if number % 3 == 0 else None,
    )


def product(place: int, one: Product, quantity: int = 1) -> Json:
    """The keys of a product of a hit."""
    told = {
        "id": one.sku,
        "nm": one.name,
        "br": one.brand,
        "ca": one.category,
        "pr": str(one.price),
        "qt": quantity,
        "ps": place,
    }
    return {f"pr{place}{key}": value for key, value in told.items() if value is not None}


def purchase(number: str, currency: str, basket: Sequence[Product]) -> Json:
    """The keys of a purchase."""
    total = sum((one.price for one in basket), Decimal("4.90"))
    keys: Json = {
        "pa": "purchase",
        "ti": number,
        "ta": "web",
        "tr": str(total),
        "tt": f"{total / 6:.2f}",
        "ts": "4.90",
        "cu": currency,
    }
    for place, one in enumerate(basket, start=1):
        keys |= product(place, one)
    return keys


def visit(draw: SeededRandom, day: date, start_of_day: int, number: int) -> Iterator[Request]:
    """What somebody does in one go, which begins on a day."""
    words = ("visit", str(day), number)
    who = person(draw, draw.number(*words, "who") % PEOPLE)
    at = start_of_day + draw.number(*words, "start") % DAY
    step = 0
    page = "/"
    basket: list[Product] = []

    def send(hit: Json, **page_of: str) -> Request:
        nonlocal at, step
        step += 1
        at += 2 * SECOND + draw.number(*words, step, "pause") % (150 * SECOND)
        common: Json = {
            "v": 1,
            "tid": who.property_id,
            "cid": who.client,
            "z": str(draw.uuid(*words, step, "z")),
            "dl": f"{SHOP}{page}",
            "dt": page_of.get("title", "Shop"),
            "sr": "1440x900",
            "sd": "24-bit",
            "de": "UTF-8",
            "ul": "en-us",
            "qt": draw.number(*words, step, "queue") % 2_000,
        }
        common["tm"] = at - common["qt"] + draw.number(*words, "skew") % 5_000 - 2_500
        if who.user and basket:
            common["uid"] = who.user
        whole = common | hit
        details = {"agent": who.agent, "remote": who.remote, "referer": f"{SHOP}{page}"}
        if draw.unit(*words, step, "how") < 0.05:
            return pixel(at, whole, **details)
        return post(at, whole, **details)

    came_by = draw.unit(*words, "campaign")
    if came_by < 0.3:
        page = f"/?{draw.pick(CAMPAIGNS, *words, 'which')}"
    yield send({"t": "pageview", **({"dr": "https://search.example/?q=lamp"} if came_by else {})})
    for n in range(1 + draw.number(*words, "looks") % 4):
        thing = draw.pick(PRODUCTS, *words, n, "thing")
        if draw.unit(*words, n, "click") < 0.4:
            clicked = {"t": "event", "ec": "shop", "ea": "click", "pa": "click", "pal": "Results"}
            yield send(clicked | product(1, thing))
        page = f"/item/{thing.sku}"
        yield send({"t": "pageview"}, title=thing.name)
        yield send({"t": "event", "ec": "shop", "ea": "look", "pa": "detail"} | product(1, thing))
        if draw.unit(*words, n, "add") < 0.35:
            basket.append(thing)
            yield send({"t": "event", "ec": "shop", "ea": "add", "pa": "add"} | product(1, thing))
            if draw.unit(*words, n, "remove") < 0.15:
                basket.pop()
                gone = {"t": "event", "ec": "shop", "ea": "remove", "pa": "remove"}
                yield send(gone | product(1, thing))
    if basket and draw.unit(*words, "buy") < 0.6:
        page = "/done"
        paid = purchase(f"T-{day:%Y%m%d}-{number}", who.currency, basket)
        yield send({"t": "event", "ec": "shop", "ea": "buy"} | paid, title="Thank you")
