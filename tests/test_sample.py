"""What all made-up APIs share: routes, faults, a clock, and the commands that serve them."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import requests

from predictit_assets.errors import ExpectedError
from predictit_assets.sample import demo as demo_module
from predictit_assets.sample.clock import Clock, SettableClock
from predictit_assets.sample.demo import Step, home_of_demo, near, run_demo, steps
from predictit_assets.sample.fakes import (
    AskedAfterwards,
    Demo,
    Fake,
    Fetched,
    Imported,
    PolledNow,
    WayIn,
    find_fake,
    moments,
    names,
)
from predictit_assets.sample.faults import Fault, by_name, json_fault
from predictit_assets.sample.http import Answer, Request, Route, json_answer
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, load

NOON = datetime(2026, 3, 4, 17, 0, tzinfo=UTC)


class Shelf:
    """A made-up API with a key, pages and a call limit, as later sources have them."""

    name = "shelf"
    defaults: Mapping[str, str] = {}
    faults: Sequence[Fault] = (
        json_fault("no-items", "A page without items.", lambda page: page["items"].clear()),
    )

    demo = Demo()

    def routes(self, clock: Clock) -> Sequence[Route]:
        calls: list[datetime] = []

        def page(request: Request) -> Answer:
            if request.header("X-Api-Key") != "secret":
                return json_answer({"error": "no key"}, 401)
            calls.append(clock())
            if sum(1 for call in calls if clock() - call < timedelta(minutes=1)) > 3:
                return Answer(b"{}", 429, headers={"Retry-After": "60"})
            number = int(request.query.get("page", "1"))
            shelf = request.parts["shelf"]
            return json_answer({"items": [f"{shelf} {number}"], "at": clock().isoformat()})

        def stock(request: Request) -> Answer:
            return json_answer(json.loads(request.body), 201)

        return [
            Route("GET", r"/shelves/(?P<shelf>\w+)", page),
            Route("POST", r"/shelves", stock),
        ]

    def archive(
        self, folder: Path, start: datetime, end: datetime, every: timedelta
    ) -> Iterator[Path]:
        for at in moments(start, end, every):
            path = folder / f"{at:%H%M}.json"
            path.write_text("{}")
            yield path

    def environment(self, url: str) -> Mapping[str, str]:
        return {"PREDICTIT_SHELF_URL": url}


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOON)


@pytest.fixture
def server(clock: SettableClock) -> Iterator[SampleServer]:
    with SampleServer(Shelf(), clock=clock) as server:
        yield server


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        session.trust_env = False
        session.headers["x-api-key"] = "secret"
        yield session


def test_a_fake_sees_parts_query_headers_and_body(
    server: SampleServer, session: requests.Session
) -> None:
    found = session.get(f"{server.url}/shelves/top?page=2&page=3").json()
    assert found == {"items": ["top 3"], "at": NOON.isoformat()}
    assert session.get(f"{server.url}/shelves/top", headers={"X-API-KEY": ""}).status_code == 401
    stocked = session.post(f"{server.url}/shelves", json={"a": 1})
    assert (stocked.status_code, stocked.json()) == (201, {"a": 1})
    assert session.post(f"{server.url}/shelves/top").status_code == 404
    assert [one.method for one in server.requests] == ["GET", "GET", "POST", "POST"]


def test_a_fake_can_limit_calls_by_its_clock(
    server: SampleServer, session: requests.Session, clock: SettableClock
) -> None:
    url = f"{server.url}/shelves/top"
    assert [session.get(url).status_code for _ in range(4)] == [200, 200, 200, 429]
    clock.advance(timedelta(minutes=1))
    assert session.get(url).status_code == 200


def test_the_second_request_can_fail_and_a_source_has_faults_of_its_own(
    server: SampleServer, session: requests.Session
) -> None:
    server.fail_with("ok", "503-later", "no-items", Answer(b"[]", 418))
    url = f"{server.url}/shelves/top"
    first, second, third, fourth = (session.get(url) for _ in range(4))
    assert first.json()["items"] == ["top 1"]
    assert (second.status_code, second.headers["Retry-After"]) == (503, "1")
    assert third.json() == {"items": [], "at": NOON.isoformat()}
    assert fourth.status_code == 418


def test_it_is_seen_who_follows_a_redirect_to_another_host(
    server: SampleServer, session: requests.Session
) -> None:
    server.fail_with("redirect", "redirect")
    url = f"{server.url}/shelves/top"
    stayed = session.get(url, allow_redirects=False)
    assert stayed.status_code == 302
    assert stayed.headers["Location"].startswith("http://localhost:")
    session.get(url)
    assert [one.path for one in server.requests] == ["/shelves/top"] * 2 + ["/redirected"]


def test_two_faults_of_one_name_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="'no-items'"):
        by_name([*Shelf.faults, *Shelf.faults])


def test_a_clock_takes_aware_times_only(clock: SettableClock) -> None:
    clock.set(NOON + timedelta(days=1))
    assert clock() == NOON + timedelta(days=1)
    with pytest.raises(ValueError, match="aware"):
        clock.set(datetime(2026, 3, 4))


@pytest.mark.parametrize("source", names())
def test_the_fake_of_a_source_is_found_by_its_name(source: str) -> None:
    fake: Fake = find_fake(source)
    assert fake.name == source
    by_name(fake.faults)
    assert all(name.startswith("PREDICTIT_") for name in fake.environment("http://127.0.0.1:1"))


def test_a_source_without_a_fake_is_an_error_that_names_those_with_one() -> None:
    with pytest.raises(ExpectedError, match=r"'orders-of-old'; there is of .*predictit"):
        find_fake("orders-of-old")


# The demo


def fake_with(name: str, *ways: WayIn) -> Fake:
    """A fake that is called like a source, and has a past."""
    made = Shelf()
    made.name = name
    made.demo = Demo(ways=ways, looks={f"look {name}": "and see"})
    return made


def test_the_demo_lets_a_source_say_which_ways_its_past_comes_in(tmp_path: Path) -> None:
    first, second = SOURCES[:2]
    of_both = [
        fake_with(first, Imported(2, 30), PolledNow(), AskedAfterwards()),
        fake_with(second, Fetched(9), Imported(3, writer=("scribble", "--fast"))),
    ]
    folders = [str(tmp_path / "archive" / name) for name in (first, second)]
    two_ago, nine_ago = (
        str(load(name).calendar.today() - timedelta(days=days))
        for name, days in ((first, 2), (second, 9))
    )
    archive = ["sample", "archive", "--source", first, "--from", two_ago, "--minutes", "30"]
    assert list(steps(of_both, tmp_path)) == [
        Step([*archive, folders[0]]),
        Step(["import", first, folders[0]]),
        Step(["poll", first], asks=True),
        Step(["fetch", second, "--from", nine_ago], asks=True),
        Step(["sample", "scribble", "--fast", "--days", "3", "--folder", folders[1]]),
        Step(["import", second, folders[1]]),
        Step(["build"], asks=True),
        # What needs tables comes when they are there, and one source alone is built again.
        Step(["fetch", first], asks=True),
        Step(["build", first, "--from", "today"], asks=True),
    ]


@pytest.mark.parametrize("source", names())
def test_each_source_has_a_past_in_the_demo(source: str, tmp_path: Path) -> None:
    brought_in = list(steps([find_fake(source)], tmp_path))[:-1]
    assert [one.args[0] for one in brought_in if one.args[0] in ("import", "fetch", "poll")]


def test_a_step_of_the_demo_is_told_as_one_would_type_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asks = Step(["fetch", "shelf", "--from", "2026-03-01"], asks=True)
    assert asks.typed() == "predictit sample run predictit fetch shelf --from 2026-03-01"
    imports = Step(["import", "shelf", str(tmp_path / "two words")])
    assert imports.typed() == "predictit import shelf 'two words'"
    assert near("/elsewhere/it") == "/elsewhere/it"


def test_the_demo_never_mixes_with_what_is_real(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREDICTIT_HOME", raising=False)
    real = Settings()
    assert home_of_demo(real) == real.home / "sample"
    assert home_of_demo(Settings(home=tmp_path)) == tmp_path


def test_the_demo_ends_with_what_there_is_and_what_to_type_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ran: list[tuple[Step, Mapping[str, str]]] = []

    def run(step: Step, environment: Mapping[str, str]) -> int:
        ran.append((step, environment))
        return 2

    monkeypatch.setattr(demo_module, "_run", run)
    monkeypatch.chdir(tmp_path)
    name = SOURCES[0]
    page = tmp_path / "home" / "objects" / "report" / f"{name}.html"
    page.parent.mkdir(parents=True)
    page.touch()
    (page.parent / "index.html").touch()
    run_demo(
        [fake_with(name, PolledNow())],
        {"PREDICTIT_SHELF_URL": "http://127.0.0.1:1"},
        Settings(home=tmp_path / "home"),
    )
    assert [step.args[0] for step, _ in ran] == ["poll", "build"]
    for _, environment in ran:
        assert environment["PREDICTIT_HOME"] == str(tmp_path / "home")
        assert environment["PREDICTIT_SOURCES"] == name
        assert environment["PREDICTIT_SHELF_URL"] == "http://127.0.0.1:1"
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == [
        f"[1/2] predictit sample run predictit poll {name}",
        "[2/2] predictit sample run predictit build",
    ]
    (row,) = [line for line in said if line.startswith(f"{name} ")]
    assert row.split() == [name, "0", "0", f"{name}.html"]
    assert "Its pages, for a browser: home/objects/report/index.html" in said
    assert any(line.startswith("4 checks warn") for line in said)
    assert any(f"PREDICTIT_HOME=home PREDICTIT_SOURCES={name} " in line for line in said)
    assert f"  {f'look {name}':<27} and see" in said


def test_a_step_of_the_demo_that_fails_ends_it_and_says_why(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(ExpectedError, match=r"`predictit poll nobody` failed"):
        demo_module._run(Step(["poll", "nobody"]), {})
    assert "there is no source 'nobody'" in capsys.readouterr().err


def test_the_command_line_imports_no_fake() -> None:
    code = (
        "import sys; import predictit_assets.cli;"
        "print([name for name in sys.modules if '.fake' in name or name.endswith('sample.server')])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
