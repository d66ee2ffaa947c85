"""The client over real sockets: identified, paced, retried, and bounded in time and size."""

import gzip
import os
import socket
import subprocess
import sys
import time
import traceback
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import pytest
from conftest import NOON, predictit
from filelock import FileLock

from predictit_assets import __version__, factory
from predictit_assets.contract.arrival import Answer as Answered
from predictit_assets.errors import FetchError
from predictit_assets.fetch import client as http
from predictit_assets.fetch.client import (
    CallsSpent,
    Client,
    Credential,
    KeyRefused,
    RequestRefused,
    RetryableError,
)
from predictit_assets.fetch.rate_limit import HostRateLimit, RateLimited
from predictit_assets.sample.http import HTML, Answer, Delivery, Request, Route, json_answer
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
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
def make_client(tmp_path: Path, feed: SampleServer) -> Callable[..., Client]:
    """Makes clients of the made-up API that share a rate limit."""

    def make(
        interval: float = 0, log: Callable[[str], None] = lambda _: None, **values: Any
    ) -> Client:
        limit = HostRateLimit(tmp_path / "last_call", interval)
        return Client(feed.url, limit, MAX_BODY, log, **values)

    return make


@pytest.fixture
def client(make_client: Callable[..., Client]) -> Client:
    return make_client()


@pytest.fixture
def nowhere() -> str:
    """A URL where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        return f"http://127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture
def answer(feed: SampleServer) -> Callable[..., None]:
    """Makes the feed answer the next calls in a way that it doesn't know of itself."""

    def prepare(answer: Answer, times: int = 1) -> None:
        feed.fail_with(*[answer] * times)

    return prepare


EVERYTHING = "/api/marketdata/all/"


def refusal(client: Client, path: str = EVERYTHING) -> str:
    """The text of the error that a call ends with: always one line that names the URL."""
    with pytest.raises(FetchError) as caught:
        client.get(path)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert f"{client.base}{path}" in text
    return text


def refusal_in_time(client: Client, path: str = EVERYTHING) -> str:
    """The refusal by a client that, should it wait for ever, mustn't keep the tests."""
    told: list[str] = []
    call = Thread(target=lambda: told.append(refusal(client, path)), daemon=True)
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
    assert client.get(EVERYTHING) == Answered(200, world.body(NOON))


def test_a_request_asks_for_json_and_says_who_asks(client: Client, feed: SampleServer) -> None:
    client.get(EVERYTHING)

    (request,) = feed.requests
    assert request.headers["Accept"] == "application/json"
    assert request.headers["User-Agent"].startswith(f"predictit_assets/{__version__} (")


def test_half_a_json_text_is_returned_for_it_is_the_answer(
    client: Client, feed: SampleServer, world: FakePredictIt
) -> None:
    feed.fail_with("half")

    whole = world.body(NOON)
    assert client.get(EVERYTHING).body == whole[: len(whole) // 2]


# What trying again can't mend


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("403", "answered 403 Forbidden"),
        ("html-403", "Checking your browser"),
        ("html", "a page instead of data (text/html; charset=utf-8): <!DOCTYPE html>"),
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

    assert told in refusal(client)
    assert len(feed.requests) == 1
    assert naps == []


@pytest.mark.parametrize("status", [200, 403])
def test_a_page_of_many_lines_is_told_in_one(
    client: Client, feed: SampleServer, answer: Callable[..., None], status: int
) -> None:
    answer(Answer(b"<html>\r\n<body>\n\tback \xff soon", status, HTML))

    assert refusal(client).endswith(": <html> <body> back \ufffd soon")


def test_a_missing_page_is_an_error_at_once(client: Client, feed: SampleServer) -> None:
    assert "answered 404" in refusal(client, "/api/nothing/")
    assert len(feed.requests) == 1


@pytest.mark.parametrize("how", ["huge", "bomb"])
def test_200_megabytes_are_refused_without_being_held(
    client: Client, feed: SampleServer, how: str
) -> None:
    feed.fail_with(how)

    tracemalloc.start()
    try:
        refusal(client)
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

    assert client.get(EVERYTHING) == Answered(200, world.body(NOON))
    assert len(feed.requests) == 3


@pytest.mark.usefixtures("impatient")
def test_a_gzip_that_stops_halfway_is_tried_again(
    client: Client, feed: SampleServer, world: FakePredictIt, answer: Callable[..., None]
) -> None:
    half = gzip.compress(world.body(NOON))[:1000]
    answer(Answer(half, headers={"Content-Encoding": "gzip"}))

    assert client.get(EVERYTHING) == Answered(200, world.body(NOON))
    assert len(feed.requests) == 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["429", "429-date"])
