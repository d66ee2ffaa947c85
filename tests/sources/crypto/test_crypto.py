"""Crypto: from CoinGecko's answers over a real socket to staged rows, worked out by hand."""

import json
import logging
import random
import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import requests
import tenacity
from deaths import Killed, dying
from hypothesis import given
from hypothesis import strategies as st

from predictit_assets import cli, factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.checks.access import key_accepted
from predictit_assets.contract.arrival import FileDrop, Refused
from predictit_assets.contract.calendar import UTC_CALENDAR, DayRange
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.contract.source import Dataset
from predictit_assets.errors import FetchError, SettingsError
from predictit_assets.fetch import client as fetch_client
from predictit_assets.fetch import rate_limit
from predictit_assets.fetch.client import KeyRefused
from predictit_assets.fetch.rate_limit import MonthSpent
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.instance.runs import run_build
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.intake import Intake
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.clock import SettableClock
from predictit_assets.sample.http import Answer
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.crypto import ask
from predictit_assets.sources.crypto.api import PRICE, number
from predictit_assets.sources.crypto.fake import FakeCrypto, traps
from predictit_assets.sources.crypto.fake.world import Odd
from predictit_assets.sources.crypto.settings import CryptoSettings, Plan
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.stream import Stream

CRYPTO = load("crypto")
MARKETS, HISTORY = CRYPTO.dataset("markets"), CRYPTO.dataset("history")
KEY = "s3cret/with+odd=chars"
DAY = date(2026, 3, 1)
AT = datetime(2026, 3, 1, 12, 0, 0, 5, tzinfo=UTC)
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)

COIN = (
    '{"id":"examplecoin","symbol":"exa","name":"Example\\u0000 Coin",'
    '"image":"https://assets.example/1/large.png?1547033579",'
    '"current_price":0.00012345678901234,"market_cap":123456789,"market_cap_rank":7,'
    '"fully_diluted_valuation":null,"total_volume":0,"high_24h":0.00013,"low_24h":0.000119,'
    '"price_change_24h":-1.2e-06,"price_change_percentage_24h":-0.96421,'
    '"market_cap_change_24h":-1200345.25,"market_cap_change_percentage_24h":-0.95,'
    '"circulating_supply":1.0e+15,"total_supply":null,"max_supply":null,"ath":0.0071,'
    '"ath_change_percentage":-98.2,"ath_date":"2021-05-10T02:30:01.123+02:00","atl":5.6e-11,'
    '"atl_change_percentage":220000.4,"atl_date":"2020-10-02T00:00:00.000Z",'
    '"roi":{"times":4.20,"currency":"usd"},"last_updated":"2026-03-01T11:59:12.431Z"}'
)
COIN_ROW = {
    "partition_date": DAY,
    "polled_at": datetime(2026, 3, 1, 12, 0, 0, 5),
    "page": 1,
    "pages": 2,
    "position": 0,
    "coin_id": "examplecoin",
    "source_ts": datetime(2026, 3, 1, 11, 59, 12, 431_000),
    "symbol": "exa",
    "coin_name": "Example Coin",
    "image_url": "https://assets.example/1/large.png?1547033579",
    "price": Decimal("0.000123456789012340000000"),
    "market_cap": Decimal("123456789.00000000"),
    "market_cap_rank": 7,
    "market_cap_rank_with_rehypothecated": None,
    "fully_diluted_valuation": None,
    "volume_24h": Decimal("0E-8"),
    "high_24h": Decimal("0.000130000000000000000000"),
    "low_24h": Decimal("0.000119000000000000000000"),
    "change_24h": Decimal("-0.000001200000000000000000"),
    "change_24h_pct": Decimal("-0.96421000"),
    "market_cap_change_24h": Decimal("-1200345.25000000"),
    "market_cap_change_24h_pct": Decimal("-0.95000000"),
    "circulating_supply": Decimal("1000000000000000.00000000"),
    "total_supply": None,
    "max_supply": None,
    "ath": Decimal("0.007100000000000000000000"),
    "ath_change_pct": Decimal("-98.20000000"),
    "ath_ts": datetime(2021, 5, 10, 0, 30, 1, 123_000),
    "atl": Decimal("0.000000000056000000000000"),
    "atl_change_pct": Decimal("220000.40000000"),
    "atl_ts": datetime(2020, 10, 2),
    "roi": '{"times":4.20,"currency":"usd"}',
}
HISTORY_BODY = (
    '{"prices":[[1772366405123,0.1],[1772370000000,null],[1772370000000,2]],'
    '"market_caps":[[1772366405123,5],[1772373600000,7.123456789]],'
    '"total_volumes":[[1772366405123,-1],[1772373600000,0]]}'
)


def coin_with(field: str, *text: str) -> str:
    """The coin without a field, or with another text as its value."""
    raw = {
        name: json.dumps(value)
        for name, value in json.loads(COIN, parse_float=_Number, parse_int=_Number).items()
    }
    raw = {name: value.replace('"#', "").replace('#"', "") for name, value in raw.items()}
    raw.pop(field, None)
    if text:
        raw[field] = text[0]
    return "{" + ",".join(f'"{name}":{value}' for name, value in raw.items()) + "}"


def _Number(text: str) -> str:  # noqa: N802
    return f"#{text}#"


def payload(
    body: str | bytes | Any, part: str = "p1of2", at: datetime = AT, name: str = "x"
) -> Payload:
    if isinstance(body, list):
        body = f"[{','.join(body)}]"
    text = body.encode() if isinstance(body, str) else body
    return Payload(UTC_CALENDAR.day_of(at), at, text, part, name)


def rows_of(dataset: Dataset, *payloads: Payload) -> dict[str, list[dict[str, Any]]]:
    return {table: batch.to_pylist() for table, batch in dataset.rows(payloads).items()}


# Rows


