"""Orders: from dropped files and a real socket to staged rows, worked out by hand."""

import gzip
import io
import json
import logging
import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from deaths import Killed, dying
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from predictit_assets import factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.contract.arrival import FileDrop, Refused
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.errors import FetchError, SettingsError
from predictit_assets.fetch import client as fetch_client
from predictit_assets.instance.runs import run_build
from predictit_assets.layers.intake import Intake
from predictit_assets.sample.clock import SettableClock
from predictit_assets.sample.http import Answer
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.orders.fake import FakeShop, traps, zips
from predictit_assets.sources.orders.fake.records import record
from predictit_assets.sources.orders.fake.shop import came_at, dump
from predictit_assets.sources.orders.settings import OrdersSettings
from predictit_assets.sources.orders.source import identify
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.stream import Stream

ORDERS = load("orders")
(FILES,) = ORDERS.datasets
DAY = date(2024, 3, 5)
AT = datetime(2024, 3, 6, 10, 0, 0, 5, tzinfo=UTC)
START = date(2024, 3, 1)
SIGNATURE = "s3cret-signature"
NOT_OF_DAY = "not of this day"

ORDER = """
{"id":74000000001,"email":"a@example.com","closed_at":null,
 "created_at":"2024-03-05T19:57:38-05:00","updated_at":"2024-03-05T19:57:49-05:00","number":1630,
 "note":null,"token":"t","gateway":"shopify_payments","test":false,
 "total_price":"58.800000000000004","subtotal_price":"54.0","total_weight":13,
 "total_tax":"4.800000000000001","taxes_included":false,"currency":"USD",
 "financial_status":"paid","confirmed":true,"total_discounts":"0.00",
 "total_line_items_price":"54.0","cart_token":"c","buyer_accepts_marketing":true,
 "name":"EX45-186400000","referring_site":null,"landing_site":null,"cancelled_at":null,
 "cancel_reason":null,"total_price_usd":"58.800000000000004","checkout_token":"k",
 "reference":null,"user_id":192000001,"location_id":370001,"source_identifier":"370001-45-1864",
 "source_url":null,"processed_at":"2024-03-05T19:57:38-05:00","device_id":45,
 "phone":"555-555-5555","customer_locale":null,"app_id":129000,"browser_ip":"127.0.0.1",
 "landing_site_ref":null,"order_number":2630,"processing_method":"direct",
 "checkout_id":177000000003,"source_name":"pos","fulfillment_status":null,"tags":"",
 "contact_email":"a@example.com","order_status_url":"https://shop.example.com/1",
 "total_discount":null,
 "line_items":[{"id":147000000499,"variant_id":31000000539,"quantity":1,"product_id":9080000027}]}
"""


def payload(*orders: str, part: str = "2024-03-05.json") -> Payload:
    """A file of these orders."""
    body = f'{{"orders": [{",".join(orders)}]}}'.encode()
    return Payload(date.fromisoformat(part[:10]), AT, body, part, "20240306T100000Z-x.json.gz")


def edited(**changes: Any) -> str:
    """The order with some keys changed; None in place of a key's value is null."""
    return json.dumps(json.loads(ORDER) | changes)


def without(key: str) -> str:
    """The order without a key."""
    return json.dumps({name: value for name, value in json.loads(ORDER).items() if name != key})


def staged(one: Payload) -> dict[str, list[dict[str, Any]]]:
    """The rows of a file."""
    return {table: batch.to_pylist() for table, batch in FILES.rows([one]).items()}


# Rows