def test_a_retry_waits_as_long_as_the_server_asks(
    client: Client, feed: SampleServer, world: FakePredictIt, how: str
) -> None:
    feed.fail_with(how)

    assert client.get(EVERYTHING) == Answered(200, world.body(NOON))
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

    assert told in refusal(client)
    assert len(feed.requests) == 3


def test_each_wait_is_longer_than_the_one_before(
    client: Client, feed: SampleServer, naps: list[float]
) -> None:
    feed.fail_with("503", "503", "503")

    refusal(client)

    first, second = naps
    assert 0.5 <= first <= second
    assert second >= 1


@pytest.mark.usefixtures("naps")
@pytest.mark.parametrize("header", ["soon", "-5", "", "Fri, 31 Dec 99999 23:59:59 GMT", "9" * 5000])
def test_a_retry_after_that_makes_no_sense_is_no_defect(
    client: Client, feed: SampleServer, answer: Callable[..., None], header: str
) -> None:
    answer(Answer(b"{}", 429, headers={"Retry-After": header}), times=3)

    assert "answered 429" in refusal(client)


@pytest.mark.usefixtures("impatient")
def test_a_server_that_hangs_is_left(
    client: Client, feed: SampleServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.2)
    feed.fail_with("hang", "hang", "hang")

    assert "timed out" in refusal_in_time(client)
    assert len(feed.requests) == 3


def test_a_server_that_drips_is_left(client: Client, feed: SampleServer) -> None:
    feed.fail_with("drip")
    hasty = replace(client, attempts=1, total_timeout=0.5)

    assert "for one answer" in refusal_in_time(hasty)


@pytest.mark.usefixtures("impatient")
def test_a_port_where_nobody_listens_is_one_clear_line(client: Client, nowhere: str) -> None:
    assert "Connection refused" in refusal(replace(client, base=nowhere))


# The rate limit


@pytest.mark.parametrize("clients", [1, 2])
def test_calls_keep_their_distance(
    make_client: Callable[..., Client], feed: SampleServer, clients: int
) -> None:
    callers = [make_client(INTERVAL) for _ in range(clients)]

    with ThreadPoolExecutor(clients) as pool:
        list(pool.map(lambda n: callers[n % clients].get(EVERYTHING), range(4)))

    assert min(gaps(feed)) >= INTERVAL - JITTER
    assert len(feed.requests) == 4


@pytest.mark.usefixtures("impatient")
def test_retries_keep_their_distance_too(
    make_client: Callable[..., Client], feed: SampleServer
) -> None:
    feed.fail_with("503", "truncated")

    make_client(INTERVAL).get(EVERYTHING)

    assert len(feed.requests) == 3
    assert min(gaps(feed)) >= INTERVAL - JITTER


@pytest.mark.usefixtures("impatient")
def test_a_failed_connection_leaves_the_turn_to_the_next_call(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float], nowhere: str
) -> None:
    client = make_client(3600)
    unreachable = replace(client, base=nowhere)

    refusal(unreachable)
    client.get(EVERYTHING)
    assert not any(naps)

    refusal(unreachable)  # nor does it take away the turn that was used before
    naps.clear()
    client.get(EVERYTHING)
    assert naps == [pytest.approx(3600, abs=100)]


def test_a_wait_is_told(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float]
) -> None:
    said: list[str] = []
    client = make_client(60, said.append)

    client.get(EVERYTHING)
    assert said == []
    client.get(EVERYTHING)

    assert said == ["one call every 60 s is allowed: waiting 60 s"]
    assert naps == [pytest.approx(60, abs=5)]


