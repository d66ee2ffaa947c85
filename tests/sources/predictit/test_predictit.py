"""PredictIt as a source: what is asked, what is valid, and the rows that valid payloads become.

What a payload means is worked out twice: here by the source, and slowly by the oracle.
"""

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

import oracle
import pytest
from conftest import FEED, NOON, observe, predictit
from hypothesis import given, note
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets import factory
from predictit_assets.contract.arrival import Asking
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN, market_data
from predictit_assets.sources.predictit.fake import FakePredictIt

TEXT = FakePredictIt(markets=3, contracts=8).body(NOON).decode()
IDS = [market["id"] for market in json.loads(TEXT)["markets"]]

Document = dict[str, Any]


def document_of_three() -> Document:
    """A genuine-shaped payload of three markets and eight contracts."""
    made: Document = json.loads(TEXT)
    return made


def received(body: bytes, captured_at: datetime = NOON) -> Payload:
    """A body as it was received at a moment."""
    return Payload(EASTERN.day_of(captured_at), captured_at, body)


def payload_of(document: object, captured_at: datetime = NOON) -> Payload:
    return received(json.dumps(document).encode(), captured_at)


def fault_of(body: bytes) -> tuple[str, str]:
    """The reason and the path for which a body is not valid."""
    with pytest.raises(InvalidPayload) as caught:
        FEED.validate(received(body))
    return caught.value.reason, caught.value.path


# Asking


def test_asking_takes_all_markets_at_the_second_they_came(
    settings: Settings, feed: SampleServer, world: FakePredictIt
) -> None:
    on = predictit(api_url=feed.url)
    client = factory.client(settings, on, log=print)
    before = datetime.now(UTC).replace(microsecond=0)
    (payload,) = market_data(Asking(client, on.settings))
    after = datetime.now(UTC)

    assert payload.body == world.body(NOON)
    assert before <= payload.captured_at <= after
    assert payload.captured_at.utcoffset() == timedelta(0)
    assert payload.captured_at.microsecond == 0
    assert [request.path for request in feed.requests] == ["/api/marketdata/all/"]


# Valid and invalid


def test_a_genuine_payload_is_valid_and_counted(world: FakePredictIt) -> None:
    (payload,) = observe(world, NOON, 1, timedelta(0))
    markets = world.payload(NOON)["markets"]

    validation = FEED.validate(payload)

    contracts = sum(len(market["contracts"]) for market in markets)
    assert validation.counts == {"markets": len(markets), "contracts": contracts}
    assert validation.new_fields == []


def put(*path: str | int, value: object) -> Callable[[Document], None]:
    """Sets what a path leads to."""

    def change(document: Any) -> None:
        *way, last = path
        for step in way:
            document = document[step]
        document[last] = value

    return change


def first_contract(key: str, value: object) -> Callable[[Document], None]:
    return put("markets", 0, "contracts", 0, key, value=value)


def missing(document: Document) -> None:
    del document["markets"][0]["contracts"][0]["bestBuyNoCost"]


def market_twice(document: Document) -> None:
    document["markets"][2]["id"] = document["markets"][0]["id"]


def contract_in_two_markets(document: Document) -> None:
    document["markets"][1]["contracts"][0]["id"] = document["markets"][0]["contracts"][0]["id"]


CONTRACT = "$.markets[0].contracts[0]"


