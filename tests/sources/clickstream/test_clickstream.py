"""Clickstream: from lines of a collector to staged rows, worked out by hand and by other means."""

import gzip
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_DNS, uuid5

import ibis
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets import factory
from predictit_assets.checks.schema import warning_checks, warning_violation
from predictit_assets.contract.payload import InvalidPayload, Payload, Validation
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.contract.source import raw_manifest
from predictit_assets.errors import SettingsError
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, load
from predictit_assets.sources.clickstream import api, batches, rows
from predictit_assets.sources.clickstream.agents import MAX_READ, NAMESPACE, agent, agent_rules
from predictit_assets.sources.clickstream.fake.expected import expected
from predictit_assets.sources.clickstream.fake.requests import Meant, Request, line, moment
from predictit_assets.sources.clickstream.fake.traps import BOT
from predictit_assets.sources.clickstream.fake.visits import BROWSERS
from predictit_assets.sources.clickstream.fake.world import requests
from predictit_assets.sources.clickstream.settings import Addresses, ClickstreamSettings
from predictit_assets.storage.payloads import Zone

CLICKSTREAM = load("clickstream")
HITS = CLICKSTREAM.dataset("hits")
AT_MS = 1_772_359_201_623
AT = datetime(2026, 3, 1, 10, 0, 1, 623_000, tzinfo=UTC)
NAME = f"20260301T100000Z-{'0' * 64}.ndjson.gz"
HIT = (
    '{"v":"1","tid":"UA-1-1","cid":"5f0c","z":"8431","t":"event","pa":"purchase","qt":1500,'
    '"tm":1772359200123,"uid":"u7","dl":"https://shop.example/done?utm_source=news",'
    '"dr":"https://search.example/","dt":"Thank you","sr":"1440x900","sd":"24-bit","de":"UTF-8",'
    '"ul":"en-us","ua":"ExampleBrowser/1.0","uip":"203.0.113.9","ec":"shop","ea":"buy","el":"web",'
    '"ev":"1","pal":"search","cu":"EUR","ti":"T-1001","ta":"web","tr":"59.90","tt":"9.56",'
    '"ts":"4.90","tcc":"SPRING","pr1id":"sku7","pr1pr":"27.50"}'
)


def collected(body: str = "", **more: Any) -> str:
    """A line of a collector."""
    return json.dumps({"received_at": AT_MS, "method": "POST", "body": body} | more)


def payload(*lines: str, at: datetime = AT) -> Payload:
    body = "".join(f"{one}\n" for one in lines).encode()
    return Payload(at.date(), at, body, object_name=NAME)


def rows_of(*lines: str) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    made = HITS.rows([payload(*lines)])
    return made["hits"].to_pylist(), made["rejected_hits"].to_pylist()


def row_of(**values: Any) -> dict[str, Any]:
    (row,), rejected = rows_of(collected(json.dumps({"cid": "a", "t": "pageview"} | values)))
    assert rejected == []
    return row