def test_every_column_of_a_coin_is_as_worked_out_by_hand() -> None:
    rows = rows_of(MARKETS, payload([COIN]))
    assert rows["coin_snapshots"] == [COIN_ROW]
    assert list(rows["coin_snapshots"][0]) == list(COIN_ROW)
    assert rows["rejected_coin_snapshots"] == []
    assert MARKETS.validate(payload([COIN])).counts == {"coins": 1}


def test_what_may_be_null_is_null() -> None:
    nulls = json.loads(COIN)
    kept = {"id", "symbol", "name"}
    second = json.dumps({key: value if key in kept else None for key, value in nulls.items()})
    row = rows_of(MARKETS, payload([COIN, second.replace("examplecoin", "other")]))
    told = {key for key, value in row["coin_snapshots"][1].items() if value is not None}
    above = {"partition_date", "polled_at", "page", "pages", "position"}
    assert told == above | {"coin_id", "symbol", "coin_name"}


def test_every_column_of_a_history_is_as_worked_out_by_hand() -> None:
    answer = Payload(DAY, AT, HISTORY_BODY.encode(), "usd-coin", "x")
    rows = rows_of(HISTORY, answer)
    above = {
        "partition_date": DAY,
        "asked_at": datetime(2026, 3, 1, 12, 0, 0, 5),
        "coin_id": "usd-coin",
    }
    none = {"price": None, "market_cap": None, "volume": None}
    assert rows["coin_history"] == [
        above
        | {"point_at": datetime(2026, 3, 1, 12, 0, 5, 123_000)}
        | none
        | {"price": Decimal("0.100000000000000000000000"), "market_cap": Decimal("5.00000000")},
        above | {"point_at": datetime(2026, 3, 1, 13)} | none,
        above
        | {"point_at": datetime(2026, 3, 1, 14)}
        | none
        | {"market_cap": Decimal("7.12345678"), "volume": Decimal("0E-8")},
    ]
    assert [
        (row["position"], row["path"], row["content"]) for row in rows["rejected_coin_history"]
    ] == [
        (2, "$.prices[2][0]", "[1772370000000,2]"),
        (0, "$.total_volumes[0][1]", "[1772366405123,-1]"),
    ]
    validation = HISTORY.validate(answer)
    assert validation.counts == {"points": 3, "unknown_coins": 0}
    assert validation.rejected == 2


@pytest.mark.parametrize(
    ("coin", "path"),
    [
        *(
            (coin_with(field), "")
            for field in json.loads(COIN)
            if field != "market_cap_rank_with_rehypothecated"
        ),
        *(
            (coin_with(field, text), f".{field}")
            for text in ('"1"', "true", "[]")
            for field in ("current_price", "market_cap", "high_24h", "price_change_24h", "atl")
        ),
        *((coin_with(field, "null"), f".{field}") for field in ("id", "symbol", "name")),
        *(
            (coin_with(field, "-0.0000000000000000000000000001"), f".{field}")
            for field in (
                *("current_price", "market_cap", "total_volume"),
                *("circulating_supply", "total_supply", "max_supply"),
            )
        ),
        *((coin_with(field, "1e14"), f".{field}") for field in ("current_price", "ath", "low_24h")),
        (coin_with("price_change_24h", "-1e14"), ".price_change_24h"),
        (coin_with("current_price", "1e99999"), ".current_price"),
        (coin_with("current_price", "9" * 5000), ".current_price"),
        *((coin_with(field, "1e30"), f".{field}") for field in ("market_cap", "max_supply")),
        *((coin_with("market_cap_rank", text), ".market_cap_rank") for text in ("0", "1.5", '"1"')),
        (
            coin_with("market_cap_rank_with_rehypothecated", "-1"),
            ".market_cap_rank_with_rehypothecated",
        ),
        (coin_with("market_cap_rank", "9223372036854775808"), ".market_cap_rank"),
        (coin_with("id", '" \\t"'), ".id"),
        (coin_with("id", '"\\u0000"'), ".id"),
        (coin_with("id", f'"{"x" * 201}"'), ".id"),
        (coin_with("image", "1"), ".image"),
        (coin_with("roi", "1"), ".roi"),
        (coin_with("last_updated", '"soon"'), ".last_updated"),
        (coin_with("last_updated", '"2026-03-01T12:00:00"'), ".last_updated"),
        (coin_with("ath_date", "1772366405123"), ".ath_date"),
        (coin_with("atl_date", '"0001-01-01T00:00:00+14:00"'), ".atl_date"),
        (COIN, ".id"),  # a second time
        ('"a text"', ""),
        ("null", ""),
    ],
)
def test_a_bad_coin_costs_a_coin(coin: str, path: str) -> None:
    other = COIN.replace("examplecoin", "other")
    answer = payload([COIN, coin, other])
    rows = rows_of(MARKETS, answer)
    assert rows["coin_snapshots"] == [COIN_ROW, COIN_ROW | {"position": 2, "coin_id": "other"}]
    (bad,) = rows["rejected_coin_snapshots"]
    assert (bad["position"], bad["path"], bad["payload"]) == (1, f"$[1]{path}", "x")
    assert bad["reason"]
    assert bad["content"] == coin[:10_000]
    validation = MARKETS.validate(answer)
    assert (validation.counts, validation.rejected) == ({"coins": 2}, 1)


@pytest.mark.parametrize("text", [b"A\\ud800", b"A\xff"])
def test_half_a_character_and_bytes_that_are_no_text_cost_a_coin(text: bytes) -> None:
    bad = coin_with("name", '"HERE"').encode().replace(b"HERE", text)
    other = COIN.replace("examplecoin", "other").replace(" Coin", "\x01 \U0001f600").encode()
    rows = rows_of(MARKETS, payload(b"[%s,%s]" % (bad, other)))
    (row,) = rows["coin_snapshots"]
    assert row["coin_name"] == "Example\x01 \U0001f600"
    assert [one["position"] for one in rows["rejected_coin_snapshots"]] == [0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1e-18", "0.000000000000000001000000"),
        ("0.99984100000000001", "0.999841000000000010000000"),
        # A float would make it 0.99984099999999998.
        ("0.999841", "0.999841000000000000000000"),
        ("0.1234567890123456789012349", "0.123456789012345678901234"),
        ("99999999999999.9999999999999999999999999", "99999999999999.999999999999999999999999"),
        ("1e-30", "0.000000000000000000000000"),
        ("-0.0", "0.000000000000000000000000"),
        ("80000", "80000.000000000000000000000000"),
        ("8E+4", "80000.000000000000000000000000"),
    ],
)
def test_digits_are_those_that_were_sent(text: str, expected: str) -> None:
    (_, row) = rows_of(
        MARKETS, payload([COIN, coin_with("current_price", text).replace("examplecoin", "other")])
    )["coin_snapshots"]
    assert f"{row['price']:f}" == expected