def test_a_clock_that_was_set_back_costs_one_interval_at_most(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float], tmp_path: Path
) -> None:
    next_week = time.time() + 7 * 86400
    (tmp_path / "last_call").touch()
    os.utime(tmp_path / "last_call", (next_week, next_week))

    make_client(60).get(EVERYTHING)

    assert naps == [60]


def test_a_call_that_others_follow_is_not_taken_back(tmp_path: Path) -> None:
    limit = HostRateLimit(tmp_path / "last_call", 3600)
    failing = limit.acquire(lambda _: None)
    os.utime(limit.file, (failing.noted + 1, failing.noted + 1))  # another process called

    limit.release(failing)

    assert limit.file.stat().st_mtime == failing.noted + 1


@pytest.mark.parametrize("busy", [False, True])
def test_who_has_no_patience_is_told_at_once(tmp_path: Path, busy: bool) -> None:
    limit = HostRateLimit(tmp_path / "last_call", 3600, patience=0.2)
    limit.acquire(lambda _: None)
    with FileLock(f"{limit.file}.lock") if busy else nullcontext():
        before = time.monotonic()
        with pytest.raises(RateLimited):
            limit.acquire(lambda _: None)
        assert time.monotonic() - before < 5


CALLER = """
import sys, time
from pathlib import Path
from predictit_assets.fetch.rate_limit import HostRateLimit
limit = HostRateLimit(Path(sys.argv[1]), float(sys.argv[2]))
for _ in range(4):
    limit.acquire(lambda text: None)
    print(time.time(), flush=True)
"""


def test_processes_keep_their_distance_together(tmp_path: Path) -> None:
    file = tmp_path / "limits" / "api.example.org"
    command = [sys.executable, "-c", CALLER, str(file), str(INTERVAL)]
    callers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    times = sorted(float(at) for caller in callers for at in caller.communicate()[0].split())

    assert len(times) == 8
    assert min(later - sooner for sooner, later in pairwise(times)) >= INTERVAL - JITTER


SPENDER = """
import sys
from pathlib import Path
from predictit_assets.fetch.rate_limit import HostRateLimit, MonthSpent
limit = HostRateLimit(Path(sys.argv[1]), 0, a_month=20)
for _ in range(15):
    try:
        limit.acquire(lambda text: None)
        print("called", flush=True)
    except MonthSpent:
        print("spent", flush=True)
"""


def test_processes_share_the_calls_of_a_month(tmp_path: Path) -> None:
    file = tmp_path / "limits" / "api.example.org"
    command = [sys.executable, "-c", SPENDER, str(file)]
    spenders = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    said = [word for one in spenders for word in one.communicate()[0].split()]
    # Should the month end just now, the next one has calls of its own.
    counters = [int(one.read_text()) for one in file.parent.glob("api.example.org.20*")]
    assert sum(counters) == said.count("called")
    assert max(counters) == 20 or len(counters) == 2
    assert len(said) == 30


def test_a_call_that_reached_nobody_is_no_call_of_the_month(tmp_path: Path) -> None:
    limit = HostRateLimit(tmp_path / "last_call", 0, a_month=2)
    now = datetime.now(UTC)
    for _ in range(3):
        limit.release(limit.acquire(lambda _: None))
    limit.acquire(lambda _: None)
    assert limit.spent(now) == 1


@pytest.mark.parametrize(
    ("now", "left", "left_beside_polls"),
    [
        (datetime(2026, 2, 1, tzinfo=UTC), 10_000, 10_000 - 28 * 288),
        (datetime(2026, 12, 31, 23, 50, tzinfo=UTC), 10_000, 9_998),
        (datetime(2026, 3, 1, tzinfo=UTC), 1_000, 1_000 - 31 * 288),
    ],
)
def test_what_is_no_poll_leaves_polls_the_calls_that_they_need(
    tmp_path: Path, now: datetime, left: int, left_beside_polls: int
) -> None:
    limit = HostRateLimit(tmp_path / "api", 0, a_month=10_000, for_polls=1 / 300)
    (tmp_path / "api.2026-03").write_text("9000")
    assert limit.left(now) == left
    assert replace(limit, leaves_polls_theirs=True).left(now) == left_beside_polls