def test_a_hit_becomes_this_row() -> None:
    headers = {"user-agent": BOT, "referer": "https://shop.example/other"}
    (row,), rejected = rows_of(collected(HIT, remote="198.51.100.0", headers=headers))
    assert rejected == []
    values = json.loads(HIT)
    told = [[key, str(value)] for key, value in sorted(values.items()) if key not in ("qt", "tm")]
    compact = json.dumps(told, separators=(",", ":")).encode()
    assert row == {
        "partition_date": date(2026, 3, 1),
        "received_at": AT.replace(tzinfo=None),
        "payload": NAME,
        "line_number": 0,
        "hit_index": 0,
        "log_id": str(uuid5(NAMESPACE, f"{NAME}:0.0")),
        "method": "POST",
        "remote": "198.51.100.0",
        "client_id": "5f0c",
        "request_id": "8431",
        "user_id": "u7",
        "property_id": "UA-1-1",
        "hit_type": "event",
        "product_action": "purchase",
        "client_ts": datetime(2026, 3, 1, 10, 0, 0, 123_000),
        "queue_ms": 1500,
        "page_url": "https://shop.example/done?utm_source=news",
        "page_host": "shop.example",
        "page_path": "/done",
        "referrer_url": "https://search.example/",
        "referrer_host": "search.example",
        "utm_source": "news",
        "utm_medium": None,
        "utm_campaign": None,
        "page_title": "Thank you",
        "screen_resolution": "1440x900",
        "screen_colors": "24-bit",
        "document_encoding": "UTF-8",
        "user_language": "en-us",
        "event_category": "shop",
        "event_action": "buy",
        "event_label": "web",
        "event_value": "1",
        "action_list": "search",
        "currency": "EUR",
        "transaction_id": "T-1001",
        "affiliation": "web",
        "revenue": "59.90",
        "tax": "9.56",
        "shipping": "4.90",
        "coupon": "SPRING",
        "user_agent": "ExampleBrowser/1.0",
        "user_agent_id": "ed641f0b-494b-570e-ace2-163919b2daf7",
        "browser_name": None,
        "browser_version": None,
        "browser_major": None,
        "os_name": None,
        "os_version": None,
        "device_type": "desktop",
        "device_brand": None,
        "device_model": None,
        "is_bot": False,
        "agent_rules": agent_rules(),
        "user_network": "203.0.113.0/24",
        "content_hash": hashlib.sha256(compact).hexdigest(),
        "body": HIT,
    }


def test_ids_and_hashes_are_what_others_compute() -> None:
    assert uuid5(NAMESPACE_DNS, "clickstream") == NAMESPACE
    assert row_of()["log_id"] == "5592c8e5-28f3-57c7-b2d3-90ea1f222928"
    values = {
        "t": "pageview",
        "cid": "ann",
        "z": "a1",
        "qt": "1500",
        "dl": "https://shop.example/item/7?utm_source=news",
    }
    wanted = "7f119f7cf1766d8b87d02bf38b3bbd817d361a8f18e07f1c841ffb5219a5b379"
    assert rows.content_hash(values) == wanted
    assert rows.content_hash(values | {"qt": "9", "tm": "1"}) == wanted
    assert rows.content_hash(values | {"z": "a2"}) != wanted


# Bodies


@pytest.mark.parametrize(
    ("body", "clients"),
    [
        ('[{"cid": "a", "t": "x"}, {"cid": "b", "t": "x"}]', [(0, "a"), (1, "b")]),
        ('{"cid": "a", "t": "x"}\n \n{"cid": "b", "t": "x"}\r\n', [(0, "a"), (1, "b")]),
        ('{\n"cid": "a",\n"t": "x"\n}', [(0, "a")]),
        ("[]", []),
    ],
)
def test_a_request_holds_a_hit_an_array_or_lines(body: str, clients: list[tuple[int, str]]) -> None:
    found, rejected = rows_of(collected(body))
    assert [(row["hit_index"], row["client_id"]) for row in found] == clients
    assert rejected == []
    assert [row["log_id"] for row in found] == [
        str(uuid5(NAMESPACE, f"{NAME}:0.{index}")) for index, _ in clients
    ]


def test_a_pixel_is_a_hit_and_its_body_is_nothing() -> None:
    query = "t=pageview&cid=a%20b&dt=50%25+off%00&cid=last&empty=&dl=https%3A%2F%2Fa.example%2Fx"
    (row,), _ = rows_of(collected("ignored", method="GET", query=query))
    assert (row["client_id"], row["page_title"], row["page_path"]) == (
        "last",
        "50% off\ufffd",
        "/x",
    )
    assert json.loads(row["body"])["empty"] == ""
    _, (rejected,) = rows_of(collected("", method="GET", query=""))
    assert (rejected["reason"], rejected["path"]) == ("empty body", "$")