@given(
    st.decimals(-(10**13), 10**13, allow_nan=False, allow_infinity=False, places=30),
)
def test_a_number_is_cut_toward_zero_by_less_than_a_step(value: Decimal) -> None:
    found = number(value, "$", PRICE)
    assert found is not None
    assert found.copy_abs() <= value.copy_abs()
    assert abs(found - value) < Decimal("1e-24")
    assert found.as_tuple().exponent == -24


@pytest.mark.parametrize(
    ("body", "part", "path"),
    [
        ("[]", "p1of1", "$"),
        ("{}", "p1of1", "$"),
        ('{"status":{"error_code":429}}', "p1of1", "$"),
        ("null", "p1of1", "$"),
        (f"[{COIN}", "p1of1", "$"),
        ("<html></html>", "p1of1", "$"),
        (['"a text"', "1"], "p1of1", "$[0]"),
        (['"a text"'], "p2of2", "$[0]"),
        ([coin_with("current_price", "0")], "p1of1", "$"),
        ([coin_with("current_price", "null")], "p2of2", "$"),
        *(([COIN], part, "$") for part in ("", "p0of1", "p2of1", "p1", "p01of2", "p1of2\n")),
    ],
)
def test_a_broken_page_is_quarantined(body: Any, part: str, path: str) -> None:
    with pytest.raises(InvalidPayload) as fault:
        MARKETS.validate(payload(body, part))
    assert fault.value.path == path


def test_a_later_page_may_be_empty() -> None:
    assert MARKETS.validate(payload("[]", "p2of2")).counts == {"coins": 0}


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"prices": None, "market_caps": [], "total_volumes": []}, "$.prices"),
        ({"prices": [], "market_caps": None, "total_volumes": []}, "$.market_caps"),
        ({"prices": [], "market_caps": []}, "$.total_volumes"),
        ({"prices": {}, "market_caps": [], "total_volumes": []}, "$.prices"),
        ({"error": "invalid from or to"}, "$.prices"),
        ({"error": "coin not found", "status": 1}, "$.prices"),
        ([], "$"),
    ],
)
def test_a_broken_history_is_quarantined(body: Any, path: str) -> None:
    with pytest.raises(InvalidPayload) as fault:
        HISTORY.validate(payload(json.dumps(body), "bitcoin"))
    assert fault.value.path == path


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        ({"error": "coin not found"}, 1),
        ({"prices": [], "market_caps": [], "total_volumes": []}, 0),
    ],
)
def test_a_history_without_points_is_valid(body: Any, unknown: int) -> None:
    answer = payload(json.dumps(body), "nobody")
    assert HISTORY.validate(answer).counts == {"points": 0, "unknown_coins": unknown}
    assert rows_of(HISTORY, answer) == {"coin_history": [], "rejected_coin_history": []}


@pytest.mark.parametrize(
    "point",
    ['[1,"1"]', "[1.5,1]", "[1,1,1]", "[1]", "{}", "null", "[1e3,1]", f"[{10**18},1]", "[1,1e14]"],
)
def test_a_bad_point_costs_a_point(point: str) -> None:
    body = f'{{"prices":[[1000,1],{point},[2000,2]],"market_caps":[],"total_volumes":[]}}'
    rows = rows_of(HISTORY, payload(body, "bitcoin"))
    assert [row["price"] for row in rows["coin_history"]] == [1, 2]
    (bad,) = rows["rejected_coin_history"]
    assert (bad["position"], bad["content"]) == (1, point)
    assert bad["path"].startswith("$.prices[1]")


def test_new_fields_are_named_but_for_those_that_come_when_asked_for() -> None:
    asked = coin_with("price_change_percentage_7d_in_currency", "1")
    assert MARKETS.validate(payload([asked])).new_fields == []
    ranked = coin_with("market_cap_rank_with_rehypothecated", "8")
    assert MARKETS.validate(payload([ranked])).new_fields == []
    (row,) = rows_of(MARKETS, payload([ranked]))["coin_snapshots"]
    assert row["market_cap_rank_with_rehypothecated"] == 8
    assert MARKETS.validate(payload([coin_with("halted", "1")])).new_fields == ["$[].halted"]
    body = '{"prices":[],"market_caps":[],"total_volumes":[],"more":1}'
    assert HISTORY.validate(payload(body, "bitcoin")).new_fields == ["$.more"]


# Settings


