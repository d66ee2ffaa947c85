"""Staged hits that a test makes up: days of a shop, by a seed, with what is hard about clients."""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

from predictit_assets.sources.clickstream.schemas import Hits

Row = dict[str, Any]
Fields = dict[str, Any]

NAMESPACE = uuid5(NAMESPACE_DNS, "clickstream")
COLUMNS = {
    "cid": "client_id",
    "z": "request_id",
    "uid": "user_id",
    "tid": "property_id",
    "t": "hit_type",
    "pa": "product_action",
    "dl": "page_url",
    "dr": "referrer_url",
    "dt": "page_title",
    "sr": "screen_resolution",
    "sd": "screen_colors",
    "de": "document_encoding",
    "ul": "user_language",
    "ec": "event_category",
    "ea": "event_action",
    "el": "event_label",
    "ev": "event_value",
    "pal": "action_list",
    "cu": "currency",
    "ti": "transaction_id",
    "ta": "affiliation",
    "tr": "revenue",
    "tt": "tax",
    "ts": "shipping",
    "tcc": "coupon",
}
"""The keys that are told as they were sent."""
EMPTY = dict.fromkeys(Hits.to_schema().columns)
PERSON, ROBOT = "ExampleBrowser/1.0", "ExampleBot/2.0"
BARE = re.compile(r'"@(.*?)@"')
"""Numbers, as they stand in a body."""
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
A_DAY_OF_MS = 86_400_000
ODD_NUMBERS = (
    *("1e3", "-5", " 12.5 ", "99999999999999.99995", "99999999999999.9", "1.00005", "1.00004999"),
    *("-0.00005", "123456789012345", "1,5", "", "0.33335" + "3" * 60, "7."),
)


def staged(received_at: datetime, payload: str, line: int, index: int, fields: Fields) -> Row:
    """A row of staging.hits, of the fields that a client sent. `@1.50@` is a number."""
    body = BARE.sub(r"\1", json.dumps(fields, separators=(",", ":"), ensure_ascii=False))
    sent = {key: _text(value) for key, value in fields.items() if value is not None}
    agent = sent.get("ua", PERSON)
    pairs = sorted([key, text] for key, text in sent.items() if key not in ("qt", "tm"))
    waited, clock = sent.get("qt", ""), sent.get("tm")
    page = sent.get("dl") or ""
    return {
        **EMPTY,
        **{column: sent.get(key) for key, column in COLUMNS.items()},
        "partition_date": received_at.date(),
        "received_at": received_at,
        "payload": payload,
        "line_number": line,
        "hit_index": index,
        "log_id": str(uuid5(NAMESPACE, f"{payload}:{line}.{index}")),
        "method": "POST",
        "remote": "203.0.113.0",
        "client_ts": datetime(1970, 1, 1) + int(clock) * timedelta(milliseconds=1)
        if clock
        else None,
        "queue_ms": int(waited) if re.fullmatch("[0-9]{1,15}", waited) else None,
        "page_host": "shop.example" if page else None,
        "page_path": page.removeprefix("https://shop.example") or None,
        "referrer_host": (sent.get("dr") or "").removeprefix("https://").strip("/ ") or None,
        **{f"utm_{name}": sent.get(f"utm_{name}") for name in ("source", "medium", "campaign")},
        "user_agent": f" {agent} " if agent else None,
        "user_agent_id": str(uuid5(NAMESPACE, agent)) if agent else None,
        "browser_name": agent.partition("/")[0] or None,
        "browser_version": agent.partition("/")[2] or None,
        "device_type": ("bot" if "Bot" in agent else "desktop") if agent else None,
        "is_bot": "Bot" in agent,
        "agent_rules": f"rules {received_at.date().day // 3}",
        "user_network": sent.get("uip"),
        "content_hash": hashlib.sha256(
            json.dumps(pairs, separators=(",", ":"), ensure_ascii=False).encode()
        ).hexdigest(),
        "body": body,
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).removeprefix("@").removesuffix("@")