def test_leaner_lines_of_other_tools_are_read() -> None:
    hit = {"cid": 7, "t": "event", "pr1pr": 27.50, "dt": "a"}
    lean = {"received_at": AT_MS, "user_agent": BOT}
    found, rejected = rows_of(
        json.dumps(lean | {"body": hit}),
        json.dumps(lean | {"body": [hit, hit]}),
        json.dumps(lean | {"body": json.dumps(hit), "user_agent": None}),
        json.dumps(lean | {"body": hit | {"dt": "\ud800"}}),
        json.dumps(lean | {"body": json.dumps(hit), "more": "\udc00"}),
    )
    assert rejected == []
    assert [(row["line_number"], row["hit_index"]) for row in found] == [
        *((0, 0), (1, 0), (1, 1), (2, 0), (3, 0), (4, 0))
    ]
    assert [row["is_bot"] for row in found] == [True, True, True, False, True, True]
    assert {row["client_id"] for row in found} == {"7"}
    assert {json.loads(row["body"])["pr1pr"] for row in found} == {27.5}
    assert found[4]["page_title"] == "\ufffd"


@pytest.mark.parametrize(
    ("body", "reason", "path"),
    [
        ("{", "not JSON", "$"),
        ("NaN", "not JSON", "$"),
        ('{"cid": "a", "t": "x", "ev": Infinity}', "not JSON", "$"),
        ("[" * 100_000, "not JSON", "$"),
        (" \n", "empty body", "$"),
        ("null", "not an object", "$[0]"),
        ('[[{"cid": "a"}]]', "not an object", "$[0]"),
        ('{"t": "x"}', "cid is missing or blank", "$[0].cid"),
        ('{"t": "x", "cid": null}', "cid is missing or blank", "$[0].cid"),
        ('[{"cid": " \\r\\n", "t": "x"}]', "cid is missing or blank", "$[0].cid"),
        (json.dumps({"cid": "c" * 129}), "cid is longer than 128 characters", "$[0].cid"),
        ('{"cid": "a"}\n{"cid": "a", "t": "x"', "not JSON", "$[1]"),
        ('{"cid": "a", "t": "\\t"}', "t is missing or blank", "$[0].t"),
    ],
)
def test_a_bad_hit_costs_a_hit(body: str, reason: str, path: str) -> None:
    _, rejected = rows_of(collected(HIT), collected(body))
    last = rejected[-1]
    assert (last["position"], last["reason"], last["path"]) == (1, reason, path)
    assert last["content"] or reason == "empty body"
    assert HITS.validate(payload(collected(body))).rejected == len(rejected)


def test_a_bad_line_costs_a_line_and_no_good_one_costs_the_payload() -> None:
    other_day = json.dumps({"received_at": AT_MS + 86_400_000, "body": HIT})
    bad = ("{", "[]", '{"body": {}}', '{"received_at": 1}', '{"received_at": "x"}', other_day)
    found, rejected = rows_of(collected(HIT), "", *bad, collected(HIT))
    assert [row["line_number"] for row in found] == [0, 8]
    assert [row["position"] for row in rejected] == [2, 3, 4, 5, 6, 7]
    assert [row["reason"] for row in rejected] == [
        *["not a line of a collector"] * 5,
        api.OTHER_DAY,
    ]
    assert HITS.validate(payload(*bad, collected(HIT))) == Validation(
        {"requests": 2, "hits": 1}, (), 6
    )
    for body in (b"", b"\n\n", b"{}\n[]", b'{"received_at": true}', b'{"received_at": 1}\xff'):
        with pytest.raises(InvalidPayload):
            HITS.validate(Payload(AT.date(), AT, body))


def test_bytes_that_are_no_text_are_rejected_and_kept_as_far_as_they_are_text() -> None:
    _, (rejected,) = rows_of(collected(body64="eyJjaWQiOiAi//8=", body=None))
    assert (rejected["reason"], rejected["path"]) == ("not UTF-8", "$")
    assert rejected["content"] == '{"cid": "\ufffd\ufffd'


