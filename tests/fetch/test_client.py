"""The client over real sockets: identified, paced, retried, and bounded in time and size."""

import gzip
import os
import socket
import time
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Thread

import pytest
from conftest import NOON

from predictit_assets import __version__
from predictit_assets.errors import FetchError
from predictit_assets.fetch import client as http
from predictit_assets.fetch.client import Client, RateLimit
from predictit_assets.sample.http import HTML, Answer
from predictit_assets.sample.server import SampleServer
from predictit_assets.sources.predictit.fake import FakePredictIt

MAX_BODY = 1_000_000
INTERVAL = 0.3
JITTER = 0.1
"""Seconds by which a request may be noted late by the server: not the client's doing."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """No backoff between two tries, so that only Retry-After and the pace make anyone wait."""
    monkeypatch.setattr(http, "wait_exponential_jitter", lambda **_: lambda _state: 0.0)


@pytest.fixture
def naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The seconds of each sleep, none of which is slept."""
    naps: list[float] = []
    monkeypatch.setattr(time, "sleep", naps.append)
    return naps


@pytest.fixture
def make_client(tmp_path: Path) -> Callable[..., Client]:
    """Makes clients that share a rate_limit."""

    def make(interval: float = 0, say: Callable[[str], None] = lambda _: None) -> Client:
        return Client(RateLimit(tmp_path / "last_call", interval), MAX_BODY, say)

    return make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture
def nowhere() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}/"


@pytest.fixture
def answer(feed: SampleServer) -> Callable[..., None]:
    """Makes the feed answer the next calls in a way that it doesn't know of itself."""

    def prepare(answer: Answer, times: int = 1) -> None:
        feed.fail_with(*[answer] * times)

    return prepare


def everything(feed: SampleServer) -> str:
    return f"{feed.url}/api/marketdata/all/"


def refusal(client: Client, url: str) -> str:
    """The text of the error that a call ends with: always one line that names the URL."""
    with pytest.raises(FetchError) as caught:
        client.get(url)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert url in text
    return text


def refusal_in_time(client: Client, url: str) -> str:
    """The refusal by a client that, should it wait for ever, mustn't keep the tests."""
    told: list[str] = []
    call = Thread(target=lambda: told.append(refusal(client, url)), daemon=True)
    call.start()
    call.join(timeout=10)
    assert told, "it is still waiting"
    return told[0]


def gaps(feed: SampleServer) -> list[float]:
    """Seconds between each request and the next."""
    return [later.monotonic - sooner.monotonic for sooner, later in pairwise(feed.requests)]


# What is asked, and what comes back


def test_a_body_comes_back_byte_for_byte(
    client: Client, feed: SampleServer, world: FakePredictIt
) -> None:
    assert client.get(everything(feed)) == world.body(NOON)


def test_a_request_asks_for_json_and_says_who_asks(client: Client, feed: SampleServer) -> None:
    client.get(everything(feed))

    (request,) = feed.requests
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"].startswith(f"predictit_assets/{__version__} (")


def test_half_a_json_text_is_returned_for_it_is_the_answer(
    client: Client, feed: SampleServer, world: FakePredictIt
) -> None:
    feed.fail_with("half")

    whole = world.body(NOON)
    assert client.get(everything(feed)) == whole[: len(whole) // 2]


# What trying again can't mend


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("403", "answered 403 Forbidden"),
        ("html-403", "Checking your browser"),
        ("html", "a page instead of JSON (text/html; charset=utf-8): <!DOCTYPE html>"),
        ("empty", "answered 200 with an empty body"),
        ("429-never", "it asks to wait 86400 s"),
        ("huge", "more than 1 MB"),
        ("bomb", "more than 1 MB"),
    ],
)
def test_a_final_answer_is_an_error_at_once(
    client: Client, feed: SampleServer, naps: list[float], how: str, told: str
) -> None:
    feed.fail_with(how)

    assert told in refusal(client, everything(feed))
    assert len(feed.requests) == 1
    assert naps == []


@pytest.mark.parametrize("status", [200, 403])
def test_a_page_of_many_lines_is_told_in_one(
    client: Client, feed: SampleServer, answer: Callable[..., None], status: int
) -> None:
    answer(Answer(b"<html>\r\n<body>\n\tback \xff soon", status, HTML))

    assert refusal(client, everything(feed)).endswith(": <html> <body> back \ufffd soon")


def test_a_missing_page_is_an_error_at_once(client: Client, feed: SampleServer) -> None:
    assert "answered 404" in refusal(client, f"{feed.url}/api/nothing/")
    assert len(feed.requests) == 1


@pytest.mark.parametrize("how", ["huge", "bomb"])
def test_200_megabytes_are_refused_without_being_held(
    client: Client, feed: SampleServer, how: str
) -> None:
    feed.fail_with(how)

    tracemalloc.start()
    try:
        refusal(client, everything(feed))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 5 * MAX_BODY


