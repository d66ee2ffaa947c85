"""The sample feed keeps the real feed's laws, depends on time and seed only, fails on demand."""

import hashlib
import json
import os
import re
import statistics
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree
from zoneinfo import ZoneInfo

import pytest
import requests
from hypothesis import Phase, assume, given, settings
from hypothesis import strategies as st

from predictit_assets.sample.clock import SettableClock
from predictit_assets.sample.server import SampleServer
from predictit_assets.sources.predictit.fake import FakePredictIt

EASTERN = ZoneInfo("America/New_York")
NOON = datetime(2031, 3, 5, 17, 0, 30, tzinfo=UTC)
WEEK = timedelta(days=7)
JSON_HEADERS = {"Accept": "application/json"}

Record = dict[str, Any]

MARKET_KEYS = ["id", "name", "shortName", "image", "url", "contracts", "timeStamp", "status"]
CONTRACT_KEYS = [
    "id", "dateEnd", "image", "name", "shortName", "status", "lastTradePrice", "bestBuyYesCost",
    "bestBuyNoCost", "bestSellYesCost", "bestSellNoCost", "lastClosePrice", "displayOrder",
]  # fmt: skip
QUOTES = ["bestBuyYesCost", "bestBuyNoCost", "bestSellYesCost", "bestSellNoCost"]

times = st.datetimes(
    datetime(2015, 1, 1), datetime(2040, 12, 31), timezones=st.just(UTC), allow_imaginary=False
)
worlds = st.builds(
    FakePredictIt, seed=st.integers(0, 2**32), markets=st.just(12), contracts=st.integers(20, 60)
)
few = settings(max_examples=25, deadline=None)


@pytest.fixture(scope="module")
def world() -> FakePredictIt:
    return FakePredictIt()


@pytest.fixture(scope="module")
def week(world: FakePredictIt) -> list[dict[str, list[Record]]]:
    """A week of payloads, three hours apart."""
    return [world.payload(NOON + step * timedelta(hours=3)) for step in range(57)]


def contracts_of(payload: dict[str, list[Record]]) -> list[Record]:
    return [contract for market in payload["markets"] for contract in market["contracts"]]


def cents(price: float) -> int:
    """The price in whole cents; fails for any other price."""
    assert price == round(price, 2)
    return round(100 * price)


# Format


def test_a_body_is_its_payload_in_predictits_layout(world: FakePredictIt) -> None:
    payload = world.payload(NOON)

    text = json.dumps(payload, ensure_ascii=False, indent=2).replace("\n", "\r\n")

    assert world.body(NOON) == text.encode()
    assert re.search(r"[^\x00-\x7f]", text)


@few
@given(worlds, times)
def test_keys_and_their_order_are_those_of_the_real_feed(
    world: FakePredictIt, at: datetime
) -> None:
    payload = world.payload(at)

    assert list(payload) == ["markets"]
    for market in payload["markets"]:
        assert list(market) == MARKET_KEYS
        assert market["status"] == "Open"
        assert 0 < len(market["name"].strip()) <= 80
        assert 0 < len(market["shortName"]) <= 40
        assert 1 <= len(market["contracts"]) <= 22
        assert isinstance(market["id"], int)
    for contract in contracts_of(payload):
        assert list(contract) == CONTRACT_KEYS
        assert contract["status"] == "Open"


@few
@given(worlds, times)
def test_the_time_stamp_is_eastern_wall_time_a_second_or_so_ago(
    world: FakePredictIt, at: datetime
) -> None:
    payload = world.payload(at)
    assume(payload["markets"])

    (stamp,) = {market["timeStamp"] for market in payload["markets"]}

    fraction = re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.(\d{3,7})", stamp)
    assert fraction
    assert not fraction[1].endswith("0")
    naive = datetime.fromisoformat(stamp[:26])
    ages = [at - naive.replace(tzinfo=EASTERN, fold=fold).astimezone(UTC) for fold in (0, 1)]
    # In autumn one hour comes twice: one of the two readings is the right one.
    assert any(timedelta(0) <= age <= timedelta(seconds=2) for age in ages)