def test_a_plan_has_its_host_its_header_and_its_budget() -> None:
    def auth(settings: CryptoSettings) -> Any:
        assert callable(CRYPTO.auth)
        return CRYPTO.auth(settings)

    public, demo, pro = (CryptoSettings(plan=plan) for plan in Plan)
    assert [one.api_url for one in (public, demo, pro)] == [
        "https://api.coingecko.com",
        "https://api.coingecko.com",
        "https://pro-api.coingecko.com",
    ]
    assert auth(public) is None
    assert auth(demo).header == "x-cg-demo-api-key"
    assert auth(pro).header == "x-cg-pro-api-key"
    assert [one.budget for one in (public, demo, pro)] == [None, 10_000, None]
    assert [one.pace for one in (public, demo, pro)] == [5, 30, 500]
    assert public.missing() == []
    for settings in (demo, pro):
        assert "PREDICTIT_CRYPTO_API_KEY" in settings.missing()[0]
    assert CryptoSettings(plan=Plan.DEMO, api_key=KEY).missing() == []


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"PLAN": "gold"}, "'public', 'demo' or 'pro'"),
        ({"POLL_INTERVAL": "59"}, "greater than or equal to 60"),
        ({"PAGES": "11"}, "less than or equal to 10"),
        ({"PLAN": "demo", "PAGES": "2"}, "17,856 calls in 31 days, and 10,000 are allowed"),
        ({"CALLS_A_MONTH": "8927"}, "8,928 calls in 31 days, and 8,927 are allowed"),
        ({"HISTORY_COINS": "bitcoin,,tether"}, "ids of coins"),
    ],
)
def test_settings_that_cannot_be_kept_are_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], said: str
) -> None:
    monkeypatch.setenv("PREDICTIT_CRYPTO_API_KEY", KEY)
    for name, value in variables.items():
        monkeypatch.setenv(f"PREDICTIT_CRYPTO_{name}", value)
    with pytest.raises(SettingsError, match=said) as fault:
        CryptoSettings.load()
    assert "\n" not in str(fault.value)
    assert "PREDICTIT_CRYPTO_" in str(fault.value)
    assert KEY not in str(fault.value)


# Asking, over a socket


@pytest.fixture
def clock() -> SettableClock:
    """What time it is for the API."""
    return SettableClock(NOON)


@pytest.fixture
def fake() -> FakeCrypto:
    """The made-up API of a demo plan."""
    return FakeCrypto(Plan.DEMO, KEY)


@pytest.fixture
def api(fake: FakeCrypto, clock: SettableClock) -> Iterator[SampleServer]:
    """It, behind a real socket."""
    with SampleServer(fake, clock=clock) as server:
        yield server


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No backoff between two tries."""
    monkeypatch.setattr(fetch_client, "wait_exponential_jitter", lambda **_: lambda _state: 0.0)


COINS = ("bitcoin", "usd-coin", "aave")


def enabled(api: SampleServer, **own: Any) -> Enabled:
    own = {
        "api_url": api.url,
        "plan": Plan.DEMO,
        "api_key": KEY,
        "calls_a_minute": 60_000,
        "history_coins": COINS,
    } | own
    return Enabled(CRYPTO, CryptoSettings(**own))


@pytest.fixture
def on(api: SampleServer) -> Enabled:
    """The source, on."""
    return enabled(api)


@pytest.fixture
def markets(settings: Settings, on: Enabled) -> Intake:
    """How coins are polled."""
    return factory.intake(settings, on, MARKETS)


@pytest.fixture
def history(settings: Settings, on: Enabled) -> Intake:
    """How histories are asked for."""
    return factory.intake(settings, on, HISTORY)


def two_pages(settings: Settings, api: SampleServer) -> Intake:
    own = enabled(api, pages=2, calls_a_month=100_000)
    return factory.intake(settings, own, MARKETS)


def silent(_text: str) -> None:
    """Nobody is told."""


def poll(intake: Intake) -> None:
    list(intake.poll(intake.client(silent, None)))


def held(intake: Intake, *days: date) -> list[Payload]:
    store = intake.stream.payloads
    stored = [one for day in days or store.days() for zone in Zone for one in store.held(zone, day)]
    found = [store.load(one) for one in stored]
    return sorted((one.payload for one in found if one), key=lambda one: one[1:2] + one[3:])


PAST = datetime.now(UTC).date() - timedelta(days=9)
"""A day whose history is final, to the machine's own clock too."""


def test_models_are_told_how_often_coins_are_polled() -> None:
    """The check of whole days judges by it."""
    assert CryptoSettings(poll_interval=900).dbt_vars() == {"crypto_poll_interval": "900"}
    test = (DBT_DIR / "tests" / "generic" / "crypto" / "days_have_their_polls.sql").read_text()
    assert 'var("crypto_poll_interval"' in test


def test_a_poll_of_two_pages_is_one_moment_and_shows_the_key_in_a_header(
    settings: Settings, api: SampleServer
) -> None:
    intake = two_pages(settings, api)
    poll(intake)
    assert [request.path for request in api.requests] == [
        "/api/v3/coins/markets?vs_currency=usd&order=market_cap_desc&per_page=250&sparkline=false"
        f"&precision=full&page={page}"
        for page in (1, 2)
    ]
    assert {request.header("x-cg-demo-api-key") for request in api.requests} == {KEY}
    assert {request.header("Accept") for request in api.requests} == {"application/json"}
    pages = held(intake)
    assert [one.part for one in pages] == ["p1of2", "p2of2"]
    assert len({(one.captured_at, one.day) for one in pages}) == 1
    rows = rows_of(MARKETS, *pages)["coin_snapshots"]
    assert [row["page"] for row in rows] == [1] * 250 + [2] * 50
    assert len({row["coin_id"] for row in rows}) == 300


def test_coins_change_places_between_two_pages(settings: Settings, clock: SettableClock) -> None:
    fake = FakeCrypto(Plan.DEMO, KEY)

    def ticking() -> datetime:
        clock.advance(timedelta(minutes=1))
        return clock()

    with SampleServer(fake, clock=ticking) as api:
        intake = two_pages(settings, api)
        for _ in range(2):
            ticking()  # so that the second poll meets the other order
            poll(intake)
            ticking()
    seen = []
    for pages in (held(intake)[:2], held(intake)[2:]):
        ids = [row["coin_id"] for row in rows_of(MARKETS, *pages)["coin_snapshots"]]
        seen.append(sorted(ids.count(f"example-coin-{one}") for one in (249, 250)))
    # The grain is coin and page: one of them is on both pages, the other on none.
    assert seen == [[0, 2], [0, 2]]


