"""The pump: what the made-up shop posts to a collector, or writes; and the user's own files."""

import json
from collections.abc import Iterator
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from uuid import NAMESPACE_DNS, uuid5

import pytest

from predictit_assets.errors import ExpectedError
from predictit_assets.sources.clickstream.fake import own_data
from predictit_assets.sources.clickstream.fake.commands import EXPECTED, pump
from predictit_assets.sources.clickstream.fake.expected import expected
from predictit_assets.sources.clickstream.fake.pump import collect_address, first
from predictit_assets.sources.clickstream.fake.pump import pump as post
from predictit_assets.sources.clickstream.fake.requests import line
from predictit_assets.sources.clickstream.fake.world import requests

DAY = date(2026, 3, 1)


class Collector(BaseHTTPRequestHandler):
    """Takes what it is sent, but for the third request, which it wants again."""

    protocol_version = "HTTP/1.1"
    taken: list[tuple[str, bytes]]
    asked = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        type(self).asked += 1
        busy = self.asked == 3
        if not busy:  # before the answer: who has the answer looks at what was taken
            self.taken.append((self.path, body))
        self.send_response(429 if busy else 413 if len(body) > 65_536 else 200)
        self.send_header("Retry-After", "0")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST  # noqa: N815

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[str]:
    Collector.taken, Collector.asked = [], 0
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_what_is_posted_is_taken_once_and_told(collector: str) -> None:
    wanted = list(first(requests(DAY, DAY, 400), 120))
    assert sum(len(one.meant) for one in wanted) == 120
    done = post(collector, wanted)
    assert [body for _, body in Collector.taken] == [one.body for one in wanted]
    queries = [path.partition("?")[2] for path, _ in Collector.taken]
    assert queries == [one.query for one in wanted]
    assert any(queries)
    assert done.statuses == {200: len(wanted)}
    assert [one for _, one in done.kept] == wanted
    assert expected(done.kept).hits == 120
    with pytest.raises(ExpectedError, match="can't be reached"):
        post("http://127.0.0.1:9", wanted)


@pytest.mark.parametrize("url", ["shop.example", "ftp://shop.example", ""])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ExpectedError, match="no address"):
        collect_address(url)


def test_days_are_written_with_a_list_of_what_must_come_out(tmp_path: Path) -> None:
    pump(folder=tmp_path, hits=1_000, days=2, last="2026-03-02", seed=8)
    told = json.loads((tmp_path / EXPECTED).read_text())
    wanted = list(requests(DAY, date(2026, 3, 2), 500, seed=8))
    assert told == expected((one.at, one) for one in wanted).as_json()
    files = sorted(tmp_path.glob("*.ndjson"))
    assert [file.stem for file in files] == ["2026-03-01", "2026-03-02"]
    assert "".join(file.read_text() for file in files).splitlines() == [line(one) for one in wanted]
    with pytest.raises(ExpectedError, match="either --url or --folder"):
        pump()


EVENTS = f"""{",".join(own_data.OF_EVENTS)}
s1,pageview,,,1772359200000,u1
s1,event_product,purchase,p1,1772359260000,u2
s2,event_product,detail,p2,1772359230000,u3
s2,pageview,,,1772359290000,u4
"""
PRODUCTS = """product_sku_hash,category_hash,price_bucket,description_vector
p1,c1/c2,7.0,"[0.1, 0.2]"
p2,,,
"""


def test_the_users_own_files_become_hits(tmp_path: Path) -> None:
    (tmp_path / own_data.EVENTS).write_text(EVENTS)
    (tmp_path / own_data.PRODUCTS).write_text(PRODUCTS)
    made = own_data.requests(tmp_path, 3)
    assert [one.at for one in made] == [1772359200000, 1772359230000, 1772359260000]
    clients = [str(uuid5(NAMESPACE_DNS, session)) for session in ("s1", "s2", "s1")]
    hits = [json.loads(one.body) for one in made]
    assert [hit["cid"] for hit in hits] == clients
    assert [(hit["t"], hit.get("pa"), hit.get("pr1id")) for hit in hits] == [
        ("pageview", None, None),
        ("event", "detail", "p2"),
        ("event", "purchase", "p1"),
    ]
    assert (hits[2]["pr1pr"], hits[2]["pr1ca"], hits[2]["tr"]) == ("7.0", "c1/c2", "7.0")
    assert expected((one.at, one) for one in made).purchases == 1
    (tmp_path / own_data.EVENTS).write_text(EVENTS.replace("hashed_url", "url"))
    with pytest.raises(ExpectedError, match="lacks the columns hashed_url"):
        own_data.requests(tmp_path, 3)
    with pytest.raises(ExpectedError, match="can't be read"):
        own_data.requests(tmp_path / "nowhere", 3)