def test_every_column_of_an_order_is_as_worked_out_by_hand() -> None:
    (row,) = staged(payload(ORDER))["orders"]
    assert row == {
        "partition_date": DAY,
        "captured_at": AT.replace(tzinfo=None),
        "part": "2024-03-05.json",
        "position": 0,
        "order_id": 74_000_000_001,
        "email": "a@example.com",
        "closed_at": None,
        # Seven minutes past half past seven in the evening is the next day in UTC.
        "created_at": datetime(2024, 3, 6, 0, 57, 38),
        "updated_at": datetime(2024, 3, 6, 0, 57, 49),
        "number": 1630,
        "note": None,
        "token": "t",
        "gateway": "shopify_payments",
        "test": False,
        "total_price": Decimal("58.80"),
        "subtotal_price": Decimal("54.00"),
        "total_weight": 13,
        "total_tax": Decimal("4.80"),
        "taxes_included": False,
        "currency": "USD",
        "financial_status": "paid",
        "confirmed": True,
        "total_discounts": Decimal("0.00"),
        "total_line_items_price": Decimal("54.00"),
        "cart_token": "c",
        "buyer_accepts_marketing": True,
        "name": "EX45-186400000",
        "referring_site": None,
        "landing_site": None,
        "cancelled_at": None,
        "cancel_reason": None,
        "total_price_usd": Decimal("58.80"),
        "checkout_token": "k",
        "reference": None,
        "user_id": 192_000_001,
        "location_id": 370_001,
        "source_identifier": "370001-45-1864",
        "source_url": None,
        "processed_at": datetime(2024, 3, 6, 0, 57, 38),
        "device_id": 45,
        "phone": "555-555-5555",
        "customer_locale": None,
        "app_id": 129_000,
        "browser_ip": "127.0.0.1",
        "landing_site_ref": None,
        "order_number": 2630,
        "processing_method": "direct",
        "checkout_id": 177_000_000_003,
        "source_name": "pos",
        "fulfillment_status": None,
        "tags": "",
        "contact_email": "a@example.com",
        "order_status_url": "https://shop.example.com/1",
        "total_discount": None,
        "created_at_offset_minutes": -300,
        "order_date": DAY,
        "order_hour": 19,
    }


def test_every_column_of_a_line_and_of_a_file_is_as_worked_out_by_hand() -> None:
    of_file = {
        "partition_date": DAY,
        "captured_at": AT.replace(tzinfo=None),
        "part": "2024-03-05_b.json",
    }
    rows = staged(payload(without("id"), ORDER, part="2024-03-05_b.json"))
    assert rows["order_lines"] == [
        of_file
        | {
            "order_position": 1,
            "line_number": 1,
            "line_id": 147_000_000_499,
            "order_id": 74_000_000_001,
            "variant_id": 31_000_000_539,
            "product_id": 9_080_000_027,
            "quantity": 1,
        }
    ]
    assert rows["order_dumps"] == [of_file | {"order_count": 2, "line_count": 2}]


def test_a_file_without_orders_leaves_a_row() -> None:
    rows = staged(payload())
    assert [len(rows[table]) for table in ("orders", "order_lines", "order_dumps")] == [0, 0, 1]
    assert FILES.validate(payload()).counts == {"orders": 0, "lines": 0, "incomplete_orders": 0}


