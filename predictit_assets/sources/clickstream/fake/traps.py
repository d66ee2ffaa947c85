"""What is odd in the posts: the same every day, at the same times."""

import json
from collections.abc import Iterator
from decimal import Decimal

from predictit_assets.sources.clickstream.fake.requests import (
    Json,
    Meant,
    Request,
    meant,
    odd,
    pixel,
    post,
)
from predictit_assets.sources.clickstream.fake.visits import (
    BROWSERS,
    DAY,
    MINUTE,
    PRODUCTS,
    SECOND,
    product,
    purchase,
)

HOUR = 60 * MINUTE
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
LARGEST = 65_536
"""Bytes of a body that a collector takes, where nobody says otherwise."""
NOT_JSON = "not JSON"
NOT_AN_OBJECT = "not an object"
NO_CLIENT = "cid is missing or blank"
LONG_CLIENT = "cid is longer than 128 characters"
NO_TYPE = "t is missing or blank"
EMPTY = "empty body"
NOT_UTF8 = "not UTF-8"
"""The reasons, as the tables are to tell them."""


def traps(day: int) -> list[Request]:
    """The odd requests that begin on a day, which is a number: days since 1970."""
    midnight = day * DAY
    return [
        request
        for some in (_pauses, _crawlers, _sent_again, _clocks, _forms, _texts, _broken)
        for request in some(midnight, str(day))
    ]


def _view(client: str, z: str, **more: str | int) -> Json:
    return {"t": "pageview", "tid": "UA-1-1", "cid": client, "z": z, **more}


def _pauses(midnight: int, day: str) -> Iterator[Request]:
    """A pause of one millisecond less than 30 minutes, one of exactly that, and a midnight."""
    ann, browser = f"ann-{day}", BROWSERS[0]
    ten = midnight + 10 * HOUR
    clock = (ten, ten + 30 * MINUTE - 1, ten + 60 * MINUTE - 1, midnight + DAY - 10 * MINUTE)
    over_midnight = (midnight + DAY + 10 * MINUTE, midnight + DAY + 40 * MINUTE - 1)
    for n, at in enumerate((*clock, *over_midnight)):
        yield post(at, _view(ann, f"{day}-{n}", dl="https://shop.example/a"), agent=browser)
    # Hits of one client in the same millisecond.
    for n in range(3):
        yield post(ten + 7, _view(f"tie-{day}", f"{day}-{n}"), agent=browser)


def _crawlers(midnight: int, day: str) -> Iterator[Request]:
    """Programs that never pause: one says so, one has the agent of a browser."""
    for n in range(144):
        at = midnight + n * 10 * MINUTE
        yield post(at, _view("crawler", f"{day}-{n}"), agent=BOT, remote="192.0.2.1")
        yield post(at + SECOND, _view("hidden", f"{day}-{n}"), agent=BROWSERS[1])


def _sent_again(midnight: int, day: str) -> Iterator[Request]:
    """Retries, which are copies or not; pages of thanks that are loaded again."""
    at = midnight + 11 * HOUR
    again = f"again-{day}"
    once = _view(again, f"z-{day}", dl="https://shop.example/b", qt=10, tm=at)
    later = once | {"qt": 2_010, "tm": at + 2 * SECOND}
    yield post(at, once)
    yield post(at + 2 * SECOND, later)  # a copy
    yield post(at + DAY - SECOND, later)  # one that comes on the day after
    yield post(at + 3 * DAY, later)  # too late to be told from another hit
    yield post(at + 5 * SECOND, once | {"dl": "https://shop.example/other"})  # the same z by chance
    nameless = {"t": "pageview", "cid": again, "dl": "https://shop.example/c"}
    yield post(at + 7 * SECOND, nameless)
    yield post(at + 7 * SECOND, nameless)
    paid = purchase(f"r-{day}", "EUR", PRODUCTS[:2])
    buyer = f"buyer-{day}"
    for n, ago in enumerate((0, 5 * MINUTE, 2 * DAY)):
        sent = {"t": "event", "ec": "shop", "tid": "UA-1-1", "cid": buyer, "z": f"{day}-{n}"}
        number = {"ti": f" R-{day} " if n else f"r-{day}"}
        yield post(at + ago, sent | paid | number, agent=BROWSERS[n])
    # One number, two shops; and money of a third currency.
    other = {"t": "event", "tid": "UA-2-1", "cid": buyer, "z": f"{day}-b", "pa": "purchase"}
    yield post(at + HOUR, other | {"ti": f"R-{day}", "tr": "1234.5", "cu": " chf "})


def _clocks(midnight: int, day: str) -> Iterator[Request]:
    """Queues of some hours, of a day, and of more; clocks that are ahead."""
    at = midnight + 12 * HOUR
    for n, queue in enumerate((3 * HOUR, DAY, DAY + 1, 10**14)):
        yield post(at, _view(f"queue-{day}-{n}", f"{day}-{n}", qt=queue, tm=at - queue))
    yield post(at, _view(f"ahead-{day}", f"{day}-a", tm=at + 2 * DAY))
    yield post(at, _view(f"ahead-{day}", f"{day}-b", tm="soon", qt="-5"))


