"""Days of every source, made by its fake: as many as wanted, and with payloads as large as wanted.

Nothing here is about one source: one that has a fake can be measured.
"""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import duckdb

from bench.refresh import PREDICTIT
from bench.sampling import Side, run
from predictit_assets import factory
from predictit_assets.contract.arrival import ByDay
from predictit_assets.sample.fakes import find_fake
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import Enabled, enabled
from predictit_assets.storage.payloads import PayloadName, Zone
from predictit_assets.storage.stream import Stream

TUESDAY = 1
POLLS_A_DAY = 24
MANY_CALLS = "100000"
IDENTITY = re.compile(
    rb"""(?:\\?"(?:\w+_)?(?:id|ticker|T|symbol|cid|z|uid|ti|token)\\?":\s?(?:\\?")?"""
    rb"""|[?&"](?:cid|z|uid|ti)=)"""
    rb"""(?P<of>[\w.-]+)"""
)
"""Where a record says which one it is: in JSON, in JSON within a text, or in a query."""
HEXADECIMAL = re.compile(rb"[0-9a-f]{8}[0-9a-f-]{12,}")
NUMBER = re.compile(rb"[1-9][0-9]*")
FAR = 1_000_000_007
"""Farther than any two numbers of one day are from each other."""
MULTIPLIER = 2_654_435_761
"""Odd, so that no two copies of a hexadecimal number are the same."""


@dataclass(frozen=True)
class Grown:
    """A home with days of one source in landing."""

    source: str
    folder: Path
    first: date
    last: date

    @property
    def environment(self) -> dict[str, str]:
        """Of the commands of this home."""
        return environment_of(self.folder, self.source)

    @property
    def window(self) -> list[str]:
        """Its days, as commands are told them."""
        return ["--from", str(self.first), "--to", str(self.last)]

    def rows(self) -> dict[str, int]:
        """The rows of its days in each table of staging; those of rejected rows say so."""
        with duckdb.connect(str(self.folder / "warehouse.duckdb"), read_only=True) as engine:
            found = engine.execute(
                "select table_name from duckdb_columns()"
                " where schema_name = 'staging' and column_name = 'partition_date'"
            ).fetchall()
            tables = {
                table for stream in streams(self.folder, self.source) for table in stream.tables
            }
            counted = {}
            for (table,) in found:
                if table in tables:
                    ((rows,),) = engine.execute(
                        f"select count(*) from staging.{table}"
                        " where partition_date between ? and ?",
                        [self.first, self.last],
                    ).fetchall()
                    counted[table] = rows
            return counted


def environment_of(home: Path, *sources: str, url: str = "") -> dict[str, str]:
    """The environment of commands in a home where these sources are on."""
    set_here: dict[str, str] = {}
    for name in sources:
        fake = find_fake(name)
        set_here |= fake.defaults
        if url:
            set_here |= fake.environment(url)
    return set_here | {
        "PREDICTIT_HOME": str(home),
        "PREDICTIT_SOURCES": ",".join(sources),
        "PREDICTIT_POLL_INTERVAL": "0",
        "PREDICTIT_MAX_BODY_MB": "500",
    }