@pytest.mark.parametrize("text", ["a", "\u2028", "\0"])
def test_what_only_should_be_base64_costs_its_line(text: str) -> None:
    found, (rejected,) = rows_of(collected(body64=text, body=None), collected(HIT))
    assert len(found) == 1
    reason = "empty body" if text == "\0" else "not JSON"
    assert (rejected["reason"], rejected["path"]) == (reason, "$")


# Values

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def kept(value: Any) -> Any:
    """A value in which no text holds NUL."""
    if isinstance(value, str):
        return value.replace("\0", "\ufffd")
    if isinstance(value, dict):
        return {kept(key): kept(one) for key, one in value.items()}
    return [kept(one) for one in value] if isinstance(value, list) else value


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@given(st.dictionaries(st.text(), VALUES, max_size=6))
@hypothesis_settings(max_examples=80, deadline=None)
def test_values_are_read_as_they_are_written(more: dict[str, Any]) -> None:
    hit = more | {"cid": "a", "t": "event"}
    row = next(api.hits(api.line(collected(json.dumps(hit)).encode())))
    assert isinstance(row, api.Hit)
    wanted = {
        key: value if isinstance(value, str) else as_json(value)
        for key, value in kept(hit).items()
        if value is not None
    }
    assert row.values == wanted
    assert row.body == as_json(kept(hit))
    told = sorted([key, value] for key, value in wanted.items() if key not in ("qt", "tm"))
    assert rows.content_hash(row.values) == hashlib.sha256(as_json(told).encode()).hexdigest()


def test_numbers_stay_as_written_and_of_a_key_that_is_there_twice_the_last_counts() -> None:
    body = (
        '{"cid":"x","t":"event","ev":-0,"tr":1.50,"ti":1e5,"tt":12345678901234567890123,'
        '"cid":"y","el":true,"ec":{"b":1.0,"b":2.10},"ul":null,"dt":"a\\u0000\\ud83d\\ude00\\ud83d"}'
    )
    (row,), _ = rows_of(collected(body))
    wanted = {
        "client_id": "y",
        "event_value": "-0",
        "revenue": "1.50",
        "transaction_id": "1e5",
        "tax": "12345678901234567890123",
        "event_label": "true",
        "event_category": '{"b":2.10}',
        "user_language": None,
        "page_title": "a\ufffd\U0001f600\ufffd",
    }
    assert {name: row[name] for name in wanted} == wanted
    assert '"tr":1.50,"ti":1e5' in row["body"]
    assert "\\u0000" not in row["body"]
    row = row_of(dt="a\0b", **{"k\0": 1})
    assert (row["page_title"], json.loads(row["body"])["k\ufffd"]) == ("a\ufffdb", 1)


@pytest.mark.parametrize(
    ("url", "host", "path", "campaign"),
    [
        (
            "https://SHOP.example:8443/A/b;c?x=1&utm_campaign=a%20b+c#f",
            "shop.example",
            "/A/b;c",
            "a b c",
        ),
        ("https://shop.example?utm_campaign=1&utm_campaign=2", "shop.example", "/", "1"),
        (" https://shop.example/%F0?utm_campaign=%F0 ", "shop.example", "/%F0", "\ufffd"),
        ("https://shop.example/?utm%5Fcampaign=x", "shop.example", "/", "x"),
        ("http://[::1]/x", "::1", "/x", None),
        ("http://[::1/x", None, None, None),
        ("https://shop.example:99999/x", None, None, None),
        ("shop.example/x", None, None, None),
        ("/item/7?utm_campaign=x", None, None, None),
        ("about:blank", None, None, None),
        ("", None, None, None),
    ],
)
def test_urls_are_read(url: str, host: str | None, path: str | None, campaign: str | None) -> None:
    row = row_of(dl=url, dr=url)
    assert (row["page_host"], row["page_path"], row["utm_campaign"]) == (host, path, campaign)
    assert row["referrer_host"] == host