@pytest.mark.parametrize(
    ("change", "reason", "path"),
    [
        (put("markets", value=[]), "length >= 1", "$.markets"),
        (put("markets", value=None), "got `null`", "$.markets"),
        (put("markets", 1, value=None), "got `null`", "$.markets[1]"),
        (put("markets", 1, "contracts", value=None), "got `null`", "$.markets[1].contracts"),
        (first_contract("dateEnd", 7), "got `int`", f"{CONTRACT}.dateEnd"),
        (put("markets", 1, "id", value=1.0), "got `float`", "$.markets[1].id"),
        (first_contract("id", 0), ">= 1", f"{CONTRACT}.id"),
        (first_contract("id", 2**63), "<= 9223372036854775807", f"{CONTRACT}.id"),
        (first_contract("name", 7), "Expected `str`", f"{CONTRACT}.name"),
        (first_contract("name", None), "Expected `str`", f"{CONTRACT}.name"),
        (first_contract("lastTradePrice", "0.4"), "got `str`", f"{CONTRACT}.lastTradePrice"),
        (first_contract("lastTradePrice", True), "got `bool`", f"{CONTRACT}.lastTradePrice"),
        (first_contract("lastTradePrice", None), "got `null`", f"{CONTRACT}.lastTradePrice"),
        (first_contract("lastTradePrice", 5.4), "<= 1", f"{CONTRACT}.lastTradePrice"),
        (first_contract("bestBuyYesCost", -0.01), ">= 0", f"{CONTRACT}.bestBuyYesCost"),
        (missing, "missing required field `bestBuyNoCost`", CONTRACT),
        (market_twice, "there twice, first at $.markets[0].id", "$.markets[2].id"),
        (
            contract_in_two_markets,
            f"there twice, first at {CONTRACT}.id",
            "$.markets[1].contracts[0].id",
        ),
        (put("markets", 2, "timeStamp", value="NA"), "regex", "$.markets[2].timeStamp"),
        (
            put("markets", 2, "timeStamp", value="2026-03-04T12:00:00.12345678"),
            "regex",
            "$.markets[2].timeStamp",
        ),
        (
            put("markets", 2, "timeStamp", value="2026-02-30T00:00:00"),
            "'2026-02-30T00:00:00' is no date-time",
            "$.markets[2].timeStamp",
        ),
        (
            put("markets", 2, "timeStamp", value="9999-12-31T23:00:00"),
            "'9999-12-31T23:00:00' is no date-time",
            "$.markets[2].timeStamp",
        ),
    ],
)
def test_each_fault_has_its_reason_and_its_place(
    change: Callable[[Document], None], reason: str, path: str
) -> None:
    broken = document_of_three()
    change(broken)

    told, place = fault_of(json.dumps(broken).encode())

    assert reason in told
    assert place == path


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (TEXT.encode()[: len(TEXT) // 2], "not JSON"),
        (b"the odds are good today", "not JSON"),
        (b"", "not JSON"),
        (b'{"markets": [NaN]}', "not JSON"),
        (TEXT.encode("utf-16"), "not JSON"),
        (TEXT.encode().replace(b'"name": "', b'"name": "\xff', 1), "not JSON"),
        (b"null", "Expected `object`, got `null`"),
        (b"[]", "Expected `object`, got `array`"),
        (b"{}", "missing required field `markets`"),
    ],
)
def test_what_is_no_payload_at_all_is_told_of_the_whole(body: bytes, reason: str) -> None:
    told, place = fault_of(body)

    assert reason in told
    assert place == "$"


def test_what_one_market_lacks_costs_the_others_nothing() -> None:
    odd = document_of_three()
    del odd["markets"][1]["contracts"][:]
    odd["markets"][0]["contracts"][0]["dateEnd"] = None

    validation = FEED.validate(payload_of(odd))
    rows = FEED.rows([payload_of(odd)])

    assert validation.counts["markets"] == 3
    assert sorted(rows["market_snapshots"]["contract_count"].to_pylist())[0] == 0
    assert rows["contract_snapshots"].num_rows == validation.counts["contracts"]
    assert rows["contract_snapshots"]["date_end"].null_count == 1


def test_new_fields_are_told_and_do_no_harm() -> None:
    with_news = document_of_three()
    with_news["apiVersion"] = 2
    for market in with_news["markets"]:
        market["category"] = {"name": "Elections"}
    with_news["markets"][1]["contracts"][0] |= {"volume": 1234, "aliases": ["a", None]}

    validation = FEED.validate(payload_of(with_news))

    assert validation.new_fields == [
        "$.apiVersion",
        "$.markets[].category",
        "$.markets[].contracts[].aliases",
        "$.markets[].contracts[].volume",
    ]
    assert validation.counts == FEED.validate(payload_of(document_of_three())).counts
    assert FEED.rows([payload_of(with_news)]) == FEED.rows([payload_of(document_of_three())])