def test_it_can_be_as_large_as_the_real_feed() -> None:
    world = FakePredictIt(markets=250, contracts=1300)

    payload = world.payload(NOON)

    assert len(world.body(NOON)) == pytest.approx(850_000, rel=0.1)
    assert len(payload["markets"]) == pytest.approx(250, rel=0.1)
    assert len(contracts_of(payload)) == pytest.approx(1300, rel=0.1)


@pytest.mark.parametrize(("markets", "contracts"), [(0, 0), (10, 9), (10, 121)])
def test_a_world_that_cannot_be_is_refused(markets: int, contracts: int) -> None:
    with pytest.raises(ValueError, match=f"not {markets} markets"):
        FakePredictIt(markets=markets, contracts=contracts)


def test_a_naive_time_is_refused(world: FakePredictIt) -> None:
    with pytest.raises(ValueError, match="aware"):
        world.payload(datetime(2031, 3, 5))


# Prices


@few
@given(worlds, times)
def test_prices_keep_the_feeds_laws(world: FakePredictIt, at: datetime) -> None:
    for contract in contracts_of(world.payload(at)):
        ask, no_ask, bid, no_bid = (contract[key] for key in QUOTES)
        assert (ask is None) == (no_bid is None)
        assert (bid is None) == (no_ask is None)
        assert ask is None or cents(no_bid) == 100 - cents(ask)
        assert bid is None or cents(no_ask) == 100 - cents(bid)
        assert ask is None or bid is None or ask > bid
        for price in (ask, no_ask, bid, no_bid, contract["lastClosePrice"]):
            assert price is None or 1 <= cents(price) <= 99
        assert 0 <= cents(contract["lastTradePrice"]) <= 99
        if contract["lastTradePrice"] == 0:
            assert contract["lastClosePrice"] is None


@few
@given(worlds, times)
def test_the_last_close_is_the_last_trade_at_eastern_midnight(
    world: FakePredictIt, at: datetime
) -> None:
    midnight = at.astimezone(EASTERN).replace(hour=0, minute=0, second=0, microsecond=0)

    then = {one["id"]: one["lastTradePrice"] for one in contracts_of(world.payload(midnight))}
    now = {one["id"]: one["lastClosePrice"] for one in contracts_of(world.payload(at))}

    for contract_id, close in now.items():
        assert close == (then.get(contract_id) or None)


def test_all_kinds_of_books_occur(week: list[dict[str, list[Record]]]) -> None:
    rows = [contract for payload in week for contract in contracts_of(payload)]

    books = {(row["bestBuyYesCost"] is None, row["bestSellYesCost"] is None) for row in rows}

    assert books == {(False, False), (False, True), (True, False), (True, True)}
    assert any(row["lastTradePrice"] == 0 for row in rows)


def test_prices_of_a_market_add_up_to_about_one(week: list[dict[str, list[Record]]]) -> None:
    several = [
        market["contracts"]
        for payload in week
        for market in payload["markets"]
        if len(market["contracts"]) > 1
    ]

    sums = [sum(contract["lastTradePrice"] for contract in contracts) for contracts in several]
    bids = [
        sum(contract["bestSellYesCost"] or 0 for contract in contracts) for contracts in several
    ]

    assert 1.0 <= statistics.median(sums) <= 1.08
    twentieths = statistics.quantiles(sums, n=20)
    assert twentieths[0] >= 0.85
    assert twentieths[-1] <= 1.2
    arbitrage = sum(total > 1.001 for total in bids) / len(bids)
    assert 0.02 < arbitrage < 0.5


def test_some_contracts_trade_every_minute_and_most_do_not(world: FakePredictIt) -> None:
    minutes = 240
    changes: dict[int, int] = {}
    before: dict[int, float] = {}
    for minute in range(minutes):
        for contract in contracts_of(world.payload(NOON + timedelta(minutes=minute))):
            moved = before.get(contract["id"], contract["lastTradePrice"])
            changes.setdefault(contract["id"], 0)
            changes[contract["id"]] += moved != contract["lastTradePrice"]
            before[contract["id"]] = contract["lastTradePrice"]

    assert max(changes.values()) > minutes / 4
    assert statistics.median(changes.values()) < minutes / 20
    assert min(changes.values()) == 0