def test_what_the_body_leaves_blank_the_request_tells() -> None:
    headers = {"user-agent": BOT, "referer": "https://shop.example/from"}
    request = {"headers": headers, "remote": "2001:db8:1:2::3"}
    hit = {"cid": "a", "t": "x", "dl": " ", "ua": "", "uip": "\t"}
    (row,), _ = rows_of(collected(json.dumps(hit), **request))
    assert (row["page_url"], row["user_agent"]) == (headers["referer"], BOT)
    assert (row["user_network"], row["remote"]) == ("2001:db8:1::/48", request["remote"])


@pytest.mark.parametrize(
    ("address", "wanted"),
    [
        ("203.0.113.9", "203.0.113.0/24"),
        ("::ffff:203.0.113.9", "203.0.113.0/24"),
        ("2001:DB8:1:2::3", "2001:db8:1::/48"),
        ("fe80::1%eth0", "fe80::/48"),
        (" 203.0.113.9 ", "203.0.113.0/24"),
        ("203.0.113.9:80", None),
        ("010.0.0.1", None),
        ("nowhere", None),
    ],
)
def test_addresses_become_networks(address: str, wanted: str | None) -> None:
    assert row_of(uip=address)["user_network"] == wanted


@pytest.mark.parametrize(
    ("tm", "qt", "client_ts", "queue_ms"),
    [
        (946684800000, 0, datetime(2000, 1, 1), 0),
        ("4102444799999.9", " 86400001 ", datetime(2099, 12, 31, 23, 59, 59, 999_000), 86_400_001),
        (946684799999, "1234567890123456", None, None),
        (4102444800000, "-1", None, None),
        ("soon", 1.5, None, None),
        ("１７７２３５９２００１２３", "１", None, None),
        (None, "9" * 15, None, 999_999_999_999_999),
    ],
)
def test_clocks_and_queues_are_read_within_bounds(
    tm: Any, qt: Any, client_ts: datetime | None, queue_ms: int | None
) -> None:
    row = row_of(tm=tm, qt=qt)
    assert (row["client_ts"], row["queue_ms"]) == (client_ts, queue_ms)


@pytest.mark.parametrize(
    ("text", "kind", "is_bot", "browser", "system"),
    [
        (BROWSERS[0], "desktop", False, ("Chrome", "120.0.0.0", "120"), ("Windows", "10")),
        (BROWSERS[3], "mobile", False, ("Mobile Safari", "17.1", "17"), ("iOS", "17.1")),
        (BROWSERS[4], "tablet", False, ("Chrome", "120.0.0.0", "120"), ("Android", "13")),
        (BOT, "bot", True, ("Googlebot", "2.1", "2"), (None, None)),
        ("ExampleSpider/1.0", "bot", True, ("ExampleSpider", "1.0", "1"), (None, None)),
        ("-", None, False, (None, None, None), (None, None)),
        ("", None, False, (None, None, None), (None, None)),
    ],
)
def test_agents_are_told(
    text: str, kind: str | None, is_bot: bool, browser: tuple[Any, ...], system: tuple[Any, ...]
) -> None:
    found = agent(text)
    assert (found.device_type, found.is_bot) == (kind, is_bot)
    assert (found.browser_name, found.browser_version, found.browser_major) == browser
    assert (found.os_name, found.os_version) == system
    assert (found.user_agent_id is None) == (not text)
    assert agent(f"\t{text} ")[1:] == found[1:]


def test_an_agent_of_any_length_has_an_id_of_its_own_and_costs_little() -> None:
    long, longer = (agent(f"{BOT}{'x' * (MAX_READ + n)}") for n in range(2))
    assert long.is_bot
    assert long.user_agent_id != longer.user_agent_id
    assert long[3:] == longer[3:]
    assert not agent(f"{'x' * MAX_READ} {BOT}").is_bot  # what comes later isn't read


# The fake, and its own model of what must come out


@pytest.fixture(scope="module")
def posted() -> list[Request]:
    return list(requests(date(2026, 3, 1), date(2026, 3, 2), hits_a_day=600))