def test_a_page_that_fails_ends_the_poll_and_keeps_what_came(
    settings: Settings, api: SampleServer
) -> None:
    intake = two_pages(settings, api)
    api.fail_with("ok", "403")
    with pytest.raises(FetchError):
        poll(intake)
    assert [one.part for one in held(intake)] == ["p1of2"]
    assert len(api.requests) == 2


def test_more_pages_than_there_are_coins_leave_the_poll_incomplete(
    settings: Settings, api: SampleServer
) -> None:
    intake = factory.intake(settings, enabled(api, pages=4, calls_a_month=10**6), MARKETS)
    poll(intake)
    assert [one.part for one in held(intake)] == ["p1of4", "p2of4", "p3of4"]
    assert held(intake)[-1].body == b"[]"


@pytest.mark.parametrize("fault", ["status-200", "half"])
def test_what_is_no_array_is_kept_and_the_poll_counts_as_failed(
    settings: Settings, api: SampleServer, fault: str
) -> None:
    intake = two_pages(settings, api)
    api.fail_with(fault)
    with pytest.raises(FetchError, match="can't be read"):
        poll(intake)
    (answer,) = held(intake)
    with pytest.raises(InvalidPayload):
        MARKETS.validate(answer)
    assert len(api.requests) == 1


@pytest.mark.parametrize(
    "fault", ["html", "html-403", "html-429", "html-503", "redirect", "huge", "bomb"]
)
def test_what_is_no_answer_is_not_kept_and_not_asked_again(
    settings: Settings, on: Enabled, api: SampleServer, fault: str
) -> None:
    small = settings.model_copy(update={"max_body_mb": 1})
    intake = factory.intake(small, on, MARKETS)
    api.fail_with(fault)
    with pytest.raises(FetchError):
        poll(intake)
    assert held(intake) == []
    assert len(api.requests) == 1


def test_a_429_waits_as_long_as_it_says_or_a_minute(
    markets: Intake, api: SampleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(tenacity.nap.time, "sleep", waited.append)
    api.fail_with("429-status", "429-soon")
    poll(markets)
    assert [wait for wait in waited if wait >= 1] == [60.0, 1.0]
    assert len(api.requests) == 3


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("code", [10002, 10005, 10010, 10011])
@pytest.mark.parametrize("shape", ["", "-nested"])
def test_a_key_that_is_refused_is_one_sentence(
    history: Intake, api: SampleServer, status: int, code: int, shape: str
) -> None:
    api.fail_with(f"{status}-{code}{shape}")
    with pytest.raises(KeyRefused) as refused:
        history.ask_due(silent, [PAST])
    assert len(str(refused.value).splitlines()) == 1
    assert len(api.requests) == 1
    assert history.due([PAST]) == [PAST]


def test_a_refused_key_is_noted_for_all_until_it_is_accepted(
    settings: Settings, markets: Intake, history: Intake, api: SampleServer
) -> None:
    """However often it is refused there is one note, and no byte of the key in it."""
    check = key_accepted(markets.refused_key)
    assert (check.passed, check.description) == (True, "the key is accepted")
    api.fail_with(*["401-10002"] * 3)
    for _ in range(3):
        with pytest.raises(KeyRefused):
            poll(markets)
    check = key_accepted(history.refused_key)
    assert not check.passed
    assert check.severity is dg.AssetCheckSeverity.ERROR
    assert "10002" in str(check.description)
    objects = factory.objects(settings)
    notes = [one.key for one in objects.below("landing/crypto") if "_key" in one.key]
    assert len(notes) == 1
    assert KEY not in f"{check.description}{objects.get(notes[0])!r}"
    # What fails otherwise says nothing of the key, neither that it is accepted.
    api.fail_with(*["500"] * 3)
    with pytest.raises(FetchError):
        poll(markets)
    assert not key_accepted(history.refused_key).passed
    history.ask_due(silent, [PAST])
    assert key_accepted(markets.refused_key).passed


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("ok", ": 250 coins, 0 rejected rows"),
        ("odd-rows", ": 239 coins, 11 rejected rows"),
        ("zeros", ": it will be quarantined: no coin has a price above 0 (at $)"),
    ],
)
def test_a_poll_says_what_it_landed(
    settings: Settings,
    api: SampleServer,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    fault: str,
    says: str,
) -> None:
    for name, value in {
        "PREDICTIT_HOME": str(settings.home),
        "PREDICTIT_CRYPTO_PLAN": "demo",
        "PREDICTIT_CRYPTO_API_KEY": KEY,
        "PREDICTIT_CRYPTO_API_URL": api.url,
    }.items():
        monkeypatch.setenv(name, value)
    api.fail_with(fault)
    cli.app(["poll", "crypto"], standalone_mode=False)
    (said,) = capfd.readouterr().out.splitlines()
    assert said.startswith("landed landing/crypto/markets/date=")
    assert said.endswith(says)