# Texts


def test_names_have_the_real_feeds_oddities(week: list[dict[str, list[Record]]]) -> None:
    names = {contract["name"] for payload in week for contract in contracts_of(payload)}

    assert any(name.endswith(" ") for name in names)
    for oddity in ("\t", "  ", "≥"):
        assert any(oddity in name for name in names)
    assert any(re.search("[àáâãäåèéêëíîóôöúü]", name, re.IGNORECASE) for name in names)


def test_end_dates_come_in_every_form(world: FakePredictIt) -> None:
    forms = {
        re.sub(r"\d+", "9", contract["dateEnd"])
        for month in range(60)
        for contract in contracts_of(world.payload(NOON + month * timedelta(days=30)))
    }

    assert forms == {
        "NA",
        "N/A",
        "9-9-9T9:9:9",
        "9/9/9 9:9:9 AM (ET)",
        "9/9/9 9:9 AM (ET) [beginning of the day]",
        "9/9/9 9:9 a.m.",
        "9/9/9 9:9 PM (ET)",
    }


def test_order_follows_price_but_for_a_few_listed_markets(
    week: list[dict[str, list[Record]]],
) -> None:
    several = [m for payload in week for m in payload["markets"] if len(m["contracts"]) > 1]

    listed = [m for m in several if any(one["displayOrder"] for one in m["contracts"])]

    assert 0 < len(listed) < len(several) / 3
    for market in several:
        prices = [contract["lastTradePrice"] for contract in market["contracts"]]
        order = [contract["displayOrder"] for contract in market["contracts"]]
        assert order == sorted(order) if market in listed else prices == sorted(prices)[::-1]


# Life and death


# A week takes too long to make for shrinking one that fails to be worth the wait.
@settings(max_examples=8, deadline=None, phases=[Phase.reuse, Phase.generate])
@given(st.integers(0, 2**32), times)
def test_in_any_week_markets_open_close_and_are_renamed(seed: int, start: datetime) -> None:
    world = FakePredictIt(seed=seed)
    payloads = [world.payload(start + step * timedelta(hours=4)) for step in range(43)]
    present = [{market["id"] for market in payload["markets"]} for payload in payloads]

    opened = set.union(*present) - present[0]
    closed = set.union(*present) - present[-1]
    assert len(opened) >= 3
    assert len(closed) >= 3
    gone: set[int] = set()
    for before, after in pairwise(present):
        gone |= before - after
        assert not gone & after, "a market came back"

    names: dict[int, list[str]] = {}
    for payload in payloads:
        for market in payload["markets"]:
            versions = names.setdefault(market["id"], [])
            if versions[-1:] != [market["name"]]:
                versions.append(market["name"])
    renamed = [versions for versions in names.values() if len(versions) > 1]
    assert any(versions[0] == versions[2] for versions in renamed if len(versions) == 3)
    assert any(versions[0] != versions[-1] for versions in renamed)


def test_contracts_are_added_late_and_leave_only_with_their_market(
    week: list[dict[str, list[Record]]],
) -> None:
    added = 0
    for before, after in pairwise(week):
        earlier = {m["id"]: {one["id"] for one in m["contracts"]} for m in before["markets"]}
        for market in after["markets"]:
            ids = {contract["id"] for contract in market["contracts"]}
            assert earlier.get(market["id"], ids) <= ids
            added += len(ids - earlier.get(market["id"], ids))
    assert added


def test_other_attributes_change_too(world: FakePredictIt) -> None:
    seen: dict[tuple[str, int], set[str]] = {}
    for day in range(120):
        for market in world.payload(NOON + timedelta(days=day))["markets"]:
            seen.setdefault(("market image", market["id"]), set()).add(market["image"])
            seen.setdefault(("market url", market["id"]), set()).add(market["url"])
            for contract in market["contracts"]:
                for key in ("name", "shortName", "image", "dateEnd"):
                    seen.setdefault((key, contract["id"]), set()).add(contract[key])

    changed = {what for (what, _), values in seen.items() if len(values) > 1}

    assert changed == {"market image", "name", "shortName", "image", "dateEnd"}