def test_a_429_that_does_not_say_how_long_has_a_pause(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float]
) -> None:
    feed.fail_with("429-bare", "503")
    make_client(pause=60).get(EVERYTHING)
    assert naps[0] == 60
    assert naps[1] < 60


@pytest.mark.parametrize("refuse", [True, False])
def test_an_error_that_is_a_page_is_final_where_a_source_says_so(
    make_client: Callable[..., Client], feed: SampleServer, naps: list[float], refuse: bool
) -> None:
    feed.fail_with("html-503")
    client = make_client(pages_refuse=refuse)
    if refuse:
        assert "answered 503" in refusal(client)
    else:
        client.get(EVERYTHING)
    assert len(feed.requests) == 2 - refuse
    assert len(naps) == 1 - refuse


@pytest.mark.parametrize(("status", "refused"), [(400, True), (403, True), (404, False)])
def test_what_refuses_the_key_is_told_by_the_answer(
    make_client: Callable[..., Client], answer: Callable[..., None], status: int, refused: bool
) -> None:
    client = make_client(credential=Credential("key", refusal=r'"code":\s*1000[25]'))
    for code in (10002, 10003):
        answer(Answer(f'{{"code": {code}}}'.encode(), status))
        with pytest.raises(FetchError) as fault:
            client.get(EVERYTHING)
        assert isinstance(fault.value, KeyRefused) == (refused and code == 10002)


def test_the_limit_of_a_host_is_kept_in_the_home_for_whoever_calls_it(
    settings: Settings, feed: SampleServer, naps: list[float]
) -> None:
    on = predictit(api_url=feed.url, poll_interval=3600)
    factory.client(settings, on, lambda _: None).get(EVERYTHING)
    assert (settings.home / "rate_limits" / urlsplit(feed.url).netloc.replace(":", "_")).exists()
    assert naps == []

    factory.client(settings, on, lambda _: None).get(EVERYTHING)
    assert naps == [pytest.approx(3600, abs=100)]

    with pytest.raises(RateLimited):  # a sensor comes again soon
        factory.sensor_client(settings, on).get(EVERYTHING)


def test_a_sensor_asks_once_with_little_time(settings: Settings, feed: SampleServer) -> None:
    client = factory.sensor_client(settings, predictit(api_url=feed.url))
    feed.fail_with("503")
    with pytest.raises(RetryableError):
        client.get(EVERYTHING)
    assert len(feed.requests) == 1
    assert client.total_timeout <= 30


# Requests with parameters, and answers that aren't 200


class Echo:
    """An API that answers what it was asked; `/page/N` links to the next page."""

    name = "echo"
    faults = ()
    defaults: dict[str, str] = {}  # noqa: RUF012 - a fake has it

    def routes(self, clock: object) -> list[Route]:
        def echo(request: Request) -> Answer:
            return json_answer({"path": request.path, "headers": dict(request.headers)})

        return [Route("GET", "/echo.*", echo)]


@pytest.fixture
def echo() -> Iterator[SampleServer]:
    with SampleServer(Echo()) as server:  # type: ignore[arg-type]
        yield server


def client_of(server: SampleServer, **values: Any) -> Client:
    return Client(server.url, None, MAX_BODY, lambda _: None, **values)


SECRET = "s3cret/key+with=odd&letters"  # noqa: S105 - made up, with what is escaped
BEARER = Credential(SECRET, headers={"Authorization": f"Bearer {SECRET}"})
PARAMETER = Credential(SECRET, params={"apiKey": SECRET})


def test_parameters_go_into_the_query_and_the_key_where_it_belongs(echo: SampleServer) -> None:
    asked = {"day": "2026-03-04", "text": "a&b=c/d é"}

    client_of(echo, credential=BEARER).get("/echo", asked)
    client_of(echo, credential=PARAMETER).get("/echo", asked)
    client_of(echo).get("/echo")

    by_header, by_parameter, open_to_all = echo.requests
    assert by_header.query == asked
    assert by_header.headers["Authorization"] == f"Bearer {SECRET}"
    assert by_parameter.query == {**asked, "apiKey": SECRET}
    assert "Authorization" not in by_parameter.headers
    assert open_to_all.path == "/echo"


