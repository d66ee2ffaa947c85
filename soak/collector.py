"""The collector, killed again and again while clients post: acknowledged hits against rows.

    python -m soak.collector --home DIR --minutes 60

Clients post what the visitors of the made-up shop do, over sockets, and send again what wasn't
answered, as browsers do. The collector, `predictit collect`, is killed by SIGKILL about once a
minute, sometimes while it starts. Then its day is built, and each hit that was answered 200 is
looked for in `core.fact_hits`: whether it is there, and whether it is there once. SIGKILL takes
nothing from the operating system's cache: what a power cut does isn't told by it.
"""

import gzip
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import duckdb
import requests as http
import typer

from predictit_assets.contract.calendar import UTC_CALENDAR
from predictit_assets.errors import ExpectedError
from predictit_assets.sources.clickstream.collect import HITS, SOURCE, SUFFIX
from predictit_assets.sources.clickstream.fake import pump, world
from predictit_assets.sources.clickstream.fake.expected import Expected, expected
from predictit_assets.sources.clickstream.fake.requests import Request
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone

POSTERS = 4
HITS_A_DAY = 2_000
"""Of the made-up shop: a quarter of them are odd ones."""
FIRST = date(2026, 3, 1)
APART = timedelta(days=1_000)
"""Between the made-up days of two clients: no two send the same by chance."""
ANSWER_SECONDS, RETRY_SECONDS = 60.0, 0.25
BUSY = 0.2
"""The share of starts that are killed before they are ready."""
ORIGIN = re.compile(r"https://n(\d+)\.example")
COLUMNS = "log_id, payload, line_number, hit_index"


class _Numbered(Request):
    """A request with a number of its own, in a header that is kept and means nothing."""

    number: int

    @property
    def headers(self) -> dict[str, str]:
        return super().headers | {"Origin": f"https://n{self.number}.example"}


def numbered(poster: int) -> Iterator[_Numbered]:
    """What a client posts, the same each time it is asked for."""
    first = FIRST + poster * APART
    for n, request in enumerate(world.requests(first, date.max, HITS_A_DAY, seed=poster)):
        one = _Numbered(*request)
        one.number = n * POSTERS + poster
        yield one


class Clients:
    """Post until they are told to end; `acknowledged-N` has the number of each answered request."""

    def __init__(self, home: Path, url: str, rate: float) -> None:
        self.statuses: Counter[int] = Counter()
        self.unanswered = 0
        self.hits = 0
        self._url = url
        self._every = POSTERS / rate
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._threads = [
            threading.Thread(target=self._post, args=(poster, home / f"acknowledged-{poster}"))
            for poster in range(POSTERS)
        ]

    def begin(self) -> None:
        """Begin to post."""
        for one in self._threads:
            one.start()

    def end(self) -> None:
        """Wait for what is being posted."""
        self._ended.set()
        for one in self._threads:
            one.join()

    def _post(self, poster: int, file: Path) -> None:
        due = time.monotonic()
        with file.open("w", buffering=1) as answered:
            for request in numbered(poster):
                if self._ended.wait(max(0.0, due - time.monotonic())):
                    return
                due = max(due + self._every * len(request.meant), time.monotonic() - 5)
                status = self._answer(request)
                if status == http.codes.ok:
                    answered.write(f"{request.number}\n")

    def _answer(self, request: Request) -> int:
        """Post a request until it is answered; 0 when it never is."""
        end = time.monotonic() + ANSWER_SECONDS
        while time.monotonic() < end:
            try:
                done = pump.pump(self._url, [request])
            except ExpectedError:  # it was killed, or doesn't listen yet
                with self._lock:
                    self.unanswered += 1
                time.sleep(RETRY_SECONDS)
                continue
            (status,) = done.statuses
            with self._lock:
                self.statuses[status] += 1
                self.hits += done.hits
            return status
        return 0


def environment(home: Path, **own: str) -> dict[str, str]:
    """What a command in the home is told."""
    inherited = {name: v for name, v in os.environ.items() if not name.startswith("PREDICTIT_")}
    ours = {"PREDICTIT_HOME": str(home), "PREDICTIT_SOURCES": SOURCE}
    return inherited | ours | own


