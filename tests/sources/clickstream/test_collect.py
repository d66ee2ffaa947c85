"""What a request is kept as."""

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from predictit_assets.checks.spool import SpoolAge
from predictit_assets.contract.arrival import Received
from predictit_assets.sources.clickstream.collect import PIXEL, endpoint, line, remote
from predictit_assets.sources.clickstream.settings import Addresses, ClickstreamSettings

OWN = ClickstreamSettings()
AT = datetime(2026, 3, 1, 10, 0, 1, 623_000, tzinfo=UTC)


def received(body: bytes = b"{}", **values: object) -> Received:
    usual = Received(AT, "203.0.113.9", "POST", "/collect", "", {"host": "c.example"}, body)
    return usual._replace(**values)


def kept(request: Received, own: ClickstreamSettings = OWN) -> dict[str, object]:
    text = line(request, own)
    assert b"\n" not in text
    found: dict[str, object] = json.loads(text)
    return found


def test_a_line_holds_the_request_with_its_body_as_it_was_sent() -> None:
    body = '{"t":"pageview",\r\n "dt":"Grüße \u2028 \\ud83d \x00"}'
    headers = {
        "host": "c.example",
        "user-agent": "ExampleBrowser/1.0",
        "referer": "https://shop.example/",
        "origin": "https://shop.example",
        "content-type": "text/plain",
        "accept-language": "en",
        "dnt": "1",
        "sec-gpc": "1",
    }
    assert [*kept(received(body.encode(), headers=headers)).items()] == [
        ("v", 1),
        ("received_at", 1772359201623),
        ("remote", "203.0.113.0"),
        ("method", "POST"),
        ("path", "/collect"),
        ("query", ""),
        ("headers", headers),
        ("body", body),
    ]


def test_no_other_header_is_kept() -> None:
    private = {
        "cookie": "session=1",
        "authorization": "Bearer me",
        "x-forwarded-for": "203.0.113.9",
        "x-api-key": "secret",
        "sec-ch-ua": "?",
    }
    text = line(received(headers={"host": "c.example"} | private), OWN).decode()
    assert json.loads(text)["headers"] == {"host": "c.example"}
    assert not [value for value in private.values() if value in text]


@pytest.mark.parametrize("body", [b"\xff\xfe", b"caf\xe9", b"\xed\xa0\x80", b"\x00" * 100_000])
def test_a_body_that_is_no_utf_8_or_would_swell_stands_as_base64(body: bytes) -> None:
    found = kept(received(body))
    assert "body" not in found
    assert base64.b64decode(str(found["body64"])) == body
    assert len(line(received(body), OWN)) < 2 * len(body) + 65_536


@pytest.mark.parametrize("body", [b"", b'"\\' * 30_000, b"\x00" * 1_000])
def test_any_other_body_stands_as_text(body: bytes) -> None:
    assert kept(received(body))["body"] == body.decode()


@pytest.mark.parametrize(
    ("address", "keep", "truncate"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.0"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2:3:4:5:6", "2001:db8:1::"),
        ("::ffff:203.0.113.9", "203.0.113.9", "203.0.113.0"),
        ("fe80::1%eth0", "fe80::1", "fe80::"),
        ("", "", ""),
        ("unknown", "", ""),
        ("<b>203.0.113.9</b>", "", ""),
    ],
)
def test_addresses_are_cut_or_dropped_before_they_are_written(
    address: str, keep: str, truncate: str
) -> None:
    assert remote(address, Addresses.KEEP) == keep
    assert remote(address, Addresses.TRUNCATE) == truncate
    assert remote(address, Addresses.DROP) == ""
    dropping = ClickstreamSettings(addresses=Addresses.DROP)
    assert kept(received(address=address), dropping)["remote"] == ""


def test_the_endpoint_has_the_bounds_of_the_settings() -> None:
    own = ClickstreamSettings(max_body_kb=1, spool_mb=2, trusted_proxies="10.0.0.0/8, 192.0.2.1")
    found = endpoint(own)
    assert (found.host, found.port, found.connections) == ("127.0.0.1", 8080, 512)
    assert (found.max_body, found.max_spool, found.requests_a_second) == (1024, 2_000_000, 50)
    assert [*found.trusted_proxies] == ["10.0.0.0/8", "192.0.2.1/32"]
    assert (endpoint(OWN).max_body, endpoint(OWN).origins) == (65_536, ("*",))
    assert (len(PIXEL.body), PIXEL.body[:6]) == (42, b"GIF89a")


def test_a_segment_that_waits_for_too_long_is_warned_about(tmp_path: Path) -> None:
    age = SpoolAge(dg.AssetKey(["landing", "clickstream", "hits"]), tmp_path / "spool")
    assert age.evaluate() is None  # no collector keeps its spool here
    age.folder.mkdir()
    for minutes, passed in ((0, True), (9, True), (11, False)):
        first = datetime.now(UTC) - timedelta(minutes=minutes, seconds=1)
        (age.folder / f"{round(first.timestamp() * 1000)}-0.closed").touch()
        found = age.evaluate()
        assert found
        assert (found.passed, found.severity) == (passed, dg.AssetCheckSeverity.WARN)
    assert "is 11 minutes old" in str(found.description)