@pytest.mark.parametrize(
    "news",
    [
        b'"\xff"',
        b'"\xed\xa0\x80"',
        rb'"\ud800"',
        b"1e400",
        b"9" * 5000,
        b"[" * 100_000 + b"]" * 100_000,
        b'{"a": 1, "a": 2}',
    ],
    ids=lambda news: repr(news[:12]),
)
def test_whatever_a_new_field_holds_the_payload_is_valid_or_not(news: bytes) -> None:
    body = TEXT.encode().replace(b'"markets"', b'"news": ' + news + b', "markets"', 1)
    try:
        assert FEED.validate(received(body)).new_fields == ["$.news"]
    except InvalidPayload as fault:
        assert fault.path.startswith("$")  # noqa: PT017 - either will do, anything else won't


# The law: the source and the oracle say the same of whatever arrives

# Left out, for the two differ and either may be right: a lone surrogate, a number beyond float64
# or the same key twice in what nobody knew of; prices that differ from 0 or 1, or from a fifth
# decimal of 5, by less than a float64 can tell; a wall time in the hour that spring skips.
STAMPS = [
    "2026-11-01T01:30:00",
    "2026-11-01T01:59:59.9999999",
    "2026-11-01T00:59:59.9",
    "2026-03-08T03:00:00.123",
    "0001-01-01T00:00:00",
    "9999-12-31T18:59:59",
    "9999-12-31T19:00:00",
    "2026-02-29T12:00:00",
    "2026-03-04T24:00:00",
    "2026-03-04T12:00:60",
    "2026-03-04T12:00:00.",
    "2026-03-04T12:00:00.12345678",
    "2026-03-04T12:00:00Z",
    "2026-03-04T12:00:00\n",
    "2026-03-04 12:00:00",
    "٢٠٢٦-03-04T12:00:00",
]
ODD_VALUES = st.one_of(
    st.none(),
    st.integers(0, 10_000).map(lambda n: n / 10_000),
    st.sampled_from([-0.0, -0.01, 0.0, 1.0, 1.01, 2.5, 1e300]),
    st.sampled_from([-(2**63) - 1, -(2**63), -1, 0, 1, 2, 2**63 - 1, 2**63, 10**30, 10**400]),
    st.sampled_from(IDS),
    st.sampled_from([True, False, [], {}, [1], {"id": 1}, "", "0.5", "\ud800", "\udc00x"]),
    st.text(max_size=8),
)
NEW_FIELDS = ("volume", "category", "a b", "")
NEWS = st.sampled_from([None, True, 12, 0.5, "abc", "é"])
OTHER_DOCUMENTS = [
    b"null",
    b"[]",
    b"{}",
    b'""',
    b"17",
    b"",
    b" ",
    b'[{"markets": []}]',
    b"\xef\xbb\xbf",
]