@contextmanager
def _told(environment: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def turned_on(home: Path, source: str) -> tuple[Settings, Enabled]:
    """A source and the settings, as its commands in a home have them."""
    with _told(environment_of(home, source)):
        (on,) = enabled([source])
    return Settings(home=home, sources=(source,), max_body_mb=500), on


def streams(home: Path, source: str) -> list[Stream]:
    """The streams of a source in a home."""
    return list(factory.streams(*turned_on(home, source)))


def last_day(source: str) -> date:
    """The newest Tuesday that is over: no weekend and, nearly always, no holiday."""
    _, on = turned_on(Path(), source)
    yesterday = on.source.calendar.today() - timedelta(days=1)
    return yesterday - timedelta(days=(yesterday.weekday() - TUESDAY) % 7)


def days_of(source: str, out: Path, days: int, polls: int = POLLS_A_DAY) -> Grown:
    """So many days of a source, by the commands that bring payloads in; what is there stays.

    `polls` are the moments of a day at which it is asked, where it only says what is true now.
    """
    last = last_day(source)
    grown = Grown(
        source, out / f"{source}-{last}-{days}x{polls}", last - timedelta(days=days - 1), last
    )
    if grown.folder.exists():
        return grown
    making = grown.folder.with_name(grown.folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    fake = find_fake(source)
    _, on = turned_on(making, source)
    zone = on.source.calendar.tzinfo
    begin, end = (
        datetime.combine(day, time(), zone).astimezone(UTC)
        for day in (grown.first, grown.last + timedelta(days=1))
    )
    with ExitStack() as stack:
        archive = making.with_name(making.name + ".archive")
        stack.callback(shutil.rmtree, archive, ignore_errors=True)
        every = timedelta(days=1) / polls
        # What is dropped on a day is about the days before.
        written = list(fake.archive(archive, begin, end + timedelta(days=1), every))
        server = stack.enter_context(SampleServer(fake))
        environment = environment_of(making, source, url=server.url)
        calls = (
            {on.settings.variable("max_calls"): MANY_CALLS}
            if hasattr(on.settings, "max_calls")
            else {}
        )
        if written:
            command = [PREDICTIT, "import", source, str(archive)]
            run(Side("import", command, environment=environment))
        if any(isinstance(way, ByDay) for one in on.source.datasets for way in one.arrivals):
            command = [PREDICTIT, "fetch", source, *grown.window]
            run(Side("fetch", command, environment=environment | calls))
    making.rename(grown.folder)
    return grown


def larger(base: Grown, times: int) -> Grown:
    """The same payloads with so many times their records, each another; what is there stays."""
    if times == 1:
        return base
    folder = base.folder.with_name(f"{base.folder.name}-rows{times}")
    grown = Grown(base.source, folder, base.first, base.last)
    if folder.exists():
        return grown
    making = folder.with_name(folder.name + ".making")
    shutil.rmtree(making, ignore_errors=True)
    for before, after in zip(
        streams(base.folder, base.source), streams(making, base.source), strict=True
    ):
        held = before.payloads
        for day in held.days(Zone.LANDING):
            if not base.first <= day <= base.last:
                continue
            for stored in held.held(Zone.LANDING, day):
                loaded = held.load(stored)
                if loaded is None or stored.name is None:
                    continue
                body = multiplied(loaded.payload.read(), times)
                name = PayloadName(
                    stored.name.captured_at, hashlib.sha256(body).hexdigest(), stored.name.part,
                    stored.name.suffix,
                )  # fmt: skip
                after.payloads.objects.put_if_absent(
                    after.payloads.key(Zone.LANDING, day, name), _packed(body)
                )
    making.rename(folder)
    return grown


def landed_rows(home: Grown) -> int:
    """The rows that the payloads of its days become."""
    return sum(
        batch.num_rows
        for stream in streams(home.folder, home.source)
        for day in stream.payloads.days(Zone.LANDING)
        if home.first <= day <= home.last
        for stored in stream.payloads.held(Zone.LANDING, day)
        if (loaded := stream.payloads.load(stored))
        for batch in stream.dataset.rows([loaded.payload]).values()
    )


def _packed(body: bytes) -> bytes:
    from isal import igzip

    packed: bytes = igzip.compress(body, compresslevel=2, mtime=0)
    return packed


def records_of(value: Any) -> list[Any] | None:
    """The list of records that an answer is, or that it holds; None when it has none."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return None
    lists = [
        one for one in value.values() if isinstance(one, list) and one and isinstance(one[0], dict)
    ]
    return max(lists, key=len, default=None)


def multiplied(body: bytes, times: int) -> bytes:
    """A body with each record so many times, under other names: JSON, or lines of JSON."""
    try:
        value = json.loads(body)
    except ValueError:
        lines = body.splitlines()
        return b"".join(renamed(one, n) + b"\n" for one in lines for n in range(times))
    records = records_of(value)
    if not records:
        return body
    number = len(records)
    written = [json.dumps(one, ensure_ascii=False).encode() for one in records]
    listed = b"[" + b",".join(renamed(one, n) for n in range(times) for one in written) + b"]"
    if value is records:
        return listed
    # The list is put in as text: reading it again would take long.
    parts = [
        json.dumps(key).encode()
        + b":"
        + (listed if one is records else json.dumps(_counted(one, number, times)).encode())
        for key, one in value.items()
    ]
    return b"{" + b",".join(parts) + b"}"


def _counted(one: Any, number: int, times: int) -> Any:
    """A count of the records grows with them."""
    return one * times if type(one) is int and one == number else one


def renamed(record: bytes, n: int) -> bytes:
    """The nth record like this one: what it and its parts are called is another."""
    if n == 0:
        return record

    def other(found: "re.Match[bytes]") -> bytes:
        name = found["of"]
        before = record[found.start() : found.start("of")]
        if HEXADECIMAL.fullmatch(name):
            name = b"%08x" % ((int(name[:8], 16) + n * MULTIPLIER) % 2**32) + name[8:]
        elif NUMBER.fullmatch(name):
            name = b"%d" % (int(name) + n * FAR)
        elif name not in (b"null", b"true", b"false"):
            name += _letters(n, upper=name.isupper())
        return before + name

    return IDENTITY.sub(other, record)


def _letters(n: int, *, upper: bool) -> bytes:
    text = ""
    while n:
        n, rest = divmod(n, 26)
        text += chr(ord("A") + rest)
    return (text if upper else text.lower()).encode()