def _forms(midnight: int, day: str) -> Iterator[Request]:
    """Arrays, lines, pixels; numbers as numbers; what isn't told by the body."""
    at = midnight + 13 * HOUR
    many = [_view(f"form-{day}", f"{day}-{n}", ev=n) for n in range(4)]
    yield post(at, *many, how="array", content_type="application/json")
    yield post(at + SECOND, *[one | {"z": f"{one['z']}-l"} for one in many], how="lines")
    yield pixel(at + 2 * SECOND, _view(f"form-{day}", f"{day}-p", dt="50 % off & more"))
    number = f'{{"cid": {day}, "t": "event", "z": 1.50, "ev": -0, "pr1pr": 27.50, "ni": true}}'
    texts = {"t": "event", "cid": day, "z": "1.50", "ev": "-0", "pr1pr": "27.50", "ni": "true"}
    yield odd(at + 3 * SECOND, number, Meant(texts))
    empty = _view(f"form-{day}", f"{day}-e", dl="", ua=" ", uip="nowhere")
    yield post(at + 4 * SECOND, empty, referer="https://shop.example/from", agent="-")


def _texts(midnight: int, day: str) -> Iterator[Request]:
    """Characters of all kinds, keys that fold to one, and keys that are there twice."""
    at = midnight + 14 * HOUR
    hit = _view(f"text-{day}", f"{day}-0", dt="Grüße 🛒 100%", dl="https://SHOP.example:443/%F0")
    yield post(at, hit)
    halves = r'"t":"pageview","z":"1","dt":"a\ud800b\u0000c","\udc00":"x"'
    values = {"t": "pageview", "cid": f"half-{day}", "z": "1", "dt": "a\ufffdb\ufffdc"}
    yield odd(at + SECOND, f'{{"cid":"half-{day}",{halves}}}', Meant(values | {"\ufffd": "x"}))
    twice = '"t":"item","t":"pageview","cid":"x","z":null,"cd":[1, {"a":2}]'
    yield odd(
        at + 2 * SECOND,
        f'{{{twice},"cid":"twice-{day}"}}',
        Meant({"t": "pageview", "cid": f"twice-{day}", "cd": '[1,{"a":2}]'}),
    )
    basket = {"PR1ID": "folded", "pr1id": "plain", "pr100id": "sku100", "pr2cd7": "gift"}
    yield post(at + 3 * SECOND, _view(f"text-{day}", f"{day}-1", pa="add") | basket)
    yield post(at + 4 * SECOND, _view(f"text-{day}", f"{day}-2", t="Hover", pa="wink"))
    # As many bytes as are taken.
    long = _view(f"text-{day}", f"{day}-3", dt="")
    space = LARGEST - len(json.dumps(long))
    yield post(at + 5 * SECOND, long | {"dt": "x" * space})


def _broken(midnight: int, day: str) -> Iterator[Request]:
    """What can't be loaded, beside what can."""
    at = midnight + 15 * HOUR
    client = f"broken-{day}"
    good = _view(client, f"{day}-0")
    bad: list[tuple[bytes | str, list[str]]] = [
        ("{", [NOT_JSON]),
        ("t=pageview&cid=1", [NOT_JSON]),
        ("[1, null]", [NOT_AN_OBJECT, NOT_AN_OBJECT]),
        ('"text"', [NOT_AN_OBJECT]),
        ('{"t": "pageview", "z": "1"}', [NO_CLIENT]),
        ('{"t": "pageview", "cid": " \\t"}', [NO_CLIENT]),
        (json.dumps({"t": "pageview", "cid": "c" * 129}), [LONG_CLIENT]),
        (json.dumps({"cid": client}), [NO_TYPE]),
        ('{"cid": "a", "t": ""}', [NO_TYPE]),
        (b"", [EMPTY]),
        ("  \n ", [EMPTY]),
        (b'{"t": "pageview", "cid": "\xff\xfe"}', [NOT_UTF8]),
        ("[" * 20_000, [NOT_JSON]),
    ]
    for n, (body, reasons) in enumerate(bad):
        yield odd(at + n * SECOND, body, *reasons)
    lines = f'{json.dumps(good)}\n\nbroken\n{{"t": 1}}'
    yield odd(at + HOUR, lines, meant(good), NOT_JSON, NO_CLIENT)
    few = _view(client, f"{day}-1", pr1pr=str(Decimal("1.5")))
    yield odd(at + HOUR, json.dumps([few, {"cid": client}]), meant(few), NO_TYPE)
    yield post(at + HOUR + SECOND, _view(client, f"{day}-2", pa="add") | product(1, PRODUCTS[0]))