def test_a_status_that_is_an_answer_is_one_and_else_an_error(echo: SampleServer) -> None:
    nothing = Answer(b'{"results": []}', 404)
    client = client_of(echo)
    echo.fail_with(nothing, nothing, Answer(b"", 404))

    assert client.get("/echo", none=(404,)) == Answered(404, b'{"results": []}')
    with pytest.raises(FetchError, match="answered 404") as caught:
        client.get("/echo")
    assert not caught.value.retryable
    assert client.get("/echo", none=(404,)) == Answered(404, b"")


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (401, KeyRefused, False),
        (403, RequestRefused, False),
        (400, FetchError, False),
        (501, FetchError, False),
        (429, RetryableError, True),
        (503, RetryableError, True),
    ],
)
def test_a_refusal_says_what_kind_it_is(
    echo: SampleServer, status: int, kind: type[FetchError], retryable: bool
) -> None:
    echo.fail_with(Answer(b'{"message": "no"}', status))
    with pytest.raises(FetchError, match=f'answered {status} .*: {{"message": "no"}}') as caught:
        client_of(echo, attempts=1).get("/echo")
    assert type(caught.value) is kind
    assert caught.value.retryable is retryable


def test_a_refusal_that_drips_is_left(echo: SampleServer) -> None:
    echo.fail_with(Answer(b"x" * 500, 503, delivery=Delivery.DRIP))
    before = time.monotonic()
    with pytest.raises(RetryableError, match="answered 503"):
        client_of(echo, attempts=1, total_timeout=0.5).get("/echo")
    assert time.monotonic() - before < 10


@pytest.mark.usefixtures("impatient")
def test_calls_are_counted_and_end_where_the_budget_does(echo: SampleServer, nowhere: str) -> None:
    client = client_of(echo, max_calls=3)
    client.get("/echo")
    echo.fail_with("503")
    client.get("/echo")  # the call that failed counts too

    with pytest.raises(CallsSpent, match="3 calls"):
        client.get("/echo")
    assert (client.calls, len(echo.requests)) == (3, 3)
    with pytest.raises(CallsSpent):
        client.follow(f"{echo.url}/echo")

    unreachable = replace(client_of(echo, max_calls=3), base=nowhere)
    with pytest.raises(RetryableError, match="refused"):
        unreachable.get("/echo")
    assert unreachable.calls == 0


# Redirects and next pages


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_gives_nothing_away(echo: SampleServer, status: int) -> None:
    to = f"{echo.url.replace('127.0.0.1', 'localhost')}/echo?apiKey={quote(SECRET)}"
    echo.fail_with(Answer(b"", status, headers={"Location": to}))

    with pytest.raises(FetchError, match="redirect") as caught:
        client_of(echo, credential=PARAMETER).get("/echo")

    assert not caught.value.retryable
    assert len(echo.requests) == 1
    assert_nothing_is_given_away(caught.value)


def test_a_next_page_is_asked_of_the_configured_address(echo: SampleServer) -> None:
    client = client_of(echo, credential=PARAMETER, hosts=("api.example.org",))
    port = echo.url.rpartition(":")[2]

    client.follow(f"{echo.url}/echo?cursor=a%2Fb#top")
    client.follow("https://api.example.org/echo/2?cursor=c&limit=5")
    client.follow(f"http://someone:else@127.0.0.1:{port}/echo/3")

    assert [request.path.partition("?")[0] for request in echo.requests] == [
        "/echo", "/echo/2", "/echo/3",
    ]  # fmt: skip
    assert [request.query for request in echo.requests] == [
        {"cursor": "a/b", "apiKey": SECRET},
        {"cursor": "c", "limit": "5", "apiKey": SECRET},
        {"apiKey": SECRET},
    ]
    assert {request.header("Authorization") for request in echo.requests} == {""}


@pytest.mark.parametrize(
    "link",
    [
        "https://evil.example.org/echo?cursor=1",
        "https://api.example.org.evil.net/echo",
        "https://127.0.0.1@evil.example.org/echo",
        "//evil.example.org/echo",
        "http://[bad/echo",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "",
        f"https://{quote(SECRET, safe='')}.example.org/echo",
    ],
)
def test_a_next_page_on_another_host_is_not_followed(echo: SampleServer, link: str) -> None:
    client = client_of(echo, credential=PARAMETER, hosts=("api.example.org",))
    with pytest.raises(FetchError, match="another host") as caught:
        client.follow(link)
    assert not echo.requests
    assert caught.value.of_question
    assert len(str(caught.value).splitlines()) == 1
    assert_nothing_is_given_away(caught.value)


