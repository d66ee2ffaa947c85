"""What the tables of the clickstream have to be, by their definitions, in plain Python.

It shares no code with the SQL: hits are looked at one by one, in lists, as the definitions say it.
`tables` is given staged rows and gives the rows of every table of core, marts and live.
"""

import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

Row = dict[str, Any]

HALF_AN_HOUR = timedelta(minutes=30)
DAY = timedelta(days=1)
NUMBER = re.compile(r"-?[0-9]{1,14}(\.[0-9]+)?")
PRODUCT = re.compile(r"pr([0-9]{1,3})([^0-9].*)", re.DOTALL)
IDS = (
    *("partition_date", "event_at", "log_id", "session_id", "client_id", "user_id"),
    *("property_id", "is_bot"),
)
AGENT = (
    *("browser_name", "browser_version", "browser_major", "os_name", "os_version"),
    *("device_type", "device_brand", "device_model", "is_bot", "agent_rules"),
)
ACTIONS = {
    "click": ("sum_of_product_clicks", "product_clicks"),
    "detail": ("sum_of_product_details", "product_details"),
    "add": ("sum_of_add_to_cart", "add_to_cart"),
    "remove": ("sum_of_remove_from_cart", "remove_from_cart"),
}


def clean(text: str | None) -> str | None:
    """Without spaces, tabs and line breaks at the ends; blank is None."""
    return (text or "").strip(" \t\r\n") or None


def upper(text: str | None) -> str | None:
    """Clean, in upper case."""
    found = clean(text)
    return found.upper() if found else None


def lower(text: str | None) -> str | None:
    """Clean, in lower case."""
    found = clean(text)
    return found.lower() if found else None


def number(text: str | None) -> Decimal | None:
    """A text as a number with four digits behind the point."""
    found = clean(text)
    if not found or not NUMBER.fullmatch(found):
        return None
    return bounded(Decimal(found))


def bounded(value: Decimal) -> Decimal | None:
    """To four digits; None beyond 14 digits before the point."""
    rounded = value.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return rounded if abs(rounded) < 10**14 else None


def total(values: Iterable[Decimal | None]) -> Decimal | None:
    """The sum of what is known; None where nothing is."""
    known = [value for value in values if value is not None]
    return bounded(sum(known, Decimal(0))) if known else None


def rate(part: int, of: int) -> Decimal | None:
    """A share to six digits; None of nothing."""
    if not of:
        return None
    return (Decimal(part) / Decimal(of)).quantize(Decimal("0.000001"), ROUND_HALF_UP)


def milliseconds(span: timedelta) -> int:
    """A span of whole milliseconds."""
    return span // timedelta(milliseconds=1)


def text_of(value: Any) -> str | None:
    """A value of a JSON object as a text. Numbers have to be `Digits`."""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


# --- Hits -----------------------------------------------------------------------------------------


def judged(staged: Sequence[Row]) -> list[Row]:
    """Staged hits with their time, and whether they are copies or contradict an earlier one."""
    rivals: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for hit in staged:
        if request := clean(hit["request_id"]):
            rivals[str(clean(hit["client_id"])), request].append(hit)
    found = []
    for hit in staged:
        request, client = clean(hit["request_id"]), str(clean(hit["client_id"]))
        before = [
            other
            for other in (rivals[client, request] if request else ())
            if (other["received_at"], other["log_id"]) < (hit["received_at"], hit["log_id"])
            and other["partition_date"] in (hit["partition_date"], hit["partition_date"] - DAY)
        ]
        waited = hit["queue_ms"]
        believed = waited is not None and 0 <= waited <= 86_400_000
        found.append(
            hit
            | {
                "is_copy": any(one["content_hash"] == hit["content_hash"] for one in before),
                "is_conflicting": any(one["content_hash"] != hit["content_hash"] for one in before),
                "time_source": "queue" if believed else "received",
                "event_at": hit["received_at"] - timedelta(milliseconds=waited if believed else 0),
            }
        )
    return found