@pytest.fixture(scope="module")
def payloads(posted: list[Request]) -> list[Payload]:
    file = io.BytesIO("".join(f"{line(one)}\n" for one in posted).encode())
    return [
        batches.identify(batches.FileDrop("lines", AT, body))._replace(object_name=f"{n}.ndjson.gz")
        for n, body in enumerate(batches.cut(file))
    ]


def test_what_the_shop_means_is_what_is_staged(
    posted: list[Request], payloads: list[Payload]
) -> None:
    meant = expected((one.at, one) for one in posted)
    made = HITS.rows(payloads)
    assert len(made["hits"]) == meant.hits > 1_000
    assert Counter(made["rejected_hits"]["reason"].to_pylist()) == meant.rejected
    validated = [HITS.validate(one) for one in payloads]
    assert sum(one.counts["hits"] for one in validated) == meant.hits
    assert sum(one.rejected for one in validated) == sum(meant.rejected.values())
    kept_hits = [dict(hit.values) for one in posted for hit in one.meant if not hit.rejected]
    for row, values in zip(made["hits"].to_pylist(), kept_hits, strict=True):
        assert {column: row[column] for column in rows.SENT} == {
            column: values.get(key) for column, key in rows.SENT.items()
        }
        assert row["content_hash"] == rows.content_hash(values)
    assert len(set(made["hits"]["log_id"].to_pylist())) == meant.hits
    assert (meant.copies, len(meant.revenue)) == (3, 3)


def test_a_session_ends_after_half_an_hour_and_at_a_midnight_only_without_a_pause() -> None:
    """The table of the system's page, worked out by hand there."""
    hour, minute, day = 3_600_000, 60_000, 86_400_000
    start = 20_513 * day

    def seen(*times: int) -> int:
        hits = [Request(at, b"", [fake_hit(str(n))]) for n, at in enumerate(sorted(times))]
        return expected((one.at, one) for one in hits).sessions

    ann = (10 * hour, 10 * hour + 30 * minute - 1, 11 * hour - 1, 24 * hour - 10 * minute)
    over = (24 * hour + 10 * minute, 24 * hour + 40 * minute - 1)
    assert seen(*(start + at for at in ann + over)) == 3
    crawler = range(start + 8 * hour, start + 3 * day + 12 * hour + 1, 10 * minute)
    assert len(crawler) == 96 + 144 + 144 + 73
    assert seen(*crawler) == 3


def fake_hit(z: str) -> Meant:
    return Meant({"cid": "ann", "t": "pageview", "z": z})


def test_the_same_seed_posts_the_same(posted: list[Request]) -> None:
    days = date(2026, 3, 1), date(2026, 3, 2)
    assert list(requests(*days, hits_a_day=600)) == posted
    assert list(requests(*days, hits_a_day=600, seed=8)) != posted
    assert [one.at for one in posted] == sorted(one.at for one in posted)


# Import


def lines_at(*times: int | None) -> Iterator[bytes]:
    for n, at in enumerate(times):
        told = {} if at is None else {"received_at": at}
        yield json.dumps({"n": n} | told).encode() + b"\n"


def test_a_file_is_cut_by_day_and_size_and_its_lines_stay_as_they_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    next_day = AT_MS + 86_400_000
    lines = list(lines_at(None, AT_MS, None, next_day, None, AT_MS, AT_MS + 1, None))
    lines[2] = b"no json\r\n"
    whole = b"".join(lines)[:-1]  # the last line has no end
    cut = list(batches.cut(io.BytesIO(whole)))
    assert cut == [b"".join(lines[:3]), b"".join(lines[3:5]), b"".join(lines[5:])[:-1]]
    # What was cut isn't cut in another way.
    assert [list(batches.cut(io.BytesIO(one))) for one in cut] == [[one] for one in cut]
    monkeypatch.setattr(batches, "MAX_BATCH", len(lines[0]) + 1)
    small = list(batches.cut(io.BytesIO(whole)))
    assert b"".join(small) == whole
    assert [len(one.splitlines()) for one in small] == [2, 1, 1, 1, 1, 1, 1]
    monkeypatch.setattr(batches, "MAX_LINE", 5)
    with pytest.raises(batches.Refused, match="a line of more than"):
        list(batches.cut(io.BytesIO(whole)))