def test_ids_are_unique_for_ever_and_grow() -> None:
    world = FakePredictIt(markets=20, contracts=60)
    market_of: dict[int, int] = {}
    newest = []
    for step in range(100):
        payload = world.payload(datetime(2015, 1, 1, tzinfo=UTC) + step * timedelta(days=90))
        newest.append(max(market["id"] for market in payload["markets"]))
        ids = [market["id"] for market in payload["markets"]]
        assert len(ids) == len(set(ids))
        for market in payload["markets"]:
            for contract in market["contracts"]:
                assert market_of.setdefault(contract["id"], market["id"]) == market["id"]

    assert newest == sorted(newest)
    assert max(market_of) < 2**31


def test_a_market_by_id_is_the_one_in_the_payload(world: FakePredictIt) -> None:
    for market in world.payload(NOON)["markets"]:
        assert world.market(market["id"], NOON) == market


def test_a_market_that_left_is_closed_and_mostly_has_one_winner(world: FakePredictIt) -> None:
    later = NOON + timedelta(days=120)
    open_later = {market["id"] for market in world.payload(later)["markets"]}
    decided = []
    for earlier in range(0, 120, 10):
        for market in world.payload(NOON + timedelta(days=earlier))["markets"]:
            if market["id"] in open_later:
                continue
            closed = world.market(market["id"], later)
            assert closed
            assert closed["status"] == "Closed"
            for contract in closed["contracts"]:
                assert contract["status"] == "Closed"
                assert [contract[key] for key in QUOTES] == [None] * 4
                assert contract["lastClosePrice"] == (contract["lastTradePrice"] or None)
            finals = [contract["lastTradePrice"] for contract in closed["contracts"]]
            winners = sum(final >= 0.97 for final in finals)
            decided.append(all(final >= 0.97 or final <= 0.03 for final in finals))
            if decided[-1]:
                assert winners == 1 or len(finals) == 1 == 1 - winners
    assert len(decided) > 50
    assert 0.8 < statistics.mean(decided) < 1


def test_closed_markets_have_end_dates_of_their_own(world: FakePredictIt) -> None:
    ids = {
        market["id"]
        for step in range(40)
        for market in world.payload(NOON - step * timedelta(days=10))["markets"]
    }
    closed = [world.market(market_id, NOON + timedelta(days=3000)) for market_id in ids]

    ends = {contract["dateEnd"] for market in closed if market for contract in market["contracts"]}

    assert {"No End Date", "9/99/99 9:99 p.m. (ET)"} <= ends
    assert any(end.endswith("(EDT)") for end in ends)


@few
@given(worlds, times)
def test_a_market_is_unknown_before_it_opens(world: FakePredictIt, at: datetime) -> None:
    before = {market["id"] for market in world.payload(at)["markets"]}

    for market in world.payload(at + WEEK)["markets"]:
        assert (world.market(market["id"], at) is None) == (market["id"] not in before)


@pytest.mark.parametrize("market_id", [-1, 1, 999_999_999, 2**63 - 1, 10**18 - 1])
def test_an_unknown_id_is_nothing(world: FakePredictIt, market_id: int) -> None:
    assert world.market(market_id, NOON) is None


# Nothing but time and seed


def test_two_worlds_agree_whatever_they_were_asked_before() -> None:
    asked_much, asked_once = FakePredictIt(seed=3), FakePredictIt(seed=3)
    for days in (4000, -900, 3, 0):
        asked_much.body(NOON + timedelta(days=days))

    assert asked_much.body(NOON) == asked_once.body(NOON)
    assert asked_once.body(NOON) != FakePredictIt(seed=4).body(NOON)


def test_the_bytes_are_those_of_every_version() -> None:
    """A demo, an archive and a bench of before belong to what is polled now."""
    digest = hashlib.sha256()
    for step in range(50):
        digest.update(FakePredictIt().body(NOON + step * timedelta(hours=7, minutes=13)))
    assert digest.hexdigest() == "66c1b5de40482029eb1473ea94454aa656bda00eca9612827e1998330f4b5316"