def session_starts(times: Sequence[tuple[datetime, str]]) -> dict[tuple[datetime, str], datetime]:
    """When the session of each of a client's hits started; hits are (event_at, log_id)."""
    ordered = sorted(times)
    pauses = [
        place == 0 or hit[0] - ordered[place - 1][0] >= HALF_AN_HOUR
        for place, hit in enumerate(ordered)
    ]
    by_day: dict[date, list[bool]] = defaultdict(list)
    for hit, paused in zip(ordered, pauses, strict=True):
        by_day[hit[0].date()].append(paused)
    starts: dict[tuple[datetime, str], datetime] = {}
    start, seen = ordered[0][0], set[date]()
    for hit, paused in zip(ordered, pauses, strict=True):
        day = hit[0].date()
        before = by_day.get(day - DAY, [])
        if paused or (day not in seen and before and not any(before)):
            start = hit[0]
        seen.add(day)
        starts[hit] = start
    return starts


def session_id(client: str, start: datetime) -> str:
    """The id of a session."""
    since = milliseconds(start.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC))
    return hashlib.md5(f"{client}|{since}".encode(), usedforsecurity=False).hexdigest()


def fact_hits(hits: Sequence[Row]) -> list[Row]:
    """core.fact_hits, of judged hits."""
    kept = [hit for hit in hits if not hit["is_copy"]]
    by_client: dict[str, list[Row]] = defaultdict(list)
    for hit in kept:
        by_client[str(clean(hit["client_id"]))].append(hit)
    found = []
    for client, own in by_client.items():
        starts = session_starts([(hit["event_at"], hit["log_id"]) for hit in own])
        begun = set()
        for hit in sorted(own, key=lambda one: (one["event_at"], one["log_id"])):
            start = starts[hit["event_at"], hit["log_id"]]
            found.append(_fact(hit, client, start, is_start=start not in begun))
            begun.add(start)
    return found


def _fact(hit: Row, client: str, start: datetime, *, is_start: bool) -> Row:
    as_sent = (
        *("page_url", "page_host", "page_path", "page_title", "referrer_url", "referrer_host"),
        *("utm_source", "utm_medium", "utm_campaign", "user_network", "screen_resolution"),
        *("document_encoding", "request_id", "user_id", "property_id"),
    )
    return {
        "partition_date": hit["event_at"].date(),
        "event_at": hit["event_at"],
        "received_at": hit["received_at"],
        "time_source": hit["time_source"],
        "log_id": hit["log_id"],
        "client_id": client,
        "session_id": session_id(client, start),
        "is_session_start": is_start,
        "hit_type": lower(hit["hit_type"]),
        "product_action": lower(hit["product_action"]),
        "user_agent_id": hit["user_agent_id"],
        "is_bot": hit["is_bot"],
        "screen_colors": lower(hit["screen_colors"]),
        "user_language": upper(hit["user_language"]),
        "is_conflicting": hit["is_conflicting"],
        "params": json.loads(hit["body"]),
        **{name: clean(hit[name]) for name in as_sent},
    }


def ids_and_times(fact: Row) -> Row:
    """The columns that tables of hits share."""
    return {name: fact[name] for name in IDS}


def pageviews(facts: Sequence[Row]) -> list[Row]:
    """core.pageviews."""
    told = ("page_url", "page_host", "page_path", "page_title", "referrer_url")
    return [
        ids_and_times(fact) | {name: fact[name] for name in told}
        for fact in facts
        if fact["hit_type"] == "pageview"
    ]


def custom_events(facts: Sequence[Row], staged: Mapping[str, Row]) -> list[Row]:
    """core.custom_events."""
    told = ("event_category", "event_action", "event_label", "event_value")
    return [
        ids_and_times(fact)
        | {name: clean(staged[fact["log_id"]][name]) for name in told}
        | {"page_url": fact["page_url"]}
        for fact in facts
        if fact["hit_type"] == "event" and clean(staged[fact["log_id"]]["event_category"])
    ]


