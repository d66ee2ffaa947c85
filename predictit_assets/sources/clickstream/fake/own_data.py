"""Requests made of two files that the user has: events of a shop's sessions, and its products."""

import csv
from collections.abc import Iterator, Mapping
from decimal import Decimal, InvalidOperation
from itertools import islice
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

from predictit_assets.errors import ExpectedError
from predictit_assets.sources.clickstream.fake.requests import Json, Request, post
from predictit_assets.sources.clickstream.fake.visits import SHOP

EVENTS, PRODUCTS = "browsing_train.csv", "sku_to_content.csv"
OF_EVENTS = (
    *("session_id_hash", "event_type", "product_action", "product_sku_hash"),
    *("server_timestamp_epoch_ms", "hashed_url"),
)
OF_PRODUCTS = ("product_sku_hash", "category_hash", "price_bucket")
MAX_FIELD = 1 << 20
"""Characters of a field: products come with long vectors, which aren't read."""


def requests(folder: Path, hits: int) -> list[Request]:
    """So many hits of the files, in order of time. Raises ExpectedError."""
    products = {row["product_sku_hash"]: row for row in _rows(folder / PRODUCTS, OF_PRODUCTS)}
    events = islice(_rows(folder / EVENTS, OF_EVENTS), hits)
    made = [_request(n, event, products) for n, event in enumerate(events)]
    return sorted(made, key=lambda request: request.at)


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[dict[str, str]]:
    csv.field_size_limit(MAX_FIELD)
    try:
        with file.open(newline="") as opened:
            rows = csv.DictReader(opened)
            if missing := set(columns) - set(rows.fieldnames or ()):
                raise ExpectedError(f"{file} lacks the columns {', '.join(sorted(missing))}")
            yield from rows
    except OSError as error:
        raise ExpectedError(f"{file} can't be read: {error.strerror}") from None
    except (csv.Error, UnicodeDecodeError) as error:
        raise ExpectedError(f"{file} is no CSV in UTF-8: {error}") from None


def _request(n: int, event: Mapping[str, str], products: Mapping[str, dict[str, str]]) -> Request:
    session, action = event["session_id_hash"], event["product_action"]
    try:
        at = int(event["server_timestamp_epoch_ms"])
    except (TypeError, ValueError):
        raise ExpectedError(f"{EVENTS}: event {n + 1} has no time in milliseconds") from None
    hit: Json = {
        "cid": str(uuid5(NAMESPACE_DNS, session)),
        "z": str(uuid5(NAMESPACE_DNS, f"{session}.{n}")),
        "t": "pageview" if event["event_type"] == "pageview" else "event",
        "tm": at,
        "dl": f"{SHOP}/{event['hashed_url']}",
    }
    if action:
        hit["pa"] = action
    if sku := event["product_sku_hash"]:
        product = products.get(sku, {})
        told = {
            "pr1id": sku,
            "pr1ca": product.get("category_hash"),
            "pr1pr": product.get("price_bucket"),
        }
        hit |= {key: value for key, value in told.items() if value}
    if action == "purchase":
        hit |= {"ti": str(uuid5(NAMESPACE_DNS, f"{session}.{at}")), "tr": _price(hit)}
    return post(at, hit)


def _price(hit: Json) -> str:
    """The bucket of a price, which stands for the price itself."""
    try:
        return str(Decimal(hit.get("pr1pr", "0")))
    except InvalidOperation:
        return "0"