def test_another_process_agrees(world: FakePredictIt) -> None:
    program = (
        "import hashlib; from datetime import datetime;"
        "from predictit_assets.sources.predictit.fake import FakePredictIt;"
        f"body = FakePredictIt().body(datetime.fromisoformat('{NOON.isoformat()}'));"
        "print(hashlib.sha256(body).hexdigest())"
    )

    ran = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )

    assert ran.stdout.strip() == hashlib.sha256(world.body(NOON)).hexdigest()


# Archive


def test_an_archive_is_what_polling_would_have_saved(world: FakePredictIt, tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "archive"
    eastern_start = NOON.astimezone(EASTERN)

    files = world.archive(folder, eastern_start, NOON + timedelta(hours=2), timedelta(minutes=40))

    first = next(files)
    assert list(folder.iterdir()) == [first]
    first.write_bytes(b"old")
    assert [path.name for path in [first, *files]] == [
        "20310305T170030Z.json",
        "20310305T174030Z.json",
        "20310305T182030Z.json",
    ]
    again = world.archive(folder, NOON, NOON + timedelta(seconds=1), timedelta(hours=1))
    assert next(again).read_bytes() == world.body(NOON)


def test_an_archive_is_at_most_one_file_a_second(world: FakePredictIt, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="apart"):
        list(world.archive(tmp_path, NOON, NOON + WEEK, timedelta(0)))


# Server


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOON)


@pytest.fixture
def server(world: FakePredictIt, clock: SettableClock) -> Iterator[SampleServer]:
    with SampleServer(world, clock=clock, hang_seconds=30) as server:
        yield server


@pytest.fixture
def get(server: SampleServer) -> Iterator[Callable[..., requests.Response]]:
    """Ask the server for all markets, or another path, as JSON."""
    with requests.Session() as session:
        # Proxies of the machine that runs the tests are none of their business.
        session.trust_env = False

        def ask(path: str = "/api/marketdata/all/", **more: Any) -> requests.Response:
            more.setdefault("headers", JSON_HEADERS)
            return session.get(server.url + path, timeout=more.pop("timeout", 10), **more)

        yield ask


Get = Callable[..., requests.Response]


@pytest.mark.parametrize("path", ["/api/marketdata/all/", "/api/marketdata/all"])
def test_the_server_answers_with_the_minutes_payload(
    get: Get, world: FakePredictIt, clock: SettableClock, path: str
) -> None:
    minute = NOON.replace(second=0)
    assert get(path).content == world.body(minute)
    clock.advance(timedelta(seconds=29))
    assert get(path).content == world.body(minute)
    clock.advance(timedelta(seconds=1))
    assert get(path).content == world.body(minute + timedelta(minutes=1))


def test_bytes_are_compressed_for_those_who_take_it(get: Get) -> None:
    squeezed = get()
    plain = get(headers={**JSON_HEADERS, "Accept-Encoding": "identity"})

    assert squeezed.headers["Content-Encoding"] == "gzip"
    assert "Content-Encoding" not in plain.headers
    assert squeezed.content == plain.content
    assert int(plain.headers["Content-Length"]) == len(plain.content)
    assert int(squeezed.headers["Content-Length"]) < len(plain.content) / 5


def test_a_browser_is_given_xml(get: Get, world: FakePredictIt) -> None:
    payload = world.payload(NOON.replace(second=0))

    answer = get(headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})

    assert answer.headers["Content-Type"].startswith("application/xml")
    root = ElementTree.fromstring(answer.content)
    assert len(root.findall("Markets/MarketData")) == len(payload["markets"])
    contract = root.find("Markets/MarketData/Contracts/MarketContract")
    assert contract is not None
    assert [one.tag for one in contract] == [key[0].upper() + key[1:] for key in CONTRACT_KEYS]


def test_one_market_can_be_asked_for_even_when_closed(
    get: Get, world: FakePredictIt, clock: SettableClock
) -> None:
    asked = {market["id"] for market in world.payload(NOON)["markets"]}
    clock.advance(timedelta(days=30))
    still_open = {market["id"] for market in world.payload(clock())["markets"]}

    opened = get(f"/api/marketdata/markets/{min(asked & still_open)}").json()
    closed = get(f"/api/marketdata/markets/{min(asked - still_open)}").json()

    assert opened["status"] == "Open"
    assert closed["status"] == "Closed"
    assert list(closed) == MARKET_KEYS