@pytest.mark.parametrize(
    ("order", "reason", "path"),
    [
        *((without(key), "missing required field", "$.orders[0]") for key in
          ("id", "created_at", "updated_at", "test", "line_items", "total_price", "total_tax",
           "subtotal_price", "total_line_items_price")),
        *((edited(**{key: None}), "", f"$.orders[0].{key}") for key in
          ("id", "created_at", "updated_at", "test", "line_items", "total_price", "total_tax",
           "subtotal_price", "total_line_items_price")),
        (edited(id="74000000001"), "Expected `int`", "$.orders[0].id"),
        (edited(id=1.5), "Expected `int`", "$.orders[0].id"),
        (edited(id=2**63), "9223372036854775807", "$.orders[0].id"),
        (edited(test=0), "Expected `bool`", "$.orders[0].test"),
        (edited(note=7), "Expected `str", "$.orders[0].note"),
        (edited(device_id=True), "Expected `int", "$.orders[0].device_id"),
        (edited(line_items={}), "Expected `array`", "$.orders[0].line_items"),
        (edited(created_at="2024-03-05 19:57"), "no time", "$.orders[0].created_at"),
        (edited(created_at="2024-03-05T19:57:38"), "no time", "$.orders[0].created_at"),
        (edited(created_at="2024-02-30T19:57:38Z"), "no time", "$.orders[0].created_at"),
        (edited(created_at="2024-03-04T23:59:59-05:00"), NOT_OF_DAY, "$.orders[0].created_at"),
        (edited(created_at="2024-03-06T00:00:00-05:00"), NOT_OF_DAY, "$.orders[0].created_at"),
        (edited(closed_at="0001-01-01T00:00:00+01:00"), "no time", "$.orders[0].closed_at"),
        (edited(cancelled_at=""), "no time", "$.orders[0].cancelled_at"),
        (edited(total_price=""), "no money", "$.orders[0].total_price"),
        (edited(total_price="1_0"), "no money", "$.orders[0].total_price"),
        (edited(total_price="NaN"), "no money", "$.orders[0].total_price"),
        (edited(total_price="٣"), "no money", "$.orders[0].total_price"),
        (edited(total_price=[]), "no money", "$.orders[0].total_price"),
        (edited(total_price=True), "no money", "$.orders[0].total_price"),
        (edited(total_price="1e999"), "no money", "$.orders[0].total_price"),
        (edited(total_discounts="a lot"), "no money", "$.orders[0].total_discounts"),
        (edited(total_price="9999999999.995"), "too much money", "$.orders[0].total_price"),
        (edited(note="\ud800"), "half a character", "$.orders[0].note"),
        ("7", "Expected `object`", "$.orders[0]"),
        ("null", "Expected `object`", "$.orders[0]"),
    ],
)  # fmt: skip
def test_a_bad_order_costs_an_order_and_its_lines(order: str, reason: str, path: str) -> None:
    file = payload(order, ORDER)
    rows = staged(file)
    (rejected,) = rows["rejected_orders"]
    assert reason in rejected["reason"]
    assert rejected["path"] == path
    assert rejected["position"] == 0
    assert [row["position"] for row in rows["orders"]] == [1]
    assert [row["order_position"] for row in rows["order_lines"]] == [1]
    assert FILES.validate(file).rejected == 1 + len(rows["rejected_order_lines"])


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ({"quantity": 1}, "$.orders[0].line_items[1]"),
        ({"id": 1}, "$.orders[0].line_items[1]"),
        ({"id": None, "quantity": 1}, "$.orders[0].line_items[1].id"),
        ({"id": 1, "quantity": "1"}, "$.orders[0].line_items[1].quantity"),
        ({"id": 1, "quantity": 1, "variant_id": "v"}, "$.orders[0].line_items[1].variant_id"),
        ([], "$.orders[0].line_items[1]"),
    ],
)
def test_a_bad_line_costs_a_line(line: Any, path: str) -> None:
    good = json.loads(ORDER)["line_items"][0]
    rows = staged(payload(edited(line_items=[good, line, good | {"id": 2}])))
    assert len(rows["orders"]) == 1
    assert [row["line_number"] for row in rows["order_lines"]] == [1, 3]
    assert [row["path"] for row in rows["rejected_order_lines"]] == [path]
    assert rows["rejected_order_lines"][0]["position"] == 1
    assert rows["order_dumps"][0]["line_count"] == 3


@pytest.mark.parametrize(
    "key", sorted(set(json.loads(ORDER)) - {
        "id", "created_at", "updated_at", "test", "line_items", "total_price", "total_tax",
        "subtotal_price", "total_line_items_price",
    })
)  # fmt: skip
def test_any_other_key_may_be_missing_is_null_and_is_counted(key: str) -> None:
    (row,) = staged(payload(without(key)))["orders"]
    assert row[key] is None
    assert FILES.validate(payload(without(key), ORDER)).counts["incomplete_orders"] == 1
    (row,) = staged(payload(edited(**{key: None})))["orders"]
    assert row[key] is None
    assert FILES.validate(payload(edited(**{key: None}))).counts["incomplete_orders"] == 0