class Shop:
    """Days of a shop. The same seed makes the same hits."""

    def __init__(self, seed: int, first: date, days: int, people: int = 9) -> None:
        self.dice = random.Random(seed)  # noqa: S311  # it makes up tests
        self.start = datetime.combine(first, datetime.min.time())
        self.days = days
        self.people = people
        self._rows: list[Row] = []

    def rows(self) -> list[Row]:
        """The staged hits of all days."""
        if not self._rows:
            for fields, at in [*self._visits(), *self._robots()]:
                self._send(fields, at)
            for fields, at, _ in examples(self.start):
                self._send(fields, at, 0)
            for day in range(self.days):
                # It goes on after midnight, and tells that nearly a day later.
                late, midnight = {"cid": f"late {day}", "t": "event"}, self.start + (day + 1) * DAY
                self._send(late, midnight - 10 * MINUTE, 0)
                self._send(late, midnight + 10 * MINUTE, A_DAY_OF_MS - 300_000)
            self._repeat()
        end = self.start + self.days * DAY
        return [row for row in self._rows if self.start <= row["received_at"] < end]

    def _send(self, fields: Fields, at: datetime, waited: int | str | None = None) -> None:
        """Receive a hit that happened at a time: at once, or after a wait that it tells."""
        dice = self.dice
        if waited is None and dice.random() < 0.15:
            waited = dice.choice([0, 1, 1500, 3_600_000, A_DAY_OF_MS, dice.randrange(A_DAY_OF_MS)])
        if isinstance(waited, int):
            at += timedelta(milliseconds=waited)
        told: Fields = {} if waited is None else {"qt": f"@{waited}@"}
        if dice.random() < 0.02:
            told = {"qt": dice.choice(["-1", "x", str(A_DAY_OF_MS + 1), "1.5"])}
        if dice.random() < 0.3:
            ahead = dice.choice([-400_000, -50, 0, 80, 7_200_000])
            since = at + timedelta(milliseconds=ahead) - datetime(1970, 1, 1)
            told["tm"] = str(since // timedelta(milliseconds=1))
        number = len(self._rows)
        payload = f"{at:%Y%m%dT%H}0000Z-{number // 7:064x}.ndjson.gz"
        self._rows.append(staged(at, payload, number % 7 // 2, number % 2, {**fields, **told}))

    # What is done

    def _visits(self) -> Iterator[tuple[Fields, datetime]]:
        dice = self.dice
        for person in range(self.people):
            at = self.start + dice.random() * DAY
            while at < self.start + self.days * DAY:
                at += dice.choice(
                    [
                        *[timedelta(milliseconds=dice.randrange(400_000))] * 12,
                        *(timedelta(0), 30 * MINUTE, 30 * MINUTE - timedelta(milliseconds=1)),
                        *[timedelta(hours=dice.randint(1, 20))] * 2,
                    ]
                )
                at -= timedelta(microseconds=at.microsecond % 1000)
                yield self._hit(f"{' ' if dice.random() < 0.1 else ''}person {person}"), at

    def _hit(self, client: str) -> Fields:
        dice = self.dice
        fields: Fields = {
            "cid": client,
            "z": dice.choice([None, " \t", *[f"{dice.randrange(10**9)}"] * 8]),
            "t": dice.choice(["pageview", "pageview ", "event", "EVENT", "timing", "odd"]),
            "tid": dice.choice([None, "", "UA-1", "UA-1", " UA-2\n"]),
            "uid": dice.choice([None, None, client[-1], f"u{client[-1]}"]),
            "dl": dice.choice([None, *[f"https://shop.example/item/{dice.randrange(5)}"] * 4]),
            "dr": dice.choice([None, "https://search.example/", "https://shop.example/"]),
            "uip": dice.choice([None, "203.0.113.0/24", "198.51.100.0/24"]),
            "sd": dice.choice([None, "24-Bit"]),
            "ul": dice.choice([None, "en-us"]),
            "dt": dice.choice([None, "\u4f8b \U0001f600", ' a "b":5, \\ ']),
        }
        if dice.random() < 0.1:
            fields |= {"utm_source": "news", "utm_medium": dice.choice([None, "mail"])}
        if dice.random() < 0.1:
            fields |= {"utm_campaign": "spring"}
        if dice.random() < 0.3:
            fields |= {"ec": dice.choice(["shop", " "]), "ea": "play", "ev": f"@{dice.random()}@"}
        if dice.random() < 0.6:
            fields |= self._products()
        return fields

    def _products(self) -> Fields:
        dice = self.dice
        action = dice.choice(
            ["click", "detail", "detail", "Detail", "add", "add", "remove", "purchase", "refund"]
        )
        fields: Fields = {"pa": action, "cu": dice.choice([None, "eur", "EUR", "EUR", "usd"])}
        if action == "purchase":
            number = dice.choice([None, " ", *[f"t-{dice.randrange(40)}"] * 6])
            fields |= {
                "ti": number and dice.choice([number, f" {number.upper()} "]),
                "tr": self._number(),
                "tt": self._number(),
                "ts": dice.choice([None, "4.90"]),
                "ta": dice.choice([None, "web"]),
            }
        for product in dice.sample([0, 1, 1, 2, 7, 12, 200, 999], dice.randrange(4)):
            fields |= {
                f"pr{product}id": dice.choice([None, f"sku{dice.randrange(6)}"]),
                f"pr{product}qt": dice.choice([None, "@2@", self._number()]),
                f"{dice.choice(['pr', 'PR', ' Pr'])}{product}pr": self._number(),
                f"pr{product}ps": dice.choice([None, "3", "x", "123456"]),
            }
            if dice.random() < 0.4:
                fields |= {
                    f"pr{product}ca": "home/light",
                    f"pr{product}va": "red",
                    f"PR{product}ID": "folded",
                    f"pr{product:03}nm": "@1.50@",
                    f"pr{product}nm": "Lamp",
                    f"pr{product}cd1": dice.choice(["gift", " ", True, "@7.10@"]),
                    f"pr{product}CM2": 'say "pr1id":5, twice',
                    f"pr{product}": "no field",
                    "pr1000id": "no product",
                }
        return fields

    def _number(self) -> str:
        dice = self.dice
        if dice.random() < 0.2:
            return dice.choice(ODD_NUMBERS)
        return dice.choice(["{}", "@{}@"]).format(f"{dice.randrange(10**6) / 100:.2f}")

    def _robots(self) -> Iterator[tuple[Fields, datetime]]:
        """Programs that never pause: one for days, one for a day, one with a browser's agent."""
        dice = self.dice
        for client, every, start, end in (
            ("robot 1", 20, 0.3, self.days - 0.1),
            ("robot 2", 29, 1.9, 3.2),
            ("hidden robot", 25, 1.0, self.days),
        ):
            at = self.start + start * DAY
            while at < self.start + end * DAY:
                at += timedelta(milliseconds=dice.randrange(every * 60_000))
                agent = PERSON if client == "hidden robot" else ROBOT
                fields = self._hit(client) if dice.random() < 0.2 else {"cid": client, "t": "event"}
                yield {**fields, "ua": agent}, at

    def _repeat(self) -> None:
        """Retries, hits that contradict others, thank-you pages that are opened again."""
        dice = self.dice
        known = [row for row in self._rows if row["request_id"]]
        for row in dice.sample(known, len(known) // 4):
            fields = json.loads(row["body"])
            fields.pop("qt", None)
            later = timedelta(
                milliseconds=dice.choice([0, 5, 60_000, A_DAY_OF_MS, 2 * A_DAY_OF_MS])
                + dice.randrange(3) * 1000
            )
            if dice.random() < 0.3:
                fields["dt"] = "something else"
            if fields.get("pa") == "purchase":
                fields["z"] = str(dice.randrange(10**9))
                if dice.random() < 0.3:
                    fields |= {"cid": "robot 1", "ua": ROBOT}
            self._send(fields, row["received_at"] + later, dice.choice([None, 1000, 60_000]))


def examples(start: datetime) -> Iterator[tuple[Fields, datetime, str]]:
    """The examples of the README: what ann and a program that never pauses send, and when.

    The third of each is the name of the session.
    """
    times: Mapping[str, tuple[str, ...]] = {
        "1 10:00": ("1 10:00:00.000", "1 10:29:59.999"),
        "1 10:59": ("1 10:59:59.999",),
        "1 23:50": ("1 23:50:00.000", "2 00:10:00.000", "2 00:39:59.999"),
    }
    for session, own in times.items():
        for text in own:
            day, _, clock = text.partition(" ")
            at = datetime.combine(start, datetime.strptime(clock, "%H:%M:%S.%f").time())
            yield {"cid": "ann", "t": "pageview"}, at + (int(day) - 1) * DAY, session
    at = start + timedelta(hours=8)
    while at <= start + 3 * DAY + timedelta(hours=12):
        day = (at - start).days + 1
        session = "1 08:00" if day <= 2 else f"{day} 00:00"
        yield {"cid": "bot", "t": "event", "ua": ROBOT}, at, session
        at += 10 * MINUTE