def parts_of(value: object) -> Iterator[Any]:
    """Every object and array in a JSON value."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from parts_of(inner)


def spoil(draw: st.DrawFn, document: Document) -> None:
    """Do one thing to one object or array of a payload."""
    part = draw(st.sampled_from(list(parts_of(document))))
    if isinstance(part, dict):
        known = sorted(part.keys() - set(NEW_FIELDS))
        how = draw(st.sampled_from(["add", "delete", "change", "change"] if known else ["add"]))
        if how == "add":
            part[draw(st.sampled_from(NEW_FIELDS))] = draw(NEWS)
        elif how == "delete":
            del part[draw(st.sampled_from(known))]
        else:
            key = draw(st.sampled_from(known))
            stamped = key == "timeStamp" and draw(st.booleans())
            part[key] = draw(st.sampled_from(STAMPS)) if stamped else deepcopy(draw(ODD_VALUES))
    else:
        how = draw(st.sampled_from(["insert", "repeat", "remove", "turn"] if part else ["insert"]))
        at = draw(st.integers(0, max(0, len(part) - 1)))
        if how == "insert":
            part.insert(at, deepcopy(draw(ODD_VALUES)))
        elif how == "repeat":
            part.insert(0, deepcopy(part[at]))
        elif how == "remove":
            del part[at]
        else:
            part.reverse()


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """What may arrive: genuine, or spoilt in up to three places, or in its bytes."""
    document = document_of_three()
    for _ in range(draw(st.integers(0, 3))):
        spoil(draw, document)
    text = json.dumps(document, ensure_ascii=draw(st.booleans()))
    body = text.encode(errors="surrogatepass")
    how = draw(st.sampled_from(["whole", "whole", "whole", "cut", "flip", "longer", "other"]))
    at = draw(st.integers(0, len(body) - 1))
    if how == "cut":
        return body[:at]
    if how == "flip":
        return body[:at] + bytes([draw(st.integers(0, 255))]) + body[at + 1 :]
    if how == "longer":
        return body + draw(st.sampled_from([b" ", b"\r\n", b"\0", b"}", b"{}", b"\xc2\xa0"]))
    if how == "other":
        return draw(st.sampled_from(OTHER_DOCUMENTS))
    return body


MOMENTS = st.one_of(
    st.datetimes(datetime(2014, 11, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
    # around the hour that happens twice
    st.datetimes(datetime(2026, 11, 1, 4), datetime(2026, 11, 1, 8), timezones=st.just(UTC)),
)


@hypothesis_settings(max_examples=1500, deadline=None)
@given(bodies(), MOMENTS)
def test_the_source_and_the_oracle_agree(body: bytes, captured_at: datetime) -> None:
    payload = received(body, captured_at)
    problem = oracle.problem(body)
    note(f"the oracle says: {problem}")

    if problem:
        with pytest.raises(InvalidPayload):
            FEED.validate(payload)
    else:
        FEED.validate(payload)
        assert_rows_are_the_oracles([payload])


def test_the_rows_of_a_day_of_payloads_are_the_oracles(world: FakePredictIt) -> None:
    assert_rows_are_the_oracles(observe(world, NOON, 20, timedelta(hours=1, seconds=7.25)))


@hypothesis_settings(max_examples=100, deadline=None)
@given(st.data())
def test_polls_that_repeat_each_other_in_part_give_rows_as_if_they_were_alone(
    data: st.DataObject,
) -> None:
    document = document_of_three()
    payloads = []
    for n in range(data.draw(st.integers(2, 5))):
        markets = document["markets"]
        contract = data.draw(st.sampled_from([c for m in markets for c in m["contracts"]]))
        contract["bestBuyYesCost"] = data.draw(st.sampled_from([None, 0, 0.25, 1]))
        contract["name"] = data.draw(st.sampled_from(["A", "Ä\u2028😀", "B"]))
        giver, taker = (data.draw(st.sampled_from(markets)) for _ in range(2))
        if len(giver["contracts"]) > 1:  # the same words in another market
            taker["contracts"].append(giver["contracts"].pop())
        text = json.dumps(
            document,
            ensure_ascii=data.draw(st.booleans()),
            indent=data.draw(st.sampled_from([None, 2])),
        )
        body = text.replace("\n", "\r\n").encode()
        payloads.append(received(body, NOON + n * timedelta(minutes=1)))

    assert_rows_are_the_oracles(payloads)


@pytest.mark.parametrize(
    ("sent", "odd"),
    [
        (b'"status": "Open"', b'"status": "Closed", "status": "Open"'),
        (b'"status": "Open"', b'"status": "Open", "volume": 1, "volume": [{"id": "one"}]'),
        (b'"status"', b'"st\\u0061tus"'),
        (b'"status": "Open"', b'"status": "\\\\\\uD840\\udc00"'),
    ],
    ids=["a field twice", "a new field twice", "an escaped name", "a pair of surrogates"],
)
def test_an_odd_payload_is_read_as_the_model_understands_it(sent: bytes, odd: bytes) -> None:
    body = json.dumps(document_of_three()).encode()
    assert sent in body
    payload = received(body.replace(sent, odd))
    FEED.validate(payload)
    assert_rows_are_the_oracles([payload])


def assert_rows_are_the_oracles(payloads: list[Payload]) -> None:
    """Row by row, in the order of the grain, each value of the same type."""
    expected = oracle.tables(oracle.Payload(o.captured_at, o.body) for o in payloads)
    for name, batch in FEED.rows(payloads).items():
        table = f"staging.{name}"
        rows = batch.to_pylist()
        grain = [tuple(row[column] for column in oracle.GRAIN[table]) for row in rows]
        assert oracle.compare(expected[table], rows, table) == []
        assert grain == sorted(grain)


# Times


def source_ts(stamp: str, captured_at: datetime) -> datetime:
    """What a timeStamp becomes in the tables."""
    stamped = document_of_three()
    for market in stamped["markets"]:
        market["timeStamp"] = stamp
    FEED.validate(payload_of(stamped, captured_at))
    column = FEED.rows([payload_of(stamped, captured_at)])["market_snapshots"]["source_ts"]
    (moment,) = set(column.to_pylist())
    assert isinstance(moment, datetime)
    return moment


@pytest.mark.parametrize(
    ("captured", "read"),
    [("05:31", "05:30"), ("05:59", "05:30"), ("06:01", "06:30"), ("06:31", "06:30")],
)
def test_the_hour_that_happens_twice_is_the_one_nearer_to_the_capture(
    captured: str, read: str
) -> None:
    captured_at = datetime.fromisoformat(f"2026-11-01T{captured}:00+00:00")

    moment = source_ts("2026-11-01T01:30:00", captured_at)

    assert moment == datetime.fromisoformat(f"2026-11-01T{read}:00")


@hypothesis_settings(max_examples=200, deadline=None)
@given(
    MOMENTS,
    st.timedeltas(timedelta(minutes=-29), timedelta(minutes=29)),
    st.integers(0, 7),
    st.integers(0, 9),
)
def test_a_stamp_reads_as_the_moment_it_was_made_at(
    made: datetime, age: timedelta, digits: int, seventh: int
) -> None:
    fraction = f"{made.microsecond:06}{seventh}"[:digits]
    wall = made.astimezone(EASTERN.tzinfo).replace(tzinfo=None, microsecond=0).isoformat()

    moment = source_ts(f"{wall}.{fraction}" if fraction else wall, made + age)

    microsecond = int(fraction[:6].ljust(6, "0"))
    assert moment == made.replace(tzinfo=None, microsecond=microsecond)


def test_a_payload_tells_its_own_time() -> None:
    stamped = document_of_three()
    stamped["markets"][0]["timeStamp"] = "2026-07-01T12:00:00.1234567"
    assert FEED.timestamp_in(json.dumps(stamped).encode()) == datetime(
        2026, 7, 1, 16, 0, 0, 123456, UTC
    )

    stamped["markets"][0]["timeStamp"] = "2026-11-01T01:30:00"  # twice: the first is taken
    assert FEED.timestamp_in(json.dumps(stamped).encode()) == datetime(
        2026, 11, 1, 5, 30, tzinfo=UTC
    )


@pytest.mark.parametrize("stamp", ["NA", "2026-02-30T00:00:00", "9999-12-31T23:00:00"])
def test_a_payload_without_a_readable_stamp_tells_no_time(stamp: str) -> None:
    stamped = document_of_three()
    stamped["markets"][0]["timeStamp"] = stamp

    assert FEED.timestamp_in(json.dumps(stamped).encode()) is None


@pytest.mark.parametrize("body", [b"null", b"{", b"\xff", b'{"markets": []}'])
def test_what_is_no_payload_tells_no_time(body: bytes) -> None:
    assert FEED.timestamp_in(body) is None