def test_a_line_without_variant_or_product_is_loaded() -> None:
    file = payload(edited(line_items=[{"id": 1, "quantity": 2, "variant_id": None}]))
    (row,) = staged(file)["order_lines"]
    assert (row["variant_id"], row["product_id"], row["quantity"]) == (None, None, 2)
    assert FILES.validate(file).counts["incomplete_orders"] == 1


@pytest.mark.parametrize(
    ("text", "cents"),
    [
        ('"52.260000000000005"', "52.26"),
        ('"0.005"', "0.00"),
        ('"0.015"', "0.02"),
        ('"2.675"', "2.68"),
        ('"2.665"', "2.66"),
        ('"-2.675"', "-2.68"),
        ("1.005", "1.00"),
        ("1.015", "1.02"),
        ("58.8", "58.80"),
        ("7", "7.00"),
        ("1e2", "100.00"),
        ('"9999999999.99"', "9999999999.99"),
        ('"-9999999999.99"', "-9999999999.99"),
    ],
)
def test_money_is_read_from_its_text_and_rounded_half_even(text: str, cents: str) -> None:
    (row,) = staged(payload(ORDER.replace('"58.800000000000004"', text, 1)))["orders"]
    assert row["total_price"] == Decimal(cents)


@given(st.decimals(-(10**9), 10**9, places=6))
def test_cents_are_at_most_half_a_cent_away(amount: Decimal) -> None:
    (row,) = staged(payload(edited(total_tax=str(amount))))["orders"]
    assert abs(row["total_tax"] - amount) <= Decimal("0.005")


def test_texts_are_as_sent_but_for_what_no_warehouse_keeps() -> None:
    sent = ' <b>"Gänsefüßchen"</b>\t\U0001f4c8 \0x\\ud800 '
    (row,) = staged(payload(edited(note=sent)))["orders"]
    assert row["note"] == sent.replace("\0", "")


def test_whole_characters_survive_beside_half_ones() -> None:
    file = payload(edited(note="\ud83d\ude00 \\ud800"), edited(note="a \ude00"))
    rows = staged(file)
    assert [row["note"] for row in rows["orders"]] == ["\U0001f600 \\ud800"]
    assert "half a character" in rows["rejected_orders"][0]["reason"]


@pytest.mark.parametrize("amount", [b'"189.9\xfe"', b'"\xed\xa0\x80"', b'"1\\u00b2"'])
def test_an_amount_that_is_no_text_costs_its_order(amount: bytes) -> None:
    file = payload(edited(id=1), edited(id=2, total_tax="0.77"))
    rows = staged(file._replace(body=file.read().replace(b'"0.77"', amount)))
    assert [row["order_id"] for row in rows["orders"]] == [1]
    (rejected,) = rows["rejected_orders"]
    assert rejected["path"] == "$.orders[1].total_tax"


def test_new_keys_are_named_by_their_path() -> None:
    line = json.loads(ORDER)["line_items"][0] | {"price": "1"}
    file = payload(edited(loyalty=1, line_items=[line]))
    file = file._replace(body=file.read().replace(b'{"orders"', b'{"next": 1, "orders"'))
    assert FILES.validate(file).new_fields == [
        "$.next",
        "$.orders[].line_items[].price",
        "$.orders[].loyalty",
    ]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"{", "$"),
        (b"[]", "$"),
        (b"{}", "$"),
        (b'{"orders": null}', "$.orders"),
        (b'{"orders": {}}', "$.orders"),
        (b'{"orders": [1,]}', "$"),
        (b"\x1f\x8b", "$"),
        (b"<html>", "$"),
        (b'{"orders": [{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}]}", "$"),
    ],
)
def test_a_broken_container_is_quarantined(body: bytes, path: str) -> None:
    with pytest.raises(InvalidPayload) as fault:
        FILES.validate(payload()._replace(body=body))
    assert fault.value.path == path