def test_an_unknown_market_is_null(get: Get) -> None:
    answer = get("/api/marketdata/markets/999999999")

    assert answer.status_code == 200
    assert answer.content == b"null"


def test_other_paths_are_not_found(get: Get) -> None:
    assert get("/api/marketdata/everything").status_code == 404


def test_requests_are_recorded(get: Get, server: SampleServer) -> None:
    get("/api/marketdata/all/?a=1", headers={"User-Agent": "a test"})
    get()

    first, second = server.requests

    assert first.path == "/api/marketdata/all/?a=1"
    assert first.headers["User-Agent"] == "a test"
    assert first.monotonic <= second.monotonic


# Faults


def test_faults_are_served_in_turn_one_each(get: Get, server: SampleServer) -> None:
    server.fail_with("503", "403")

    assert [get().status_code for _ in range(3)] == [503, 403, 200]


@pytest.mark.parametrize("status", [500, 503, 403])
def test_plain_refusals(get: Get, server: SampleServer, status: int) -> None:
    server.fail_with(str(status))

    answer = get()

    assert answer.status_code == status
    assert "Retry-After" not in answer.headers


def test_too_many_requests(get: Get, server: SampleServer) -> None:
    server.fail_with("429", "429-never", "429-date")

    soon, never, date = get(), get(), get()

    assert {soon.status_code, never.status_code, date.status_code} == {429}
    assert soon.headers["Retry-After"] == "1"
    assert never.headers["Retry-After"] == "86400"
    form = "%a, %d %b %Y %H:%M:%S GMT"
    ahead = datetime.strptime(date.headers["Retry-After"], form) - datetime.strptime(
        date.headers["Date"], form
    )
    assert timedelta(seconds=1) <= ahead <= timedelta(seconds=2)


@pytest.mark.parametrize(("how", "status"), [("html", 200), ("html-403", 403)])
def test_pages_where_data_should_be(get: Get, server: SampleServer, how: str, status: int) -> None:
    server.fail_with(how)

    answer = get()

    assert answer.status_code == status
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.text.startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("how", "body"),
    [
        ("empty", b""),
        ("no-markets", b"{}"),
        ("empty-markets", b'{"markets": []}'),
        ("null", b"null"),
    ],
)
def test_answers_without_markets(get: Get, server: SampleServer, how: str, body: bytes) -> None:
    server.fail_with(how)

    answer = get()

    assert (answer.status_code, answer.content) == (200, body)


@pytest.mark.parametrize("how", ["half", "not-json"])
def test_text_that_does_not_parse(get: Get, server: SampleServer, how: str) -> None:
    server.fail_with(how)

    answer = get(headers={**JSON_HEADERS, "Accept-Encoding": "identity"})

    assert answer.status_code == 200
    assert int(answer.headers["Content-Length"]) == len(answer.content) > 0
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


@pytest.mark.parametrize("path", ["all/", "markets/{id}"])
def test_payloads_that_break_the_feeds_own_rules(
    get: Get, server: SampleServer, world: FakePredictIt, path: str
) -> None:
    first = world.payload(NOON)["markets"][0]

    def first_market(how: str) -> Record:
        server.fail_with(how)
        answer = get("/api/marketdata/" + path.format(id=first["id"])).json()
        market: Record = answer if "id" in answer else answer["markets"][0]
        assert market["id"] == first["id"]
        return market

    assert isinstance(first_market("wrong-type")["contracts"][0]["lastTradePrice"], str)
    assert first_market("bad-price")["contracts"][0]["lastTradePrice"] == 5.4
    ids = [contract["id"] for contract in first_market("duplicate-contract")["contracts"]]
    assert len(ids) == len(set(ids)) + 1
    strange = first_market("new-field")
    assert set(strange) > set(MARKET_KEYS)
    assert set(strange["contracts"][0]) > set(CONTRACT_KEYS)
    assert "category" not in get().json()["markets"][0]