def purchase_hits(facts: Sequence[Row], staged: Mapping[str, Row]) -> list[Row]:
    """core.purchase_hits."""
    found = []
    for fact in facts:
        hit = staged[fact["log_id"]]
        if fact["product_action"] == "purchase" and clean(hit["transaction_id"]):
            found.append(
                ids_and_times(fact)
                | {
                    "transaction_id": upper(hit["transaction_id"]),
                    "revenue": number(hit["revenue"]),
                    "tax": number(hit["tax"]),
                    "shipping": number(hit["shipping"]),
                    "affiliation": clean(hit["affiliation"]),
                    "coupon": clean(hit["coupon"]),
                    "currency": upper(hit["currency"]),
                }
            )
    return found


def purchases(sent: Sequence[Row]) -> list[Row]:
    """core.purchases, of purchase hits."""
    by_key: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for hit in sent:
        by_key[hit["property_id"] or "", hit["transaction_id"]].append(hit)
    return [
        min(hits, key=lambda one: (one["event_at"], one["log_id"]))
        | {
            "property_id": key[0],
            "times_sent": len(hits),
            "last_sent_at": max(hit["event_at"] for hit in hits),
        }
        for key, hits in by_key.items()
    ]


class Digits(str):
    """A number of a JSON text, as it was written."""

    __slots__ = ()


def product_actions(facts: Sequence[Row], staged: Mapping[str, Row]) -> list[Row]:
    """core.product_actions."""
    found = []
    for fact in facts:
        hit = staged[fact["log_id"]]
        if not fact["product_action"]:
            continue
        body = json.loads(hit["body"], parse_int=Digits, parse_float=Digits, parse_constant=Digits)
        for product, fields in sorted(_products(body).items()):
            found.append(ids_and_times(fact) | _product(fact, hit, product, fields))
    return found


def _products(body: Mapping[str, Any]) -> dict[int, dict[str, str | None]]:
    products: dict[int, dict[str, str | None]] = defaultdict(dict)
    for key in sorted(body, key=str.encode):
        text = text_of(body[key])
        named = PRODUCT.fullmatch(lower(key) or "")
        if named and text is not None:
            products[int(named[1])].setdefault(named[2], clean(text))
    return products


def _product(fact: Row, hit: Row, product: int, fields: dict[str, str | None]) -> Row:
    position = fields.get("ps") or ""
    known = ("id", "va", "nm", "br", "ca", "ps", "qt", "pr")
    extras = {name: text for name, text in fields.items() if text and name not in known}
    return {
        "product_action": fact["product_action"],
        "product_number": product,
        "product_id": fields.get("id"),
        "product_variant": upper(fields.get("va")),
        "product_name": fields.get("nm"),
        "product_brand": fields.get("br"),
        "product_category": fields.get("ca"),
        "product_position": int(position) if re.fullmatch("[0-9]{1,5}", position) else None,
        "product_quantity": number(fields.get("qt")),
        "product_price": number(fields.get("pr")),
        "currency": upper(hit["currency"]),
        "action_list": lower(hit["action_list"]),
        "transaction_id": upper(hit["transaction_id"]),
        "extras": extras or None,
    }


# --- Sessions -------------------------------------------------------------------------------------


def in_order(hits: Iterable[Row]) -> list[Row]:
    """Hits as they happened."""
    return sorted(hits, key=lambda one: (one["event_at"], one["log_id"]))


def grouped(rows: Iterable[Row], *names: str) -> dict[Any, list[Row]]:
    """Rows by one column, or some of them."""
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        key = tuple(row[name] for name in names)
        found[key if len(names) > 1 else key[0]].append(row)
    return found