# Keys


def test_a_400_that_says_so_refuses_the_key(echo: SampleServer) -> None:
    told = replace(PARAMETER, refusal="no key was given")
    page = Answer(b'{"request_id":"' + b"0" * 90 + b'","error":"no key was given"}', 400)
    for credential, kind in ((told, KeyRefused), (PARAMETER, FetchError)):
        echo.fail_with(page, Answer(b'{"error":"bad cursor"}', 400))
        with pytest.raises(FetchError) as caught:
            client_of(echo, credential=credential).get("/echo")
        assert type(caught.value) is kind
        with pytest.raises(FetchError, match="bad cursor") as other:
            client_of(echo, credential=credential).get("/echo")
        assert type(other.value) is FetchError


FORMS = {SECRET, quote(SECRET, safe=""), quote_plus(SECRET), quote(SECRET, safe="").lower()}


def assert_nothing_is_given_away(error: BaseException) -> None:
    """Neither the error nor what a log would show of it holds the key, however written."""
    shown = "".join(traceback.format_exception(error))
    for text in (str(error), repr(error), repr(error.args), shown):
        for form in FORMS:
            assert form not in text, text


@pytest.mark.parametrize("form", sorted(FORMS))
def test_a_key_shows_in_no_text(echo: SampleServer, form: str) -> None:
    client = client_of(echo, credential=BEARER)
    assert client.mask(f"key={form}&{form}!") == "key=***&***!"
    for one in (client, BEARER):
        assert SECRET not in repr(one) + str(one)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("credential", [BEARER, PARAMETER], ids=["header", "parameter"])
@pytest.mark.parametrize("form", sorted(FORMS))
@pytest.mark.parametrize(
    ("status", "kind", "body"),
    [
        (401, "application/json", "key {} is unknown"),
        (503, "text/plain", "{}"),
        (503, "text/plain", " " * 390 + "{}"),  # a text that is cut cuts no key in half
        (200, "text/html {}", "<html>{}"),
        (200, "text/{}", "  "),
    ],
)
def test_a_key_that_is_echoed_shows_in_no_error(
    echo: SampleServer, credential: Credential, form: str, status: int, kind: str, body: str
) -> None:
    said: list[str] = []
    spoilt = Answer(body.format(form).encode(), status, kind.format(form))
    echo.fail_with(*[spoilt] * 3)
    client = replace(client_of(echo, credential=credential), log=said.append)
    with pytest.raises(FetchError) as caught:
        client.get("/echo")
    assert_nothing_is_given_away(caught.value)
    assert SECRET[:6] not in "".join([str(caught.value), *said])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["truncated", "hang"])