def test_a_connection_cut_half_way(get: Get, server: SampleServer) -> None:
    server.fail_with("truncated", "truncated")

    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get()
    with pytest.raises(requests.exceptions.ChunkedEncodingError, match="IncompleteRead"):
        get(headers={**JSON_HEADERS, "Accept-Encoding": "identity"})
    assert get().status_code == 200


def test_a_server_that_hangs(get: Get, server: SampleServer) -> None:
    server.fail_with("hang")

    with pytest.raises(requests.exceptions.ReadTimeout):
        get(timeout=0.2)
    assert get().status_code == 200


def test_a_hang_ends_without_an_answer(world: FakePredictIt, clock: SettableClock) -> None:
    with SampleServer(world, clock=clock, hang_seconds=0.05) as server:
        server.fail_with("hang")
        with requests.Session() as session:
            session.trust_env = False
            with pytest.raises(requests.exceptions.ConnectionError):
                session.get(server.url + "/api/marketdata/all/", timeout=10)


def test_a_server_that_drips(get: Get, server: SampleServer) -> None:
    server.fail_with("drip")

    answer = get(headers={**JSON_HEADERS, "Accept-Encoding": "identity"}, stream=True, timeout=0.3)

    assert int(answer.headers["Content-Length"]) > 50_000
    assert answer.raw.read(1) == b"{"
    with pytest.raises(Exception, match="timed out"):
        answer.raw.read(1)


def test_a_body_larger_than_any_bound(get: Get, server: SampleServer) -> None:
    server.fail_with("huge")

    with get(stream=True) as answer:
        assert int(answer.headers["Content-Length"]) == 200_000_000
        assert "Content-Encoding" not in answer.headers
        assert answer.raw.read(3_000_000) == b" " * 3_000_000

    assert get().status_code == 200


def test_a_gzip_bomb(get: Get, server: SampleServer) -> None:
    server.fail_with("bomb")

    with get(stream=True) as answer:
        squeezed = answer.raw.read(decode_content=False)

    assert len(squeezed) < 1_000_000
    inflater = zlib.decompressobj(wbits=31)
    assert len(inflater.decompress(squeezed, 5_000_000)) == 5_000_000
    # A gzip ends with the length of what is in it.
    assert int.from_bytes(squeezed[-4:], "little") == 200_000_000


def test_faults_can_be_queued_over_http(get: Get, server: SampleServer) -> None:
    with requests.Session() as session:
        session.trust_env = False
        queued = session.post(f"{server.url}/fail?how=html&times=2", timeout=10)
        assert queued.status_code == 200
        unknown = session.post(f"{server.url}/fail?how=sulk", timeout=10)
        too_often = session.post(f"{server.url}/fail?how=html&times=0", timeout=10)

    assert unknown.status_code == too_often.status_code == 400
    assert all(how in unknown.text for how in server.faults)
    kinds = [get().headers["Content-Type"].split(";")[0] for _ in range(3)]
    assert kinds == ["text/html", "text/html", "application/json"]


def test_an_unknown_fault_is_refused(server: SampleServer) -> None:
    with pytest.raises(ValueError, match="known are ok, 429, "):
        server.fail_with("sulk")


def test_the_server_is_silent_when_clients_leave(
    server: SampleServer, get: Get, capfd: pytest.CaptureFixture[str]
) -> None:
    server.fail_with("huge", "drip", "429")
    for _ in range(2):
        get(stream=True).close()
    get()
    get("/nowhere")

    assert get().status_code == 200
    assert capfd.readouterr() == ("", "")


def test_a_stopped_server_answers_nobody(world: FakePredictIt, clock: SettableClock) -> None:
    with requests.Session() as session:
        session.trust_env = False
        with SampleServer(world, clock=clock) as server:
            url = server.url + "/api/marketdata/all/"
            assert session.get(url, timeout=10).status_code == 200
        with pytest.raises(requests.exceptions.ConnectionError):
            session.get(url, timeout=10)
    with pytest.raises(RuntimeError, match="with"):
        _ = server.url