def sessions(facts: Sequence[Row], events: Sequence[Row], bought: Sequence[Row]) -> list[Row]:
    """core.sessions."""
    utm = ("utm_source", "utm_medium", "utm_campaign")
    events_of, bought_of = grouped(events, "session_id"), grouped(bought, "session_id")
    found = []
    for session, unordered in grouped(facts, "session_id").items():
        hits = in_order(unordered)
        first, last = hits[0], hits[-1]
        pages = [hit["page_url"] for hit in hits if hit["page_url"] is not None]
        campaign = next((hit for hit in hits if any(hit[name] for name in utm)), {})
        done = [hit["product_action"] for hit in hits]
        found.append(
            {
                "partition_date": first["partition_date"],
                "session_id": session,
                "client_id": first["client_id"],
                "started_at": first["event_at"],
                "ended_at": last["event_at"],
                "duration_seconds": (last["event_at"] - first["event_at"]) // timedelta(seconds=1),
                "hits": len(hits),
                "pageviews": sum(hit["hit_type"] == "pageview" for hit in hits),
                "custom_events": len(events_of.get(session, ())),
                "product_clicks": done.count("click"),
                "product_details": done.count("detail"),
                "adds": done.count("add"),
                "removes": done.count("remove"),
                "purchase_hits": len(bought_of.get(session, ())),
                "entry_page": pages[0] if pages else None,
                "exit_page": pages[-1] if pages else None,
                "referrer_host": None
                if first["referrer_host"] == first["page_host"]
                else first["referrer_host"],
                **{name: campaign.get(name) for name in utm},
                "user_agent_id": first["user_agent_id"],
                "user_ids": sorted({hit["user_id"] for hit in hits} - {None}, key=str.encode),
                "user_networks": sorted({hit["user_network"] for hit in hits} - {None}),
                "is_bot": any(hit["is_bot"] for hit in hits),
            }
        )
    return found


# --- Agents ---------------------------------------------------------------------------------------


def agents(staged: Sequence[Row], *by_day: str) -> list[Row]:
    """core.user_agents_daily (by partition_date), or core.dim_user_agents."""
    known = [hit for hit in staged if hit["user_agent_id"] is not None]
    found = []
    for hits in grouped(known, "user_agent_id", *by_day).values():
        newest = max(hits, key=lambda one: (one["received_at"], one["log_id"]))
        found.append(
            {name: newest[name] for name in ("user_agent_id", *by_day, *AGENT)}
            | {
                "user_agent": clean(newest["user_agent"]),
                "first_seen_ts": min(hit["received_at"] for hit in hits),
                "last_seen_ts": max(hit["received_at"] for hit in hits),
            }
        )
    return found


# --- Marts ----------------------------------------------------------------------------------------

Floor = Callable[[datetime], datetime]


def hour_of(at: datetime) -> datetime:
    """The hour of a moment."""
    return at.replace(minute=0, second=0, microsecond=0)


def day_of(at: datetime) -> datetime:
    """The midnight before a moment."""
    return hour_of(at).replace(hour=0)


def traffic(facts: Sequence[Row], actions: Sequence[Row], floor: Floor) -> list[Row]:
    """marts.traffic_1h or traffic_1d."""
    people = in_order(fact for fact in facts if not fact["is_bot"])
    first: dict[tuple[str, date, str], datetime] = {}
    for fact in people:
        for who in ("user_id", "client_id"):
            if fact[who] is not None:
                first.setdefault((who, fact["partition_date"], fact[who]), floor(fact["event_at"]))
    new = Counter((who, at) for (who, _, _), at in first.items())
    of_people, of_bots, done_by_people = (
        grouped((row | {"start": floor(row["event_at"])} for row in rows), "start")
        for rows in (
            people,
            [fact for fact in facts if fact["is_bot"]],
            [one for one in actions if not one["is_bot"]],
        )
    )
    found = []
    for day in sorted({fact["partition_date"] for fact in facts}):
        midnight = datetime.combine(day, datetime.min.time())
        for start in dict.fromkeys(floor(midnight + n * timedelta(hours=1)) for n in range(24)):
            hits, bots = of_people.get(start, []), of_bots.get(start, [])
            done = done_by_people.get(start, [])
            row = {
                "partition_date": day,
                "period_start_ts": start,
                "hits": len(hits),
                "count_active_sessions": len({hit["session_id"] for hit in hits}),
                "count_active_users": len({hit["user_id"] for hit in hits} - {None}),
                "count_active_clients": len({hit["client_id"] for hit in hits}),
                "count_new_sessions": sum(hit["is_session_start"] for hit in hits),
                "count_new_users": new["user_id", start],
                "count_new_clients": new["client_id", start],
                "pageviews": sum(hit["hit_type"] == "pageview" for hit in hits),
                "hits_of_bots": len(bots),
                "sessions_of_bots": len({hit["session_id"] for hit in bots}),
            }
            for action, (rows, distinct) in ACTIONS.items():
                own = [one for one in done if one["product_action"] == action]
                row[rows] = len(own)
                row[distinct] = len(
                    {(one["session_id"], one["product_id"]) for one in own if one["product_id"]}
                )
            found.append(row)
    return found