def test_a_key_in_a_query_shows_in_no_error_of_the_network(
    echo: SampleServer, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT", 0.2)
    said: list[str] = []
    client = replace(client_of(echo, credential=PARAMETER), log=said.append)
    echo.fail_with(how, how, how)
    with pytest.raises(RetryableError) as caught:
        client.get("/echo", {"also": "secret"})
    assert_nothing_is_given_away(caught.value)
    assert not [text for text in [*said, str(caught.value)] if "secret" in text]


@pytest.mark.usefixtures("impatient")
def test_a_key_in_a_query_shows_in_no_error_of_a_connection(
    echo: SampleServer, nowhere: str
) -> None:
    for base in (nowhere, "http://no-such-host.invalid"):
        client = replace(client_of(echo, credential=PARAMETER), base=base)
        with pytest.raises(RetryableError) as caught:
            client.get("/echo")
        assert_nothing_is_given_away(caught.value)


@pytest.mark.parametrize("key", ["se\ncret-key", "ключ-secret-key", " secret-key"])
def test_a_key_that_no_header_can_bear_is_one_line_without_it(echo: SampleServer, key: str) -> None:
    client = client_of(echo, credential=Credential(key, headers={"X-Key": key}))
    with pytest.raises(FetchError) as caught:
        client.get("/echo")
    assert len(str(caught.value).splitlines()) == 1
    assert not caught.value.retryable
    for text in (str(caught.value), "".join(traceback.format_exception(caught.value))):
        assert key not in text
        assert repr(key)[1:-1] not in text
        assert "ret-key" not in text
    assert not echo.requests


def test_a_key_in_a_path_shows_in_no_error(echo: SampleServer) -> None:
    client = client_of(echo, credential=BEARER)
    echo.fail_with("403")
    with pytest.raises(RequestRefused) as caught:
        client.get(f"/echo/{quote(SECRET, safe='')}/day")
    assert_nothing_is_given_away(caught.value)


# Downloads


ADDRESS = "/echo/exports/hunter2.zip?token=hunter3"


def test_a_download_is_saved_byte_for_byte_and_gets_no_key(
    echo: SampleServer, tmp_path: Path
) -> None:
    content = bytes(range(256)) * 1000
    for credential in (BEARER, PARAMETER):
        echo.fail_with(Answer(content, 200, "application/zip"))
        client_of(echo, credential=credential).download(f"{echo.url}{ADDRESS}", tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == content
    for request in echo.requests:
        assert request.path == ADDRESS
        assert "Authorization" not in request.headers
        assert request.headers["Accept"] == "*/*"


@pytest.mark.usefixtures("impatient")
def test_a_download_that_breaks_off_starts_again(echo: SampleServer, tmp_path: Path) -> None:
    whole = os.urandom(100_000)
    broken = Answer(whole, 200, "application/zip", delivery=Delivery.TRUNCATED)
    echo.fail_with(broken, Answer(whole, 200, "application/zip"))
    client_of(echo).download(f"{echo.url}{ADDRESS}", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == whole


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["huge", "bomb", "403", "503", "redirect", "truncated", "404"])
def test_a_download_that_fails_tells_nothing_of_its_address(
    echo: SampleServer, tmp_path: Path, how: str
) -> None:
    said: list[str] = []
    echo.fail_with(*[how] * 3)
    client = replace(client_of(echo), log=said.append)
    tracemalloc.start()
    try:
        with pytest.raises(FetchError) as caught:
            client.download(f"{echo.url}{ADDRESS}", tmp_path / "file")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5 * MAX_BODY
    assert (tmp_path / "file").stat().st_size <= MAX_BODY + 70_000
    for text in [str(caught.value), "".join(traceback.format_exception(caught.value)), *said]:
        assert "hunter" not in text
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    "url",
    [
        "{nowhere}/hunter2?token=hunter3",
        "http://no-such-host.invalid/hunter2",
        "http://[hunter2",
        "ftp://127.0.0.1/hunter2",
        "hunter2",
        "http:///hunter2",
        "http://127.0.0.1:99999/hunter2",
    ],
)
def test_an_address_that_is_none_is_not_told(
    echo: SampleServer, tmp_path: Path, nowhere: str, url: str
) -> None:
    with pytest.raises(FetchError) as caught:
        client_of(echo).download(url.format(nowhere=nowhere), tmp_path / "file")
    text = str(caught.value) + "".join(traceback.format_exception(caught.value))
    assert "hunter" not in text


# Pings


@pytest.mark.parametrize("status", [200, 202, 204])
def test_a_ping_is_content_with_any_success_and_bears_no_key(
    echo: SampleServer, status: int
) -> None:
    echo.fail_with(Answer(b"", status))
    client_of(echo, credential=BEARER).ping(f"{echo.url}{ADDRESS}")
    (request,) = echo.requests
    assert request.path == ADDRESS
    assert "Authorization" not in request.headers


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("how", ["403", "503", "redirect", "404", "truncated"])
def test_a_ping_that_fails_tells_nothing_of_its_address(echo: SampleServer, how: str) -> None:
    said: list[str] = []
    echo.fail_with(*[how] * 3)
    with pytest.raises(FetchError) as caught:
        replace(client_of(echo), log=said.append).ping(f"{echo.url}{ADDRESS}")
    for text in [str(caught.value), "".join(traceback.format_exception(caught.value)), *said]:
        assert "hunter" not in text


# What the user's own files and clocks say, and what servers do unasked


def test_what_netrc_says_is_nobodys_business(
    client: Client, feed: SampleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    client.get(EVERYTHING)
    url = feed.url.replace("://", "://me:mine@")
    replace(client, base=url).get(EVERYTHING)
    assert [request.headers.get("Authorization") for request in feed.requests] == [
        None,
        "Basic bWU6bWluZQ==",  # an address may say it itself
    ]


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", lambda body: gzip.compress(body[:99]) + gzip.compress(body[99:])),
        ("gzip, x-gzip", lambda body: gzip.compress(gzip.compress(body))),
        ("identity", bytes),
        ("", gzip.compress),  # a server that doesn't say so
        ("", lambda body: gzip.compress(body[:99]) + gzip.compress(body[99:])),
    ],
)
def test_what_a_server_packed_is_unpacked_whole(
    client: Client,
    world: FakePredictIt,
    answer: Callable[..., None],
    coding: str,
    pack: Callable[[bytes], bytes],
) -> None:
    body = world.body(NOON)
    answer(Answer(pack(body), headers={"Content-Encoding": coding} if coding else {}))
    assert client.get(EVERYTHING).body == body