@pytest.mark.parametrize("dumped", [traps.FIRST, traps.SECOND])
def test_every_order_and_line_as_sent_is_either_loaded_or_rejected(dumped: date) -> None:
    for name, file in dump(dumped).items():
        if isinstance(file, bytes):
            continue
        part = name.removesuffix(".gz")
        one = Payload(date.fromisoformat(part[:10]), AT, zips.content(part, file), part, "x")
        rows = staged(one)
        (told,) = rows["order_dumps"]
        assert len(rows["orders"]) + len(rows["rejected_orders"]) == told["order_count"]
        lines = len(rows["order_lines"]) + len(rows["rejected_order_lines"])
        assert lines == told["line_count"]
        assert [len(file), sum(len(order["line_items"]) for order in file)] == [
            told["order_count"],
            told["line_count"],
        ]


def test_odd_orders_are_rejected_as_the_fake_says() -> None:
    (file,) = [
        file for name, file in dump(traps.FIRST).items() if name.startswith(str(traps.BAD_ROWS))
    ]
    part = f"{traps.BAD_ROWS}.json"
    body = zips.content(part, file)
    rejected = staged(Payload(traps.BAD_ROWS, AT, body, part, "x"))["rejected_orders"]
    must_be = traps.MUST_BE[traps.BAD_ROWS].rejected
    assert [row["position"] for row in rejected] == list(must_be)
    for row in rejected:
        assert must_be[row["position"]] in row["reason"]


# Names of files


@pytest.mark.parametrize("name", ["2024-03-05.json", "2024-03-05_store2.json", "2024-03-05 b.json"])
def test_the_name_of_a_file_tells_its_day_and_is_its_part(name: str) -> None:
    assert identify(FileDrop(name, AT, b"{}")) == Payload(DAY, AT, b"{}", name)


@pytest.mark.parametrize(
    "name", ["orders.json", "2024-02-30.json", "2024-03-051.json", "x2024-03-05.json", "2024.json"]
)
def test_a_name_without_a_date_is_refused(name: str) -> None:
    with pytest.raises(Refused, match="no date"):
        identify(FileDrop(name, AT, b"{}"))


# Over a socket


@pytest.fixture
def clock() -> SettableClock:
    """At first the first dump is there."""
    return SettableClock(came_at(traps.FIRST))


@pytest.fixture
def shop(clock: SettableClock) -> Iterator[SampleServer]:
    """The made-up shop behind a real socket."""
    with SampleServer(FakeShop(SIGNATURE), clock=clock) as server:
        yield server


@pytest.fixture
def on(shop: SampleServer) -> Enabled:
    """The source, on, with a signed URL."""
    (url,) = FakeShop(SIGNATURE).environment(shop.url).values()
    return Enabled(ORDERS, OrdersSettings(start=START, url=SecretStr(url)))