def predictit(*command: str) -> list[str]:
    """A command of this environment."""
    return [str(Path(sys.executable).with_name("predictit")), *command]


def is_ready(url: str) -> bool:
    """Whether the collector takes requests."""
    with suppress(http.RequestException):
        return http.get(f"{url}/readyz", timeout=5).ok
    return False


def kill_for(home: Path, minutes: float, every: float, rate: float, seed: int) -> dict[str, Any]:
    """Post and kill for so long; the last collector is stopped as it should be."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    chance = random.Random(seed)
    clients = Clients(home, url, rate)
    own = environment(
        home,
        PREDICTIT_CLICKSTREAM_PORT=str(port),
        PREDICTIT_CLICKSTREAM_REQUESTS_A_SECOND="0",
    )
    kills = early = 0
    begun = time.monotonic()
    with (home / "collector.log").open("w") as log:

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(predictit("collect"), env=own, stdout=log, stderr=log)

        def until_ready(process: subprocess.Popen[bytes]) -> None:
            while not is_ready(url):
                if process.poll() is not None:
                    raise RuntimeError(f"it ended with {process.returncode}: {home}/collector.log")
                time.sleep(0.2)

        process = start()
        until_ready(process)
        clients.begin()
        while time.monotonic() - begun < minutes * 60:
            time.sleep(every * chance.uniform(0.8, 1.25))
            process.kill()
            process.wait()
            kills += 1
            process = start()
            if chance.random() < BUSY:
                time.sleep(chance.uniform(0.2, 3))
                process.kill()
                process.wait()
                early += 1
                process = start()
            until_ready(process)
            told = {"kills": kills, "minutes": round((time.monotonic() - begun) / 60, 1)}
            print(json.dumps(told | {"hits": clients.hits}), flush=True)
        clients.end()
        process.send_signal(signal.SIGTERM)
        code = process.wait(timeout=120)
    return {
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "kills": kills,
        "kills while it started": early,
        "last collector ended with": code,
        "acknowledged hits": clients.hits,
        "answers": dict(sorted(clients.statuses.items())),
        "attempts without an answer": clients.unanswered,
    }


class Place(NamedTuple):
    """Where a request lies: its object, and its line in it."""

    payload: str
    line: int


def lines(home: Path) -> Iterator[tuple[Place, int, int]]:
    """The lines that were kept, in order of arrival: where, when (ms), which request it is."""
    store = PayloadStore(ObjectStore(home / "objects"), SOURCE, HITS, UTC_CALENDAR, suffix=SUFFIX)
    found = []
    for zone in (Zone.LANDING, Zone.RAW):
        for day in store.days(zone):
            for one in store.held(zone, day):
                payload = one.key.rpartition("/")[2]
                body = gzip.decompress(store.objects.get(one.key) or b"")
                for n, text in enumerate(body.splitlines()):
                    line = json.loads(text)
                    (number,) = ORIGIN.findall(line["headers"]["origin"])
                    found.append((line["received_at"], Place(payload, n), int(number)))
    for at, place, number in sorted(set(found)):
        yield place, at, number


def wanted(numbers: set[int]) -> Mapping[int, Request]:
    """The requests of these numbers."""
    requests: dict[int, Request] = {}
    for poster in range(POSTERS):
        last = max((n for n in numbers if n % POSTERS == poster), default=-1)
        for request in numbered(poster):
            if request.number > last:
                break
            if request.number in numbers:
                requests[request.number] = request
    return requests


def compared(home: Path) -> dict[str, Any]:
    """What was acknowledged, against the rows of a home that is built."""
    acknowledged = {
        int(number)
        for file in home.glob("acknowledged-*")
        for number in file.read_text().splitlines()
    }
    kept = list(lines(home))
    times = Counter(number for _, _, number in kept)
    requests = wanted(acknowledged | times.keys())
    number_at = {place: number for place, _, number in kept}
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as engine:
        staged = engine.execute(f"select {COLUMNS} from staging.hits").fetchall()
        facts = Counter(
            log_id for (log_id,) in engine.execute("select log_id from core.fact_hits").fetchall()
        )
        came = _came(engine)

    # The rows in core of a hit, however often it was sent; one that has no z can't be told from
    # another, so each line of it is a hit of its own.
    rows: Counter[object] = Counter()
    sent: Counter[object] = Counter()
    in_staging: set[tuple[int, int]] = set()
    for log_id, payload, line, index in staged:
        number = number_at[Place(payload, line)]
        in_staging.add((number, index))
        rows[_hit(requests[number], number, index)] += facts[log_id]
        sent[_hit(requests[number], number, index)] += 1
    lost = [
        (number, index)
        for number in sorted(acknowledged)
        for index, hit in enumerate(requests[number].meant)
        if not hit.rejected
        and ((number, index) not in in_staging or not rows[_hit(requests[number], number, index)])
    ]
    doubled = [hit for hit, n in rows.items() if n > (1 if _has_z(hit) else sent[hit])]
    model = expected((at, requests[number]) for _, at, number in kept)
    model.revenue = {currency: _plain(Decimal(total)) for currency, total in model.revenue.items()}
    must = model.as_json()
    return {
        "acknowledged requests": len(acknowledged),
        "of them not in landing or raw": len(acknowledged - times.keys()),
        "requests that were kept without an answer": len(times.keys() - acknowledged),
        "requests that were kept more than once, as they were sent again": sum(
            n > 1 for n in times.values()
        ),
        "acknowledged hits that can be loaded": sum(
            not hit.rejected for number in acknowledged for hit in requests[number].meant
        ),
        "rows of core.fact_hits": sum(facts.values()),
        "lost": len(lost),
        "doubled": len(doubled),
        "must come out": must,
        "came out": came,
        "the same": must == came,
        "spool left": sum(1 for one in (home / "spool").rglob("*-*") if one.is_file()),
    }


def _hit(request: Request, number: int, index: int) -> object:
    values = request.meant[index].values
    if not values.get("z", "").strip():
        return (number, index)
    return frozenset((key, value) for key, value in values.items() if key not in ("qt", "tm"))


def _has_z(hit: object) -> bool:
    return isinstance(hit, frozenset)


def _plain(amount: Decimal) -> str:
    return f"{amount.normalize():f}"


def _came(engine: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """What the tables say of what must come out."""

    def one(query: str) -> Any:
        return engine.execute(query).fetchone()[0]  # type: ignore[index]

    def pairs(query: str) -> dict[str, Any]:
        return dict(engine.execute(query).fetchall())

    revenue = pairs("select currency, sum(revenue) from core.purchases group by all order by all")
    told = Expected(
        requests=one(
            "select count(*) from (select distinct payload, line_number from staging.hits)"
        ),
        hits=one("select count(*) from staging.hits"),
        copies=one("select count(*) from staging.hits")
        - one("select count(*) from core.fact_hits"),
        sessions=one("select count(*) from core.sessions"),
        purchases=one("select count(*) from core.purchases"),
        revenue={currency: _plain(total) for currency, total in revenue.items()},
        rejected=pairs(
            "select reason, count(*) from staging.rejected_hits group by all order by all"
        ),
    )
    return told.as_json()


def main(
    home: Annotated[Path, typer.Option(help="an empty folder, for the spool and all the rest")],
    minutes: Annotated[float, typer.Option(min=0, help="how long it is killed")] = 60,
    every: Annotated[float, typer.Option(min=1, help="seconds between two kills, about")] = 60,
    rate: Annotated[float, typer.Option(min=1, help="hits a second")] = 50,
    seed: Annotated[int, typer.Option(help="of the times of the kills")] = 7,
    compare: Annotated[bool, typer.Option(help="only compare what was posted before")] = False,
) -> None:
    """Kill the collector while clients post, build, compare; ends with 1 if anything is lost."""
    home = home.absolute()
    home.mkdir(parents=True, exist_ok=True)
    if not compare:
        print(json.dumps(kill_for(home, minutes, every, rate, seed), indent=2), flush=True)
    with (home / "build.log").open("w") as log:
        subprocess.run(
            predictit("build", SOURCE), env=environment(home), stdout=log, stderr=log, check=True
        )
    told = compared(home)
    print(json.dumps(told, indent=2))
    raise typer.Exit(bool(told["lost"] or told["doubled"] or not told["the same"]))


if __name__ == "__main__":
    typer.run(main)