def test_sources_tell_plan_calls_and_what_is_due(
    settings: Settings,
    api: SampleServer,
    markets: Intake,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    for name, value in {
        "PREDICTIT_HOME": str(settings.home),
        "PREDICTIT_SOURCES": "crypto",
        "PREDICTIT_CRYPTO_PLAN": "demo",
        "PREDICTIT_CRYPTO_API_KEY": KEY,
        "PREDICTIT_CRYPTO_API_URL": api.url,
        "PREDICTIT_CRYPTO_START": f"{date.today() - timedelta(days=400)}",
    }.items():
        monkeypatch.setenv(name, value)
    limit = markets.client(silent, None).rate_limit
    assert limit
    limit.file.parent.mkdir(parents=True, exist_ok=True)
    limit.file.with_name(f"{limit.file.name}.{datetime.now(UTC):%Y-%m}").write_text("1234")
    cli.app(["sources"], standalone_mode=False)
    said = capfd.readouterr().out
    assert re.search(r"\n +plan +demo, 1 page every 300 s\n", said)
    assert re.search(
        r"\n +calls +1,234 of 10,000 of \d{4}-\d\d \(UTC\) are spent, 8,766 are left, "
        r"[\d,]+ of them for polls to come\n",
        said,
    )
    assert re.search(r"\n +due +history: [67] days: ", said)
    assert KEY not in said


def test_the_public_plan_shows_no_key(settings: Settings) -> None:
    with SampleServer(FakeCrypto(Plan.PUBLIC)) as api:
        poll(factory.intake(settings, enabled(api, plan=Plan.PUBLIC), MARKETS))
        (request,) = api.requests
    assert KEY not in str(request.headers)


def test_a_key_crosses_no_network_unencrypted(settings: Settings, api: SampleServer) -> None:
    own = enabled(api, api_url="http://coins.example")
    with pytest.raises(SettingsError, match="https"):
        poll(factory.intake(settings, own, MARKETS))


# History


def test_a_day_is_asked_coin_by_coin_and_final_then(history: Intake, api: SampleServer) -> None:
    result = history.ask_due(silent, [PAST])
    assert (result.asked, result.landed, result.calls) == ([PAST], 3, 3)
    start = int(UTC_CALENDAR.start_of(PAST).timestamp())
    assert [request.path for request in api.requests] == [
        f"/api/v3/coins/{coin}/market_chart/range?vs_currency=usd&from={start}"
        f"&to={start + 86_400}&precision=full"
        for coin in COINS
    ]
    assert [one.part for one in held(history, PAST)] == list(COINS)
    assert history.due([PAST]) == []


def test_a_history_is_about_hourly_at_odd_seconds(history: Intake, clock: SettableClock) -> None:
    clock.set(UTC_CALENDAR.start_of(PAST) + timedelta(days=3))
    history.ask_due(silent, [PAST])
    rows = rows_of(HISTORY, *held(history, PAST))["coin_history"]
    for coin in COINS:
        hours = [row["point_at"].hour for row in rows if row["coin_id"] == coin]
        # An hour is missing, and another has two points.
        assert len(hours) == 24
        assert len(set(hours)) == 23
    assert {row["partition_date"] for row in rows} == {PAST}
    assert all(row["price"] > 0 for row in rows)


def test_a_coin_that_nobody_knows_is_an_answer(settings: Settings, api: SampleServer) -> None:
    own = enabled(api, history_coins=("bitcoin", "no/body"))
    intake = factory.intake(settings, own, HISTORY)
    assert intake.ask_due(silent, [PAST]).asked == [PAST]
    counts = [HISTORY.validate(one).counts["unknown_coins"] for one in held(intake, PAST)]
    assert counts == [0, 1]
    assert intake.due([PAST]) == []
    assert api.requests[-1].path.startswith("/api/v3/coins/no%2Fbody/")


def test_a_coin_without_a_sound_answer_costs_itself_and_is_asked_again_alone(
    history: Intake, api: SampleServer
) -> None:
    api.fail_with("ok", "null-arrays")
    result = history.ask_due(silent, [PAST])
    assert "usd-coin" in result.failed[PAST]
    assert [one.part for one in held(history, PAST)] == list(COINS)
    assert history.due([PAST]) == [PAST]
    before = len(api.requests)
    assert history.ask_due(silent, [PAST]).asked == [PAST]
    assert ["usd-coin" in request.path for request in api.requests[before:]] == [True]
    valid = [one for one in held(history, PAST) if _is_valid(HISTORY, one)]
    assert sorted(one.part for one in valid) == sorted(COINS)


def _is_valid(dataset: Dataset, answer: Payload) -> bool:
    try:
        dataset.validate(answer)
    except InvalidPayload:
        return False
    return True


def test_an_api_that_refuses_three_coins_in_a_row_is_asked_no_more(
    settings: Settings, api: SampleServer
) -> None:
    own = enabled(api, history_coins=("bitcoin", "tether", "aave", "tron", "monero"))
    api.fail_with(*["html-403"] * 5)
    intake = factory.intake(settings, own, HISTORY)
    result = intake.ask_due(silent, [PAST])
    assert list(result.refused) == [PAST]
    assert len(api.requests) == 3


def test_days_are_due_an_hour_after_their_end_for_a_year(history: Intake) -> None:
    (ready,) = ask.history_checkpoints(DAY, "")
    assert ready == datetime(2026, 3, 2, 1, tzinfo=UTC)
    assert ask.history_until(DAY) == datetime(2027, 3, 1, tzinfo=UTC)
    today = UTC_CALENDAR.today()
    due = history.due()
    # Yesterday is due from 01:00 on.
    assert due[:6] == [today - timedelta(days=n) for n in range(7, 1, -1)]
    older = today - timedelta(days=300)
    assert history.due([older, today - timedelta(days=366), today]) == [older]


def test_a_backfill_says_its_cost(history: Intake) -> None:
    said: list[str] = []
    history.ask_due(said.append, [PAST, PAST + timedelta(days=1)])
    assert "2 days are due: about 6 calls" in said[0]


# The month


@pytest.fixture
def march(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is noon of March 1st to whoever counts calls: polls need 8,784 of them until April."""

    class Noon(datetime):
        @classmethod
        def now(cls, _tz: Any = None) -> datetime:  # type: ignore[override]
            return NOON

    monkeypatch.setattr(rate_limit, "datetime", Noon)


def spend(intake: Intake, calls: int) -> None:
    """Note calls of this month that were made already."""
    limit = intake.client(silent, None).rate_limit
    assert limit
    limit.file.parent.mkdir(parents=True, exist_ok=True)
    limit.file.with_name(f"{limit.file.name}.2026-03").write_text(str(calls))


@pytest.mark.usefixtures("march")
def test_the_calls_of_a_month_are_counted_and_end(markets: Intake, api: SampleServer) -> None:
    spend(markets, 9_998)
    poll(markets)
    api.fail_with("403")
    with pytest.raises(FetchError, match="403"):
        poll(markets)
    with pytest.raises(MonthSpent, match=r"10,000 calls of this month are spent.*2026-04-01"):
        poll(markets)
    assert len(api.requests) == 2


@pytest.mark.usefixtures("march")
def test_history_leaves_polls_the_calls_that_they_need(
    history: Intake, markets: Intake, api: SampleServer
) -> None:
    spend(history, 10_000 - 8_784 - 4)
    other = PAST + timedelta(days=1)
    said: list[str] = []
    result = history.ask_due(said.append, [PAST, other])
    assert (result.asked, result.left, len(api.requests)) == ([PAST], [other], 4)
    assert "but for those that polls need" in said[-1]
    # What is left of that day is asked for when there are calls again.
    assert [one.part for one in held(history, other)] == [COINS[0]]
    assert history.due([PAST, other]) == [other]
    for _ in range(2):
        poll(markets)
    assert len(api.requests) == 6


# Files


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("20260301T120000Z.json", "p1of1"),
        ("20260301T120000Z.p1of2.json", "p1of2"),
        (f"20260301T120000.000005Z.p2of2-{'a' * 64}.json", "p2of2"),
    ],
)
def test_a_saved_page_is_known_by_its_name(name: str, part: str) -> None:
    found = ask.saved_page(FileDrop(name, AT, b"[]"))
    assert (found.day, found.part) == (DAY, part)
    assert found.captured_at.replace(microsecond=0) == NOON


@pytest.mark.parametrize(
    "name",
    ["coins.json", "20260301T120000Z.p3of2.json", "20260301T120000Z-x.json", "20260301.json"],
)
def test_a_file_of_another_name_is_refused(name: str) -> None:
    with pytest.raises(Refused):
        ask.saved_page(FileDrop(name, AT, b"[]"))


# The road, and what is told on it


def build(settings: Settings, on: Enabled, day: date) -> list[str]:
    """What the checks of a build of this day warn about."""
    with dg.DagsterInstance.ephemeral() as instance:
        return run_build(
            build_definitions(settings, [on]),
            instance,
            build_job_name("crypto"),
            DayRange(day, day),
            silent,  # type: ignore[arg-type]
        ).warnings


def test_odd_polls_are_built_their_checks_warn_and_the_key_reaches_nothing(
    settings: Settings,
    api: SampleServer,
    fake: FakeCrypto,
    clock: SettableClock,
    on: Enabled,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    markets, history = (factory.intake(settings, on, one) for one in (MARKETS, HISTORY))
    start = traps.ODD_ROWS
    archive = tmp_path / "archive"
    made = list(fake.archive(archive, start, start + timedelta(hours=6), timedelta(hours=1)))
    imported = list(markets.import_path(archive))
    assert len([one for one in imported if one.landed]) == len(made) == 6
    said: list[str] = []
    day = start.date()
    clock.set(start + timedelta(days=2))
    asking = history._asking(history.client(said.append, None))
    landed = [history.stream.payloads.land(one) for one in ask.history(asking, day)]
    nobody = Payload(day, clock(), b'{"error":"coin not found"}', part="nobody")
    assert all([*landed, history.stream.payloads.land(nobody)])
    api.fail_with("status-200", Answer(f"<{KEY}>".encode(), 410), "truncated", "403", "401")
    faults = []
    for _ in range(4):
        try:
            poll(markets)
        except FetchError as fault:
            faults.append(fault)
    assert len(faults) >= 3
    caplog.set_level(logging.INFO)
    texts = build(settings, on, day)
    assert any("rejected rows" in text for text in texts)
    assert any("unknown fields" in text for text in texts)
    assert any("quarantined" in text for text in texts)
    assert any("its coin is unknown" in text for text in texts)
    with factory.warehouse(settings).read_connection() as query:
        assert query(
            "select position, path from staging.rejected_coin_snapshots order by position"
        ) == [
            (place, f"$[{place}]{path}")
            for place, path in zip(
                traps.REJECTED,
                (
                    *(".current_price", ".current_price", ".current_price", ".market_cap"),
                    *(".last_updated", ".market_cap_rank", ".id", ".high_24h", "", "", ".id"),
                ),
                strict=True,
            )
        ]
        # Five polls of sixty coins; that of zeros is no data.
        assert query("select count(*), count(distinct polled_at) from staging.coin_snapshots") == [
            (5 * 60 - len(traps.REJECTED), 5)
        ]
        odd = dict(
            query(
                "select position, price from staging.coin_snapshots"
                f" where polled_at = timestamp '{start:%Y-%m-%d %H:%M:%S}'"
            )
        )
        assert odd[40] == Decimal("1e-18")
        assert odd[42] is None
        assert odd[43] == 0
        assert odd[50] == Decimal("0.000000123456789012345678")
        assert query(
            "select total_supply from staging.coin_snapshots where position = 45"
            " order by total_supply desc limit 1"
        ) == [(Decimal("123456789012345678901"),)]
        assert query(
            "select coin_id, count(*) > 20 from staging.coin_history group by 1 order by 1"
        ) == [(coin, True) for coin in sorted(COINS)]
    out = capfd.readouterr()
    told = [*said, *map(str, faults), *map(repr, faults), caplog.text, out.out, out.err, repr(on)]
    assert not [text for text in told if KEY in text]
    files = [file for file in settings.home.rglob("*") if file.is_file()]
    assert files
    assert not [one for one in files if KEY in str(one) or KEY.encode() in one.read_bytes()]


def test_order_repetition_and_rivals_change_no_byte_of_curated(
    settings: Settings, on: Enabled, tmp_path: Path, fake: FakeCrypto
) -> None:
    day = traps.ODD_ROWS.date()
    payloads = [
        Payload(day, at, fake.page(at, page, 60), f"p{page}of2")
        for at in (traps.ODD_ROWS + timedelta(hours=n) for n in range(4))
        for page in (1, 2)
    ]
    # Another answer of a moment and page: one of the two counts, whichever came first.
    payloads.append(payloads[2]._replace(body=fake.page(traps.NEW_FIELD, 1, 30)))
    written = []
    for seed in (1, 2):
        home = settings.model_copy(update={"home": tmp_path / str(seed)})
        stream = factory.stream(home, on, MARKETS)
        random.Random(seed).shuffle(payloads)  # noqa: S311
        for one in payloads:
            stream.payloads.land(one)
            validate_day(stream, day)
        first = write_day(stream, day)
        assert write_day(stream, day) == first
        written.append(first)
    assert written[0] == written[1]


def test_an_asking_that_is_killed_at_any_operation_is_ended_by_the_next(
    on: Enabled, settings: Settings, tmp_path: Path, api: SampleServer
) -> None:
    expected = None

    def intake(objects: Any) -> Intake:
        store = PayloadStore(
            objects, CRYPTO.name, HISTORY.name, HISTORY.calendar, day_is_capture=False
        )
        whole = factory.intake(settings, on, HISTORY)
        stream = Stream(CRYPTO, HISTORY, store, date(2014, 1, 1))
        return Intake(stream, on.settings, whole.client, whole.max_body)

    for operations in count():
        objects = ObjectStore(tmp_path / str(operations))
        died = False
        try:
            intake(dying(objects, operations)).ask_due(silent, [PAST])
        except Killed:
            died = True
        landed = len(held(intake(objects)))
        asked = len(api.requests)
        whole = intake(objects)
        whole.ask_due(silent, [PAST])
        assert whole.due([PAST]) == []
        if died:
            # What is held isn't asked for again.
            assert len(api.requests) - asked == len(COINS) - landed
        found = [(one.part, one.read()) for one in held(whole)]
        expected = expected or sorted(found)
        assert sorted(found) == expected
        if not died:
            break
    assert operations > 5
    assert [part for part, _ in expected or []] == sorted(COINS)


def test_a_poll_that_is_killed_between_two_pages_keeps_the_first(
    settings: Settings, api: SampleServer
) -> None:
    intake = two_pages(settings, api)
    polling = intake.poll(intake.client(silent, None))
    next(polling)
    polling.close()
    poll(intake)
    assert [one.part for one in held(intake)] == ["p1of2", "p1of2", "p2of2"]
    rows = rows_of(MARKETS, *held(intake))["coin_snapshots"]
    assert len({row["polled_at"] for row in rows}) == 2


# The made-up API


def get(api: SampleServer, path: str, status: int = 200, **headers: str) -> Any:
    shown = {"x-cg-demo-api-key": KEY} | {
        name.replace("_", "-"): one for name, one in headers.items()
    }
    response = requests.get(f"{api.url}{path}", headers=shown, timeout=10)
    assert response.status_code == status
    return response.json()


def test_the_made_up_api_is_as_strict_as_the_real_one(api: SampleServer) -> None:
    page = "/api/v3/coins/markets?vs_currency=usd&per_page=250"
    assert len(get(api, page)) == 250
    assert get(api, f"{page}&page=9") == []
    assert get(api, f"{page}&wrong=1", 422)["error"]
    assert get(api, "/api/v3/coins/markets?per_page=250", 422)["error"]
    refused = get(api, f"{page}&x_cg_demo_api_key={KEY}", 401)
    assert refused["status"]["error_code"] == 10002
    assert get(api, page, 401, x_cg_demo_api_key="no")["status"]["error_code"] == 10002
    assert get(api, page, 401, x_cg_pro_api_key=KEY)["status"]["error_code"] == 10011
    chart = "/api/v3/coins/bitcoin/market_chart/range?vs_currency=usd"
    start = int((NOON - timedelta(days=400)).timestamp())
    old = get(api, f"{chart}&from={start}&to={start + 86_400}", 401)
    assert old["error"]["status"]["error_code"] == 10012
    end = int(NOON.timestamp())
    daily = get(api, f"{chart}&from={end - 100 * 86_400}&to={end}")["prices"]
    assert len(daily) == 102
    recent = get(api, f"{chart}&from={end - 3600}&to={end}")["prices"]
    assert len(recent) == 12


def test_calls_beyond_the_plan_are_refused() -> None:
    with SampleServer(FakeCrypto(calls_a_minute=2)) as api:
        for status in (200, 200, 429):
            url = f"{api.url}/api/v3/coins/markets?vs_currency=usd&per_page=1"
            assert requests.get(url, timeout=10).status_code == status


def test_the_made_up_world_is_odd_where_genuine_data_are(fake: FakeCrypto) -> None:
    def coins(at: datetime) -> dict[str, Any]:
        return {row["id"]: row for row in json.loads(fake.page(at))}

    def of(number: int, at: datetime = NOON) -> Any:
        return coins(at).get(fake.world.coins[number].id)

    assert fake.page(NOON) == FakeCrypto().page(NOON)
    assert of(Odd.SAME_SYMBOL)["symbol"] == of(0)["symbol"]
    assert "\u200b" in of(Odd.ZERO_WIDTH)["name"]
    assert of(Odd.NO_VOLUME)["total_volume"] == 0
    assert of(Odd.WRAPPED)["market_cap_rank"] is None
    assert of(Odd.TINY)["current_price"] < 1e-10
    april = NOON.replace(month=4)
    assert of(Odd.RENAMED)["name"] != of(Odd.RENAMED, april)["name"]
    assert of(Odd.LEAVES)
    assert of(Odd.LEAVES, NOON.replace(day=6)) is None
    assert of(Odd.LEAVES, NOON.replace(day=8))
    assert of(Odd.STALE, NOON.replace(day=9))["last_updated"] == "2026-03-01T00:00:00.000Z"
    coarse = coins(datetime(2026, 3, 3, 12, tzinfo=UTC)).values()
    assert {one["last_updated"][19:] for one in coarse} == {".000Z"}
    later = NOON + timedelta(minutes=1)
    first, second = (list(coins(at)) for at in (NOON, later))
    assert first[-1] != second[-1]
    last = json.loads(fake.page(NOON, 2))[-1]
    assert (last["market_cap"], last["market_cap_rank"]) == (0.0, None)