@pytest.mark.parametrize("coding", ["br", "deflate", "zstd", "gzip, br", "\x7fodd"])
def test_a_coding_that_nobody_asked_for_is_named_and_not_landed(
    client: Client, feed: SampleServer, answer: Callable[..., None], coding: str
) -> None:
    answer(Answer(b"whatever", headers={"Content-Encoding": coding}))
    name = coding.rpartition(" ")[2].strip("\x7f")
    assert f"in the coding '{name}'" in refusal(client)
    assert len(feed.requests) == 1


def test_a_gzip_that_nobody_told_of_is_bounded_too(
    client: Client, answer: Callable[..., None]
) -> None:
    answer(Answer(gzip.compress(b"0" * (MAX_BODY + 1))))
    assert "more than 1 MB" in refusal(client)


@pytest.mark.parametrize(
    "page", [b"\xef\xbb\xbf<?xml version='1.0'?><a/>", "<html>".encode("utf-16"), b" \n<a>"]
)
def test_a_page_is_one_in_any_encoding(
    client: Client, answer: Callable[..., None], page: bytes
) -> None:
    answer(Answer(page))
    assert "a page instead of data" in refusal(client)


def test_certificates_that_are_gone_are_one_sentence(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "gone.pem"))
    assert "gone.pem" in refusal(replace(client, base="https://127.0.0.1:9"))


@pytest.mark.parametrize(("days", "told"), [(3, "4320 minutes ahead of"), (-3, "minutes behind")])
def test_nothing_is_kept_while_this_machines_clock_is_wrong(
    client: Client, monkeypatch: pytest.MonkeyPatch, days: int, told: str
) -> None:
    class Wrong(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime.now(tz) + timedelta(days=days)

    monkeypatch.setattr(http, "datetime", Wrong)
    assert told in refusal(client)
    assert replace(client, clock_tolerance=None).get(EVERYTHING).body


@pytest.mark.parametrize("date", ["", "yesterday", "Thu, 99 Nov 2026 10:00:00 GMT"])
def test_a_server_without_a_clock_is_believed(
    client: Client, monkeypatch: pytest.MonkeyPatch, date: str
) -> None:
    def served(text: str) -> Any:
        return parsedate_to_datetime(date)

    monkeypatch.setattr(http, "parsedate_to_datetime", served)
    client.get(EVERYTHING)


def test_what_a_cache_kept_for_hours_is_no_wrong_clock(
    client: Client, monkeypatch: pytest.MonkeyPatch, answer: Callable[..., None]
) -> None:
    hours = timedelta(hours=5)
    monkeypatch.setattr(
        http, "parsedate_to_datetime", lambda text: parsedate_to_datetime(text) - hours
    )
    answer(Answer(b"{}", headers={"Age": str(int(hours.total_seconds()))}))
    assert client.get(EVERYTHING).body == b"{}"
    assert "clock" in refusal(client)