def overview(
    periods: Sequence[Row], bought: Sequence[Row], actions: Sequence[Row], floor: Floor
) -> list[Row]:
    """marts.overview_1h or overview_1d, of traffic."""
    items = items_of(actions)
    found = []
    for period in periods:
        own = [
            one
            for one in bought
            if not one["is_bot"] and floor(one["event_at"]) == period["period_start_ts"]
        ]
        currencies = {one["currency"] for one in own}
        products = [item for one in own for item in items[one["log_id"]]]
        row = {
            "transactions": len(own),
            "currencies": len(currencies),
            "transaction_currency": next(iter(currencies)) if len(currencies) == 1 else None,
            "purchased_items": bounded(
                sum((one["product_quantity"] or Decimal(0) for one in products), Decimal(0))
            ),
            "purchased_products": len({one["product_id"] for one in products} - {None}),
        }
        for money in ("revenue", "tax", "shipping"):
            row[f"transaction_{money}"] = (
                Decimal(0)
                if not own
                else total(one[money] for one in own)
                if len(currencies) == 1
                else None
            )
        found.append(period | row)
    return found


def items_of(actions: Sequence[Row]) -> dict[str, list[Row]]:
    """The products of purchases, by hit."""
    found: dict[str, list[Row]] = defaultdict(list)
    for one in actions:
        if one["product_action"] == "purchase":
            found[one["log_id"]].append(one)
    return found


def revenue(bought: Sequence[Row], actions: Sequence[Row]) -> list[Row]:
    """marts.revenue_1d."""
    items = items_of(actions)
    keyed = [one | {"currency": one["currency"] or ""} for one in bought if not one["is_bot"]]
    names = ("partition_date", "property_id", "currency")
    return [
        {
            **dict(zip(names, key, strict=True)),
            "transactions": len(own),
            **{money: total(one[money] for one in own) for money in ("revenue", "tax", "shipping")},
            "items": bounded(
                sum(
                    (
                        item["product_quantity"] or Decimal(0)
                        for one in own
                        for item in items[one["log_id"]]
                    ),
                    Decimal(0),
                )
            ),
            "buyers": len({one["client_id"] for one in own}),
            "repeats": sum(one["times_sent"] - 1 for one in own),
        }
        for key, own in grouped(keyed, *names).items()
    ]


def shopping(visits: Sequence[Row], facts: Sequence[Row], bought: Sequence[Row]) -> Any:
    """By day, of each session of people: whether it looked, added, bought, in that order; and
    whether it added at all, and bought after that."""
    purchased = {one["log_id"] for one in bought}
    of_session = grouped(facts, "session_id")
    days: dict[date, list[dict[str, bool]]] = defaultdict(list)
    for visit in visits:
        if visit["is_bot"]:
            continue
        looked = added = ordered = any_add = left_no_cart = False
        for hit in in_order(of_session[visit["session_id"]]):
            action = hit["product_action"]
            if hit["log_id"] in purchased:
                ordered |= added
                left_no_cart |= any_add
            added |= looked and action == "add"
            any_add |= action == "add"
            looked |= action == "detail"
        days[visit["partition_date"]].append(
            {
                "detail": looked,
                "add": added,
                "purchase": ordered,
                "any_add": any_add,
                "bought": left_no_cart,
            }
        )
    return days


def funnel(days: Any) -> list[Row]:
    """marts.funnel_1d."""
    found = []
    for day, own in days.items():
        reached = [sum(one[step] for one in own) for step in ("detail", "add", "purchase")]
        counts = [len(own), *reached]
        names = ("sessions", "with_detail", "with_add", "with_purchase")
        found.append(
            {
                "partition_date": day,
                **dict(zip(names, counts, strict=True)),
                "detail_rate": rate(counts[1], counts[0]),
                "add_rate": rate(counts[2], counts[1]),
                "purchase_rate": rate(counts[3], counts[2]),
            }
        )
    return found