@pytest.fixture
def intake(settings: Settings, on: Enabled) -> Intake:
    """How dumps are fetched."""
    return factory.intake(settings, on, FILES)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No backoff between two tries."""
    monkeypatch.setattr(fetch_client, "wait_exponential_jitter", lambda **_: lambda _state: 0.0)


def silent(_text: str) -> None:
    """Nobody is told."""


def held(intake: Intake) -> list[tuple[date, str]]:
    """Day and part of everything that landed."""
    payloads = intake.stream.payloads
    return [(day, one.part) for day in payloads.days() for one in payloads.held(Zone.LANDING, day)]


def test_a_second_dump_brings_only_the_files_that_changed(
    intake: Intake, clock: SettableClock
) -> None:
    first = intake.fetch_address(silent)
    assert sum(one.landed for one in first) == len(dump(traps.FIRST)) == 14
    assert sum(one.landed for one in intake.fetch_address(silent)) == 0
    clock.set(came_at(traps.SECOND))
    landed = [one.file.split(": ")[1] for one in intake.fetch_address(silent) if one.landed]
    for day in (traps.EMPTIED, traps.CHANGES, traps.NO_JSON, traps.HIDDEN, date(2024, 3, 18)):
        assert f"{day}.json" in landed
    for day in (traps.MONEY, traps.NULLS, traps.SPRING, traps.BAD_ROWS):
        assert f"{day}.json" not in landed
    parts = [part for day, part in held(intake) if day == traps.TWO_FILES]
    assert sorted(parts) == [f"{traps.TWO_FILES}_store{n}.json" for n in (1, 1, 2, 2)]


def test_a_body_that_went_away_and_came_back_is_a_version_each_time(
    settings: Settings, tmp_path: Path
) -> None:
    intake = factory.intake(settings, Enabled(ORDERS, OrdersSettings(start=START)), FILES)
    file = tmp_path / f"{DAY}.json"
    landed = []
    for hour, order in enumerate((ORDER, edited(note="b"), ORDER, ORDER)):
        file.write_bytes(payload(order).read())
        _touch(file, AT + timedelta(hours=hour))
        landed += [one.landed for one in intake.import_path(file)]
    assert landed == [True, True, True, False]


def _touch(file: Path, at: datetime) -> None:
    os.utime(file, (at.timestamp(), at.timestamp()))


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("zip-truncated", "no whole zip"),
        ("zip-encrypted", "is encrypted"),
        ("zip-twins", "two members of the name 2024-03-07.json"),
        ("zip-crowd", "20000 members, more than 10000"),
        ("zip-bomb", "is larger than 256 MB"),
        ("html", "no whole zip"),
        ("403", "the URL was refused: has it run out?"),
        ("404", "answered 404"),
        ("redirect", "isn't followed"),
    ],
)
def test_of_a_dump_that_cannot_be_taken_nothing_lands(
    intake: Intake, shop: SampleServer, how: str, why: str
) -> None:
    shop.fail_with(how)
    with pytest.raises(FetchError) as fault:
        intake.fetch_address(silent)
    assert why in str(fault.value)
    assert SIGNATURE not in str(fault.value)
    assert held(intake) == []


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["502", "html-503", "truncated", "429-bare"])
def test_what_passes_is_asked_again(intake: Intake, shop: SampleServer, how: str) -> None:
    shop.fail_with(how)
    assert len(intake.fetch_address(silent)) == 14
    assert len(shop.requests) == 2


def test_a_url_that_ran_out_is_refused(intake: Intake, settings: Settings, on: Enabled) -> None:
    url = on.settings.url.get_secret_value().replace(SIGNATURE, "an-old-one")  # type: ignore[attr-defined]
    old = Enabled(ORDERS, OrdersSettings(start=START, url=SecretStr(url)))
    with pytest.raises(FetchError, match="has it run out"):
        factory.intake(settings, old, FILES).fetch_address(silent)
    assert held(intake) == []


def test_names_that_lead_out_of_a_zip_are_left_out_and_the_good_one_lands(
    intake: Intake, shop: SampleServer, settings: Settings
) -> None:
    good = payload(ORDER).read()
    shop.fail_with(Answer(zips.leading_out(DAY, good), 200, "application/zip"))
    told = {one.file.split(": ")[-1]: one for one in intake.fetch_address(silent)}
    assert told[f"orders/{DAY}.json"].landed
    refused = {name: one.refused for name, one in told.items() if one.refused}
    assert refused == {
        f"../{DAY}_up.json": "its name leads out of the zip: it is left out",
        f"/tmp/{DAY}_root.json": "its name leads out of the zip: it is left out",  # noqa: S108
        f"{DAY}_link.json": "is a link: it is left out",
        "summary.json": "its name begins with no date (YYYY-MM-DD): it is left out",
    }
    assert held(intake) == [(DAY, f"{DAY}.json")]
    written = [file for file in settings.home.rglob("*") if file.is_file()]
    assert not [file for file in written if "_up" in file.name or "_root" in file.name]


def test_bounds_are_what_the_settings_say(settings: Settings, tmp_path: Path) -> None:
    def refusal(name: str, content: bytes, **bounds: int) -> list[str | None]:
        on = Enabled(ORDERS, OrdersSettings(start=START, **bounds))
        file = tmp_path / name
        file.write_bytes(content)
        return [one.refused for one in factory.intake(settings, on, FILES).import_path(file)]

    large = payload(edited(note="x" * 1_000_000)).read()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"{DAY}.json", large)
        archive.writestr(f"{DAY}_b.json", large)
    dump_name = "orders.zip"
    assert refusal(f"{DAY}.json", large, max_file_mb=1) == ["is larger than 1 MB"]
    assert refusal(f"{DAY}.json.gz", gzip.compress(large), max_file_mb=1) == ["is larger than 1 MB"]
    assert refusal(dump_name, packed.getvalue(), max_mb=1) == ["is larger than 1 MB"]
    assert refusal(dump_name, packed.getvalue(), max_unpacked_mb=2) == ["unpacks to more than 2 MB"]
    assert refusal(dump_name, packed.getvalue(), max_mb=3, max_file_mb=2) == [None, None]


def test_a_fetch_that_is_killed_at_any_operation_is_ended_by_the_next(
    on: Enabled, settings: Settings, tmp_path: Path
) -> None:
    whole = factory.intake(settings, on, FILES)

    def intake_on(objects: Any) -> Intake:
        store = PayloadStore(objects, ORDERS.name, FILES.name, FILES.calendar, day_is_capture=False)
        return Intake(
            Stream(ORDERS, FILES, store, START), on.settings, whole.client, whole.max_body
        )

    expected = sorted(dump(traps.FIRST))
    for operations in count(step=3):
        objects = ObjectStore(tmp_path / str(operations))
        died = False
        try:
            intake_on(dying(objects, operations)).fetch_address(silent)
        except Killed:
            died = True
        intake_on(objects).fetch_address(silent)
        found = sorted(part for _, part in held(intake_on(objects)))
        assert found == [name.removesuffix(".gz") for name in expected]
        if not died:
            break


# In the code location


def build(settings: Settings, on: Enabled, *days: date) -> list[str]:
    """Build some days; what the checks warn about."""
    window = DayRange(min(days), max(days))
    definitions = build_definitions(settings, [on])
    with dg.DagsterInstance.ephemeral() as instance:
        job = build_job_name(ORDERS.name)
        return list(run_build(definitions, instance, job, window, lambda _: None).warnings)


def test_the_url_reaches_nothing(
    intake: Intake,
    settings: Settings,
    on: Enabled,
    shop: SampleServer,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    faults: list[Exception] = []
    intake.fetch_address(said.append)
    assert SIGNATURE in shop.requests[0].path
    for how in ("403", "404", "redirect", "html", "zip-truncated", "429-never"):
        shop.fail_with(how)
        with pytest.raises(FetchError) as caught:
            intake.fetch_address(said.append)
        faults.append(caught.value)
    definitions = dg.Definitions.merge(
        build_definitions(settings, [on]),
        dg.Definitions(jobs=[dg.define_asset_job("land", ["landing/orders/order_files"])]),
    )
    with dg.DagsterInstance.ephemeral() as instance:
        run = definitions.resolve_job_def("land").execute_in_process(
            instance=instance, partition_key=str(FILES.calendar.today())
        )
        record_of_run = instance.get_run_by_id(run.run_id)
        events = [repr(event) for event in run.all_events]
    build(settings, on, traps.CHANGES)
    out = capfd.readouterr()
    texts = [*said, *map(str, faults), *map(repr, faults), caplog.text, out.out, out.err]
    texts += [repr(on), repr(record_of_run), *events]
    assert not [text for text in texts if SIGNATURE in text or "/dumps/" in text]
    files = [file for file in settings.home.rglob("*") if file.is_file()]
    assert files
    secret = SIGNATURE.encode()
    assert not [one for one in files if SIGNATURE in str(one) or secret in one.read_bytes()]


@pytest.mark.parametrize("url", ["ftp://s3cret.example", "s3cret"])
def test_an_address_that_is_none_is_said_without_it(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREDICTIT_ORDERS_URL", url)
    with pytest.raises(SettingsError, match="PREDICTIT_ORDERS_URL") as fault:
        OrdersSettings.load()
    assert "s3cret" not in str(fault.value)


def test_a_url_is_fetched_at_six_in_the_morning_and_only_where_there_is_one(
    settings: Settings, on: Enabled
) -> None:
    def crons(enabled: Enabled) -> dict[str, tuple[Any, str | None]]:
        schedules = build_definitions(settings, [enabled]).schedules or []
        return {
            one.name: (one.cron_schedule, one.execution_timezone)  # type: ignore[union-attr]
            for one in schedules
            if one.name.startswith("fetch_due")
        }

    assert crons(on) == {"fetch_due_orders_order_files": ("0 6 * * *", "America/New_York")}
    assert crons(Enabled(ORDERS, OrdersSettings(start=START))) == {}


def test_a_folder_is_watched_where_there_is_one(settings: Settings, tmp_path: Path) -> None:
    folder = tmp_path / "drops"
    folder.mkdir()
    watched = Enabled(ORDERS, OrdersSettings(start=START, path=folder))
    sensor = build_definitions(settings, [watched]).resolve_sensor_def(
        "take_files_orders_order_files"
    )
    intake = factory.intake(settings, watched, FILES)
    (folder / "orders.zip").write_bytes(zips.zipped(dump(traps.FIRST)))
    first = sensor.evaluate_tick(dg.build_sensor_context())
    assert held(intake) == []
    # It is still being written.
    (folder / "orders.zip").write_bytes(zips.zipped(dump(traps.SECOND)))
    second = sensor.evaluate_tick(dg.build_sensor_context(cursor=first.cursor))
    assert held(intake) == []
    third = sensor.evaluate_tick(dg.build_sensor_context(cursor=second.cursor))
    assert "15 payloads landed" in str(third.skip_message)
    fourth = sensor.evaluate_tick(dg.build_sensor_context(cursor=third.cursor))
    assert "landed" not in str(fourth.skip_message)


def test_the_newest_file_may_be_watched_for_its_age(settings: Settings) -> None:
    def checks(**values: Any) -> list[str]:
        graph = build_definitions(
            settings, [Enabled(ORDERS, OrdersSettings(start=START, **values))]
        ).resolve_asset_graph()
        return [
            key.asset_key.to_user_string() for key in graph.asset_check_keys if key.name == "fresh"
        ]

    assert checks() == []
    assert checks(max_age_hours=30) == ["landing/orders/order_files"]


def test_a_late_dump_of_an_odd_day_is_built_though_a_file_cannot_be_read(
    intake: Intake, settings: Settings, on: Enabled
) -> None:
    intake.fetch_address(silent)
    told = build(settings, on, traps.NO_JSON)
    assert [line for line in told if "quarantined" in line]
    with factory.warehouse(settings).read_connection() as query:
        assert query("select count(*) from core.fact_orders") == [(0,)]


def test_the_made_up_shop_is_the_same_every_time() -> None:
    day = date(2025, 7, 1)
    assert record(day, 3) == record(day, 3)
    assert zips.zipped(dump(day)) == zips.zipped(dump(day))
    assert zips.zipped(dump(day)) != zips.zipped(dump(day + timedelta(days=1)))