# What may pass


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["503", "500", "truncated"])
def test_a_passing_fault_is_tried_again(
    client: Client, feed: SampleServer, world: FakePredictIt, how: str
) -> None:
    feed.fail_with(how, how)

    assert client.get(everything(feed)) == world.body(NOON)
    assert len(feed.requests) == 3


@pytest.mark.usefixtures("impatient")
def test_a_gzip_that_stops_halfway_is_tried_again(
    client: Client, feed: SampleServer, world: FakePredictIt, answer: Callable[..., None]
) -> None:
    half = gzip.compress(world.body(NOON))[:1000]
    answer(Answer(half, headers={"Content-Encoding": "gzip"}))

    assert client.get(everything(feed)) == world.body(NOON)
    assert len(feed.requests) == 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["429", "429-date"])
def test_a_retry_waits_as_long_as_the_server_asks(
    client: Client, feed: SampleServer, world: FakePredictIt, how: str
) -> None:
    feed.fail_with(how)

    assert client.get(everything(feed)) == world.body(NOON)
    (gap,) = gaps(feed)
    assert gap >= 1 - JITTER


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("how", "told"),
    [("500", "answered 500 Internal Server Error"), ("truncated", "IncompleteRead")],
)
def test_after_three_tries_the_error_names_what_came_back(
    client: Client, feed: SampleServer, how: str, told: str
) -> None:
    feed.fail_with(how, how, how)

    assert told in refusal(client, everything(feed))
    assert len(feed.requests) == 3


def test_each_wait_is_longer_than_the_one_before(
    client: Client, feed: SampleServer, naps: list[float]
) -> None:
    feed.fail_with("503", "503", "503")

    refusal(client, everything(feed))

    first, second = naps
    assert 0.5 <= first <= second
    assert second >= 1


@pytest.mark.usefixtures("naps")
@pytest.mark.parametrize("header", ["soon", "-5", "", "Fri, 31 Dec 99999 23:59:59 GMT", "9" * 5000])
def test_a_retry_after_that_makes_no_sense_is_no_defect(
    client: Client, feed: SampleServer, answer: Callable[..., None], header: str
) -> None:
    answer(Answer(b"{}", 429, headers={"Retry-After": header}), times=3)

    assert "answered 429" in refusal(client, everything(feed))


@pytest.mark.usefixtures("impatient")
def test_a_server_that_hangs_is_left(
    client: Client, feed: SampleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.2)
    feed.fail_with("hang", "hang", "hang")

    assert "timed out" in refusal_in_time(client, everything(feed))
    assert len(feed.requests) == 3


def test_a_server_that_drips_is_left(client: Client, feed: SampleServer) -> None:
    feed.fail_with("drip")
    hasty = replace(client, attempts=1, total_timeout=0.5)

    assert "for one answer" in refusal_in_time(hasty, everything(feed))


@pytest.mark.usefixtures("impatient")
def test_a_port_where_nobody_listens_is_one_clear_line(client: Client, nowhere: str) -> None:
    assert "Connection refused" in refusal(client, nowhere)


# RateLimit


@pytest.mark.parametrize("clients", [1, 2])
def test_calls_keep_their_distance(
    make_client: Callable[..., Client], feed: SampleServer, clients: int
) -> None:
    callers = [make_client(INTERVAL) for _ in range(clients)]

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda n: callers[n % clients].get(everything(feed)), range(4)))

    assert min(gaps(feed)) >= INTERVAL - JITTER
    assert len(feed.requests) == 4


@pytest.mark.usefixtures("impatient")
def test_retries_keep_their_distance_too(
    make_client: Callable[..., Client], feed: SampleServer
) -> None:
    feed.fail_with("503", "truncated")

    make_client(INTERVAL).get(everything(feed))

    assert len(feed.requests) == 3
    assert min(gaps(feed)) >= INTERVAL - JITTER


@pytest.mark.usefixtures("impatient")
def test_a_failed_connection_leaves_the_turn_to_the_next_call(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float], nowhere: str
) -> None:
    client = make_client(3600)

    refusal(client, nowhere)
    client.get(everything(feed))
    assert not any(naps)

    refusal(client, nowhere)  # nor does it take away the turn that was used before
    naps.clear()
    client.get(everything(feed))
    assert naps == [pytest.approx(3600, abs=100)]


def test_a_wait_is_told(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float]
) -> None:
    said: list[str] = []
    client = make_client(60, said.append)

    client.get(everything(feed))
    assert said == []
    client.get(everything(feed))

    assert said == ["one call every 60 s is allowed: waiting 60 s"]
    assert naps == [pytest.approx(60, abs=5)]


def test_a_clock_that_was_set_back_costs_one_interval_at_most(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float], tmp_path: Path
) -> None:
    next_week = time.time() + 7 * 86400
    (tmp_path / "last_call").touch()
    os.utime(tmp_path / "last_call", (next_week, next_week))

    make_client(60).get(everything(feed))

    assert naps == [60]