def test_an_imported_file_is_landed_in_batches_once(
    settings: Settings, posted: list[Request], tmp_path: Path
) -> None:
    on = Enabled(CLICKSTREAM, ClickstreamSettings())
    intake = factory.intake(settings, on, HITS)
    text = "".join(f"{line(one)}\n" for one in posted).encode()
    file = tmp_path / "lines.ndjson.gz"
    file.write_bytes(gzip.compress(text))
    (tmp_path / "nothing.ndjson").write_bytes(b"\n{}\n")
    imported = list(intake.import_path(tmp_path))
    assert [bool(one.landed) for one in imported] == [True, True, False]
    assert imported[2].refused == "no line tells when it was received (received_at)"
    assert not any(one.landed for one in intake.import_path(tmp_path))
    store = intake.stream.payloads
    days = [date(2026, 3, 1), date(2026, 3, 2)]
    landed = [one for day in days for one in store.held(Zone.LANDING, day)]
    assert [(one.day, one.captured_at) for one in landed] == [
        (day, next(moment(one.at) for one in posted if moment(one.at).date() == day))
        for day in days
    ]
    bodies = [found.payload.read() for one in landed if (found := store.load(one))]
    assert b"".join(bodies) == text


# Warnings


def test_a_hundredth_may_be_rejected_before_a_warning_says_so() -> None:
    manifest = raw_manifest(HITS)
    (check,) = (one for one in warning_checks(manifest) if one.name == "nothing_rejected")
    days = [AT.date(), AT.date(), date(2026, 3, 2), date(2026, 3, 3)]
    columns = dict.fromkeys(manifest.to_schema().columns, [None] * 4)
    found = columns | {
        "partition_date": days,
        "hits": [99, 99, 98, None],
        "rejected": [0, 2, 2, None],
    }
    told = warning_violation(check, ibis.memtable(found, schema=ibis_schema(manifest)))
    assert told is not None
    assert told.rows == 1
    schema = HITS.tables["hits"]
    for name, column, values in (
        ("known_types", "hit_type", ["Hover", " PageView ", "event"]),
        ("known_actions", "product_action", ["wink", " ADD", None]),
    ):
        (check,) = (one for one in warning_checks(schema) if one.name == name)
        hits = dict.fromkeys(schema.to_schema().columns, [None] * 3) | {column: values}
        told = warning_violation(check, ibis.memtable(hits, schema=ibis_schema(schema)))
        assert told is not None
        assert told.rows == 1


# Settings


def test_settings_are_read_as_people_write_them() -> None:
    said = ClickstreamSettings(
        origins="https://shop.example/, http://b.example:8080",
        trusted_proxies="10.0.0.0/8, 127.0.0.1",
        addresses="drop",
        max_age_minutes=30,
    )
    assert said.origins == ("https://shop.example", "http://b.example:8080")
    assert [str(one) for one in said.trusted_proxies] == ["10.0.0.0/8", "127.0.0.1/32"]
    assert said.addresses is Addresses.DROP
    limits = HITS.age_of_newest(said)
    assert limits is not None
    assert (limits.warn.total_seconds(), limits.fail.total_seconds()) == (1800, 3600)
    assert HITS.age_of_newest(ClickstreamSettings()) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ORIGINS", "shop.example"),
        ("ORIGINS", ","),
        ("TRUSTED_PROXIES", "proxy"),
        ("ADDRESSES", "some"),
        ("MAX_BODY_KB", "0"),
        ("PORT", "70000"),
    ],
)
def test_settings_that_mean_nothing_are_refused(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"PREDICTIT_CLICKSTREAM_{name}", value)
    with pytest.raises(SettingsError, match=f"PREDICTIT_CLICKSTREAM_{name}="):
        ClickstreamSettings.load()