def cart_abandonment(days: Any) -> list[Row]:
    """marts.cart_abandonment_1d."""
    found = []
    for day, own in days.items():
        carts = [one for one in own if one["any_add"]]
        left = [one for one in carts if not one["bought"]]
        found.append(
            {
                "partition_date": day,
                "sessions_with_add": len(carts),
                "abandoned": len(left),
                "abandonment_rate": rate(len(left), len(carts)),
            }
        )
    return found


def nearest_rank(values: Iterable[int], percent: int) -> int | None:
    """The smallest value that at least this share of the values doesn't exceed."""
    ordered = sorted(values)
    for value in ordered:
        if 100 * sum(one <= value for one in ordered) >= percent * len(ordered):
            return value
    return None


def collector_health(hits: Sequence[Row]) -> list[Row]:
    """marts.collector_health_1h, of judged hits."""
    found = []
    for start, own in grouped(
        ({"start": hour_of(hit["received_at"]), **hit} for hit in hits), "start"
    ).items():
        delays = [hit["queue_ms"] for hit in own if hit["time_source"] == "queue"]
        skews = [
            milliseconds(hit["client_ts"] - hit["received_at"]) for hit in own if hit["client_ts"]
        ]
        found.append(
            {
                "partition_date": start.date(),
                "period_start_ts": start,
                "requests": len({(hit["payload"], hit["line_number"]) for hit in own}),
                "hits": len(own),
                "clients": len({clean(hit["client_id"]) for hit in own}),
                "copies": sum(hit["is_copy"] for hit in own),
                "conflicts": sum(hit["is_conflicting"] and not hit["is_copy"] for hit in own),
                "bot_hits": sum(hit["is_bot"] for hit in own),
                "queued_hits": sum(delay > 0 for delay in delays),
                "refused_qt": sum((hit["queue_ms"] or 0) > 86_400_000 for hit in own),
                "delay_p50_ms": nearest_rank(delays, 50),
                "delay_p95_ms": nearest_rank(delays, 95),
                "skew_p50_ms": nearest_rank(skews, 50),
                "skew_p95_ms": nearest_rank(map(abs, skews), 95),
            }
        )
    return found


def tables(staged: Sequence[Row], rejected: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows of every table, of the staged hits and the rejected ones."""
    hits, by_id = judged(staged), {hit["log_id"]: hit for hit in staged}
    facts = fact_hits(hits)
    events, sent = custom_events(facts, by_id), purchase_hits(facts, by_id)
    actions, bought = product_actions(facts, by_id), purchases(sent)
    visits = sessions(facts, events, sent)
    hours, days = traffic(facts, actions, hour_of), traffic(facts, actions, day_of)
    steps = shopping(visits, facts, sent)
    hourly = overview(hours, bought, actions, hour_of)
    newest = max((hit["received_at"] for hit in staged), default=datetime.min)
    reasons = grouped(rejected, "partition_date", "reason")
    return {
        "core.fact_hits": facts,
        "core.sessions": visits,
        "core.pageviews": pageviews(facts),
        "core.custom_events": events,
        "core.product_actions": actions,
        "core.purchase_hits": sent,
        "core.purchases": bought,
        "core.user_agents_daily": agents(staged, "partition_date"),
        "core.dim_user_agents": agents(staged),
        "marts.traffic_1h": hours,
        "marts.traffic_1d": days,
        "marts.overview_1h": hourly,
        "marts.overview_1d": overview(days, bought, actions, day_of),
        "marts.revenue_1d": revenue(bought, actions),
        "marts.funnel_1d": funnel(steps),
        "marts.cart_abandonment_1d": cart_abandonment(steps),
        "marts.collector_health_1h": collector_health(hits),
        "marts.collector_rejects_1d": [
            {"partition_date": day, "reason": reason, "rejected": len(rows)}
            for (day, reason), rows in reasons.items()
        ],
        "live.live_hits": facts,
        "live.live_sessions": [
            visit | {"is_open": newest - visit["ended_at"] < HALF_AN_HOUR} for visit in visits
        ],
        "live.live_product_actions": actions,
        "live.live_purchases": bought,
        "live.live_overview_1h": hourly,
    }
