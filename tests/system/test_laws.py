"""The laws of DESIGN.md, section 2, against a made-up story and the independent oracle."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import count, groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

import dagster as dg
import duckdb
import hypothesis
import oracle
import pytest
import requests
from conftest import materialize, observe, steps_begun
from hypothesis import Phase, example, given
from hypothesis import strategies as st

from predictit_assets import factory as home
from predictit_assets.build import BUILD_JOB, build_definitions
from predictit_assets.contract.calendar import DayRange, consecutive, day_of, today
from predictit_assets.contract.source import Payload
from predictit_assets.instance import failures
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.instance.runs import run_build
from predictit_assets.layers.curated import curated_object, write_day
from predictit_assets.layers.raw import manifest_object, validate_day
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import ObjectsHome, Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.warehouse import LoadedObject

Record = dict[str, Any]
Rows = list[dict[str, Any]]
Tables = dict[str, Rows]

SPRING = DayRange(date(2026, 3, 6), date(2026, 3, 9))
"""The clocks go forward on the third day."""
AUTUMN = DayRange(date(2026, 10, 31), date(2026, 11, 2))
"""The clocks go back on the second day: 01:00 to 02:00 Eastern comes twice."""
POLLS_A_DAY = 6
TWINS = (9, 14)
"""Polls of spring for which there is another payload of the same capture time."""
NO_DATE = "9/99/99 9:99 p.m. (ET)"
LANDING = dg.AssetKey(["landing", "predictit", "market_data"])

DAILY = [
    "staging.market_snapshots",
    "staging.contract_snapshots",
    "core.market_attribute_runs",
    "core.contract_attribute_runs",
    "core.fact_prices",
    "load log of market_snapshots",
    "load log of contract_snapshots",
]
"""The tables that are replaced day by day; all others are made anew as a whole."""


# --- The story -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cast:
    """Who plays what in the story: ids of markets and contracts that are open all spring."""

    market_renamed_within_a_day: int
    market_renamed_for_a_day: int
    contract_renamed_for_a_poll: int
    contract_renamed_for_days: int
    contract_sometimes_absent: int
    market_with_careless_spaces: int
    contract_with_careless_spaces: int
    contract_never_traded: int
    contract_without_bid: int
    contract_without_ask: int
    contract_with_odd_ends: int


@pytest.fixture(scope="session")
def cast(world: FakePredictIt) -> Cast:
    """Ids from as many markets as possible, so that nobody plays two parts at once."""
    spring = [json.loads(one.body)["markets"] for one in polls_of_spring(world)]
    always = set.intersection(*({market["id"] for market in markets} for markets in spring))
    markets = [market for market in spring[0] if market["id"] in always]
    large = [market for market in markets if len(market["contracts"]) >= 2]
    small = [market for market in markets if market not in large]
    ids = iter([market["contracts"][0]["id"] for market in (*large[3:], *small[3:])])
    return Cast(
        market_renamed_within_a_day=small[0]["id"],
        market_renamed_for_a_day=small[1]["id"],
        market_with_careless_spaces=small[2]["id"],
        contract_with_careless_spaces=small[2]["contracts"][0]["id"],
        contract_sometimes_absent=large[0]["contracts"][1]["id"],
        contract_without_bid=large[1]["contracts"][0]["id"],
        contract_without_ask=large[1]["contracts"][1]["id"],
        contract_never_traded=large[2]["contracts"][0]["id"],
        contract_with_odd_ends=next(ids),
        contract_renamed_for_a_poll=next(ids),
        contract_renamed_for_days=next(ids),
    )


def polls_of_spring(world: FakePredictIt) -> list[Payload]:
    """From the first midnight on, the midnights before and after the clocks change included."""
    return observe(world, datetime(2026, 3, 6, 5, tzinfo=UTC), 24, timedelta(hours=4))


def polls_of_autumn(world: FakePredictIt) -> list[Payload]:
    """Every four hours, and four times in the hour that comes twice."""
    regular = observe(world, datetime(2026, 10, 31, 4, tzinfo=UTC), 18, timedelta(hours=4))
    twice = observe(world, datetime(2026, 11, 1, 5, 10, tzinfo=UTC), 4, timedelta(minutes=30))
    return sorted(regular + twice, key=lambda one: one.captured_at)


def edited(observation: Payload, edit: Callable[[list[Record]], None]) -> Payload:
    """The observation after something was done to its markets."""
    payload = json.loads(observation.body)
    edit(payload["markets"])
    return replace(observation, body=json.dumps(payload, ensure_ascii=False).encode())


def scene(cast: Cast, n: int, markets: list[Record]) -> None:
    """What is done to the n-th poll of spring."""
    day = n // POLLS_A_DAY
    market = {one["id"]: one for one in markets}
    contract = {one["id"]: one for each in markets for one in each["contracts"]}
    if n in (2, 3):
        market[cast.market_renamed_within_a_day]["name"] = "Another question for two polls"
    if day == 1:
        market[cast.market_renamed_for_a_day]["name"] = "Another question for a day"
    if n == 8:
        contract[cast.contract_renamed_for_a_poll]["name"] = "Another answer for a poll"
    if day in (1, 2):
        contract[cast.contract_renamed_for_days]["shortName"] = "Another answer for days"
    if n % 2:
        for careless in (
            market[cast.market_with_careless_spaces],
            contract[cast.contract_with_careless_spaces],
        ):
            careless["name"] = "\t" + careless["name"].replace(" ", " \u00a0 ") + "  "
    contract[cast.contract_never_traded].update(lastTradePrice=0.0, lastClosePrice=None)
    nobody_buys = {"bestSellYesCost": None, "bestBuyNoCost": None}
    nobody_sells = {"bestBuyYesCost": None, "bestSellNoCost": None}
    contract[cast.contract_without_bid].update(
        nobody_buys, bestBuyYesCost=0.02, bestSellNoCost=0.98
    )
    contract[cast.contract_without_ask].update(nobody_sells, bestSellYesCost=0.9, bestBuyNoCost=0.1)
    contract[cast.contract_with_odd_ends]["dateEnd"] = [
        "11/1/2026 1:30 AM (ET)",  # an hour that comes twice
        "2026-03-08T02:30:00",  # an hour that doesn't come
        "N/A",
        NO_DATE,
    ][day]
    if n in (4, 11, 12):
        for each in markets:
            each["contracts"] = [
                one for one in each["contracts"] if one["id"] != cast.contract_sometimes_absent
            ]


@pytest.fixture(scope="session")
def story(world: FakePredictIt, cast: Cast) -> list[Payload]:
    """Some days of spring and autumn with everything in them that a history can stumble over."""
    spring = [
        edited(one, lambda markets, n=n: scene(cast, n, markets))
        for n, one in enumerate(polls_of_spring(world))
    ]
    twins = [replace(spring[n], body=spring[n + 1].body) for n in TWINS]
    return spring + twins + polls_of_autumn(world)


@pytest.fixture(scope="session")
def spring(story: list[Payload]) -> list[Payload]:
    """The part of the story that most tests make do with."""
    return [one for one in story if day_of(one.captured_at) in SPRING]


@pytest.fixture(scope="session")
def truth(spring: list[Payload]) -> Tables:
    """What the warehouse holds of spring when all is well."""
    return expected(spring)


def expected(observations: Iterable[Payload]) -> Tables:
    """The oracle's tables, and the runs of attributes that follow from them."""
    tables = oracle.tables([oracle.Payload(one.captured_at, one.body) for one in observations])
    market_columns = ["market_name", "market_short_name", "market_url", "image_url"]
    contract_columns = [
        "contract_name", "contract_short_name", "image_url", "display_order", "date_end",
    ]  # fmt: skip
    return tables | {
        "core.market_attribute_runs": runs(
            tables["staging.market_snapshots"], "market_id", market_columns, "contract_count"
        ),
        "core.contract_attribute_runs": runs(
            tables["staging.contract_snapshots"], "contract_id", contract_columns, "market_id"
        ),
        "load log of market_snapshots": row_counts(tables["staging.market_snapshots"]),
        "load log of contract_snapshots": row_counts(tables["staging.contract_snapshots"]),
    }


def row_counts(rows: Rows) -> Rows:
    return [{"partition_date": day, "row_count": len(of)} for day, of in by_day(rows).items()]


def runs(snapshots: Rows, key: str, attributes: list[str], carried: str) -> Rows:
    """One row per day, thing and run of polls with equal attributes, names folded."""

    def what(row: Record) -> Record:
        folded = {a: " ".join(row[a].split()) for a in attributes if a.endswith("_name")}
        return {c: row[c] for c in ("partition_date", key, *attributes)} | folded

    ordered = sorted(snapshots, key=lambda row: (row[key], row["polled_at"]))
    grouped = [list(rows) for _, rows in groupby(ordered, key=what)]
    return [
        what(rows[-1])
        | {carried: rows[-1][carried]}
        | {"first_seen_ts": rows[0]["polled_at"], "last_seen_ts": rows[-1]["polled_at"]}
        for rows in grouped
    ]


# --- Homes, builds, and what came of them --------------------------------------------------------


def settings_of(folder: Path) -> Settings:
    return Settings(home=folder, poll_interval=0, lock_timeout=20)


def payloads_of(settings: Settings) -> PayloadStore:
    return home.payloads(home.predictit(settings, say=lambda text: None), settings)


def land(settings: Settings, observations: Iterable[Payload]) -> None:
    payloads = payloads_of(settings)
    for observation in observations:
        payloads.land(observation)


def build_unchecked(settings: Settings, window: DayRange) -> None:
    """Every asset up to core over a window, without the checks: a fraction of the time."""
    assets = dg.AssetSelection.key_prefixes("landing", "raw", "curated", "staging", "core")
    unchecked = assets - dg.AssetSelection.all_asset_checks()
    assert materialize(settings, unchecked, window, held_only=True).success


def cause(result: dg.ExecuteInProcessResult) -> str:
    """What the only step that failed says."""
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    return (error.cause or error).message.strip()


def held(settings: Settings) -> list[tuple[datetime, str]]:
    """Capture time and hash of every payload that is held whole, once for each place."""
    payloads = payloads_of(settings)
    stored = [s for day in payloads.days() for zone in Zone for s in payloads.held(zone, day)]
    return identities([one for one in map(payloads.read, stored) if one])


def identities(observations: Iterable[Payload]) -> list[tuple[datetime, str]]:
    return sorted((one.captured_at, sha256(one.body).hexdigest()) for one in observations)


def query(settings: Settings, sql: str) -> Rows:
    with duckdb.connect(settings.duckdb_file) as connection:
        found = connection.execute(sql)
        columns = [column[0] for column in found.description]
        return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def contents(settings: Settings) -> Tables:
    """Every table of the warehouse; of the load log, what it says of each staging table."""
    if not settings.duckdb_file.exists():
        return {}
    names = query(
        settings,
        "select schema_name || '.' || table_name as name from duckdb_tables() "
        "where table_name <> 'load_log'",
    )
    tables = {row["name"]: query(settings, f"from {row['name']}") for row in names}
    for table in ("market_snapshots", "contract_snapshots"):
        log = f"from staging.load_log where table_name = '{table}'"
        tables[f"load log of {table}"] = query(settings, f"select partition_date, row_count {log}")
    return tables


def plain(rows: Rows) -> list[str]:
    """Rows in an order that doesn't depend on how they lie, in a form that tells types apart."""
    return sorted(repr(sorted(row.items())) for row in rows)


def by_day(rows: Rows) -> dict[date, list[str]]:
    days: dict[date, Rows] = defaultdict(list)
    for row in rows:
        days[row["partition_date"]].append(row)
    return {day: plain(rows) for day, rows in days.items()}


def differences(settings: Settings, tables: Tables) -> list[str]:
    """Where the warehouse differs from what is expected; the first few of each table."""
    found = contents(settings)
    told = [f"{name} is not there" for name in tables.keys() - found.keys()]
    for name in tables.keys() & found.keys():
        if name in oracle.GRAIN:
            told += oracle.compare(tables[name], found[name], name)
        else:
            want, got = plain(tables[name]), plain(found[name])
            told += [f"{name}: missing or extra: {row}" for row in sorted({*want} ^ {*got})[:5]]
            told += [f"{name}: {len(got)} rows, not {len(want)}"] * (len(got) != len(want))
    return told


@pytest.fixture(scope="session")
def built(story: list[Payload], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the whole story in it, each season built in one range. Not to be changed."""
    settings = settings_of(tmp_path_factory.mktemp("built") / "home")
    land(settings, story)
    build_unchecked(settings, SPRING)
    build_unchecked(settings, AUTUMN)
    return settings


@pytest.fixture
def copy_of_built(built: Settings, tmp_path: Path) -> Settings:
    """A home of one's own with the whole story in it."""
    return copied(built, tmp_path / "copy")


def copied(settings: Settings, folder: Path) -> Settings:
    shutil.copytree(settings.home, folder)
    return settings_of(folder)


@pytest.fixture(scope="session")
def half_told(spring: list[Payload], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home where half of spring is published, and the other half of each day has just landed.

    Of the last day nothing is published yet.
    """
    settings = settings_of(tmp_path_factory.mktemp("half") / "home")
    land(settings, early(spring))
    build_unchecked(settings, DayRange(SPRING.first, SPRING.last - timedelta(days=1)))
    land(settings, spring)
    return settings


def early(spring: Sequence[Payload]) -> list[Payload]:
    return [one for one in spring[::2] if day_of(one.captured_at) != SPRING.last]


def predictit(settings: Settings, *command: str, **environment: str) -> subprocess.Popen[str]:
    """A real `predictit` process, leader of a process group of its own."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name != "DAGSTER_HOME" and not name.startswith("PREDICTIT_")
    }
    return subprocess.Popen(
        [Path(sys.executable).with_name("predictit"), *command],
        env=inherited | {"PREDICTIT_HOME": str(settings.home)} | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


# --- Nothing is lost, all or nothing: real processes, really killed ------------------------------


def storing(settings: Settings, started: float) -> bool:
    """Whether a build has moved the first late payload on."""
    raw = payloads_of(settings).held(Zone.RAW, SPRING.first)
    return len(raw) > POLLS_A_DAY // 2


def staging(settings: Settings, started: float) -> bool:
    """Whether a build has written to the warehouse."""
    return settings.duckdb_file.stat().st_mtime > started


def modelling(settings: Settings, started: float) -> bool:
    """Whether a build has come to dbt."""
    return "core_predictit" in steps_begun(settings.home, started)


def build_for_real(settings: Settings, window: DayRange) -> None:
    assert predictit(settings, "build").wait() == 0


@pytest.mark.parametrize(
    ("has_begun", "longest_wait", "finish"),
    [
        (storing, 1.0, build_unchecked),
        (staging, 0.5, build_unchecked),
        (modelling, 1.0, build_for_real),
    ],
)
def test_a_killed_build_leaves_each_day_as_it_was_or_as_it_should_be(
    half_told: Settings,
    spring: list[Payload],
    truth: Tables,
    tmp_path: Path,
    has_begun: Callable[[Settings, float], bool],
    longest_wait: float,
    finish: Callable[[Settings, DayRange], None],
) -> None:
    settings = copied(half_told, tmp_path / "home")
    before = contents(settings)

    started = time.time()
    process = predictit(settings, "build")
    while process.poll() is None and not has_begun(settings, started):
        time.sleep(0.01)
    time.sleep(random.Random(has_begun.__name__).uniform(0, longest_wait))  # noqa: S311
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()

    assert process.returncode == -signal.SIGKILL
    assert set(held(settings)) == set(identities(spring))
    after = contents(settings)
    for name in truth:
        if name in DAILY:
            was, is_now, should_be = map(by_day, (before[name], after[name], truth[name]))
            for day in SPRING.days:
                allowed = (was.get(day), should_be[day])
                assert is_now.get(day) in allowed, f"{name} of {day}"
        else:
            assert plain(after[name]) in (plain(before[name]), plain(truth[name])), name

    finish(settings, SPRING)
    assert differences(settings, truth) == []
    assert held(settings) == identities(spring)


class Killed(BaseException):
    """Stands for SIGKILL where a process would be too slow to try every moment."""


class Fuse:
    """Kills instead of the n-th call of the functions it guards."""

    def __init__(self, n: int) -> None:
        self.left = n

    @property
    def blown(self) -> bool:
        return self.left <= 0

    def guard(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def fragile(*args: Any, **kwargs: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                raise Killed
            return function(*args, **kwargs)

        return fragile


def test_a_kill_before_any_write_to_the_store_loses_no_payload(
    spring: list[Payload],
    new_settings: Callable[[], Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sound payload, its twin, of which one has to go, and one that isn't sound."""
    sound, twin = [one for one in spring if one.captured_at == spring[9].captured_at]
    bad = replace(spring[8], body=spring[8].body[:999])
    observations = [bad, sound, twin]

    def store(settings: Settings) -> None:
        source = home.predictit(settings, say=lambda text: None)
        validate_day(source, payloads_of(settings), day_of(sound.captured_at))
        write_day(source, payloads_of(settings), day_of(sound.captured_at))

    undisturbed = new_settings()
    land(undisturbed, observations)
    store(undisturbed)

    for nth_write in count(1):
        settings = new_settings()
        land(settings, observations)
        fuse = Fuse(nth_write)
        with monkeypatch.context() as patch, suppress(Killed):
            for write in ("put_if_absent", "replace", "copy_if_absent", "delete"):
                patch.setattr(ObjectStore, write, fuse.guard(getattr(ObjectStore, write)))
            store(settings)
        assert set(held(settings)) == set(identities(observations)), nth_write
        store(settings)
        assert objects(settings) == objects(undisturbed), nth_write
        if not fuse.blown:
            break
    assert nth_write > 10


@pytest.fixture
def new_settings(new_place: Callable[[], Path | Bucket], tmp_path: Path) -> Callable[[], Settings]:
    """Makes a home at each call, whose objects are in a folder or on S3."""
    homes = count()

    def make() -> Settings:
        place = new_place()
        settings = settings_of(tmp_path / "homes" / str(next(homes)))
        if isinstance(place, Path):
            return settings
        on_s3 = {"objects": ObjectsHome.S3, "s3_bucket": place.name, "s3_endpoint": place.endpoint}
        return settings.model_copy(update=on_s3)

    return make


def objects(settings: Settings) -> dict[str, bytes | None]:
    store = home.objects(settings)
    listed = [
        one.key for zone in ("landing", "raw", "quarantine", "curated") for one in store.below(zone)
    ]
    return {key: store.get(key) for key in listed}


def test_a_kill_before_any_statement_leaves_staging_as_it_was_or_as_it_should_be(
    copy_of_built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days are replaced by the second one alone: rows and their entry in the load log go."""
    settings = copy_of_built
    warehouse = home.warehouse(settings)
    window = DayRange(SPRING.first, SPRING.first + timedelta(days=1))
    source = home.predictit(settings, say=lambda text: None)
    objects = home.objects(settings)
    loaded = []
    for table in source.tables:
        key = curated_object(source, table, window.last)
        (counted,) = query(settings, f"select count(*) as n from '{objects.address(key)}'")
        loaded.append(LoadedObject(table, window.last, key, "a hash", counted["n"]))

    def days_and_rows() -> Rows:
        rows = " union all ".join(
            f"select '{table}' as table_name, partition_date, count(*) as n from staging.{table}"
            " group by all"
            for table in source.tables
        )
        log = "select table_name, partition_date, row_count from staging.load_log"
        return query(
            settings,
            f"from ({rows}) full join ({log}) using (table_name, partition_date) order by all",
        )

    before = days_and_rows()
    should_be = [row for row in before if row["partition_date"] != window.first]
    connect = DuckDBWarehouse.connect

    for nth_statement in count(1):
        fuse = Fuse(nth_statement)

        @contextmanager
        def fragile(warehouse: DuckDBWarehouse, fuse: Fuse = fuse) -> Iterator[SimpleNamespace]:
            with connect(warehouse) as connection:
                yield SimpleNamespace(
                    execute=fuse.guard(connection.execute), register=connection.register
                )

        with monkeypatch.context() as patch, suppress(Killed):
            patch.setattr(DuckDBWarehouse, "connect", fragile)
            warehouse.replace_window(source.tables, window, objects, loaded, "run")
        assert days_and_rows() == (before if fuse.blown else should_be), nth_statement
        if not fuse.blown:
            break
    assert nth_statement > 5


def test_an_insert_that_fails_leaves_the_days_of_a_model_as_they_were(
    copy_of_built: Settings,
) -> None:
    """By then dbt has deleted the days: a kill at that moment would be hard to time."""
    settings = copy_of_built
    query(settings, "alter table core.fact_prices alter polled_at set not null")
    query(settings, "update staging.contract_snapshots set polled_at = null")
    before = contents(settings)["core.fact_prices"]

    only_facts = dg.AssetSelection.assets(["core", "predictit", "fact_prices"]).without_checks()
    assert not materialize(settings, only_facts, SPRING).success

    assert plain(contents(settings)["core.fact_prices"]) == plain(before)


def test_core_replaces_the_days_of_its_window_and_no_other(copy_of_built: Settings) -> None:
    """Staging is empty: so is the day that is built, and all others are as they were."""
    settings = copy_of_built
    before = contents(settings)
    query(settings, "delete from staging.market_snapshots")
    query(settings, "delete from staging.contract_snapshots")
    second = SPRING.days[1]

    core = dg.AssetSelection.key_prefixes("core").without_checks()
    assert materialize(settings, core, DayRange(second, second)).success

    after = contents(settings)
    for name in ("core.fact_prices", "core.market_attribute_runs", "core.contract_attribute_runs"):
        was = by_day(before[name])
        assert was.pop(second)
        assert by_day(after[name]) == was, name


def test_two_builds_at_once_do_not_harm_each_other(
    spring: list[Payload], truth: Tables, tmp_path: Path
) -> None:
    settings = settings_of(tmp_path / "home")
    land(settings, spring)

    processes = [predictit(settings, "build") for _ in range(2)]
    for process in processes:
        _, said = process.communicate()
        if process.returncode != 0:
            assert process.returncode == 1
            assert len(lines(said)) == 1, said

    if all(process.returncode for process in processes):
        build_unchecked(settings, SPRING)
    assert differences(settings, truth) == []
    assert held(settings) == identities(spring)


@pytest.fixture
def holder(copy_of_built: Settings) -> Iterator[subprocess.Popen[str]]:
    """A process that has the warehouse open."""
    code = "import duckdb, sys; held = duckdb.connect(sys.argv[1]); print('held', flush=True); "
    with subprocess.Popen(
        [sys.executable, "-c", code + "input()", copy_of_built.duckdb_file],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_warehouse_that_another_process_holds_is_one_clear_line(
    copy_of_built: Settings, holder: subprocess.Popen[str]
) -> None:
    commands = [["board"], ["build", "--from", str(SPRING.last), "--to", str(SPRING.last)]]
    processes = [
        predictit(copy_of_built, *command, PREDICTIT_LOCK_TIMEOUT="1") for command in commands
    ]
    for process in processes:
        _, said = process.communicate()
        assert process.returncode == 1, said
        assert len(lines(said)) == 1, said
        assert lines(said)[0].startswith("error: ")
        assert str(copy_of_built.duckdb_file) in said
        assert f"PID {holder.pid}" in said


def test_dbt_waits_for_a_held_warehouse_no_longer_than_it_may(
    copy_of_built: Settings, holder: subprocess.Popen[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = copy_of_built.model_copy(update={"lock_timeout": 1})
    sleep, slept = time.sleep, []

    def short_sleep(seconds: float) -> None:
        slept.append(seconds)
        sleep(min(seconds, 0.3))

    monkeypatch.setattr(time, "sleep", short_sleep)
    monkeypatch.setattr(failures, "RETRIES", 0)
    core = dg.AssetSelection.key_prefixes("core").without_checks()
    result = materialize(settings, core, SPRING)
    assert not result.success
    assert len(lines(cause(result))) == 1
    assert str(settings.duckdb_file) in cause(result)
    assert f"PID {holder.pid}" in cause(result)
    assert sum(slept) < 30


def test_whoever_waits_for_no_lock_still_builds(copy_of_built: Settings) -> None:
    settings = copy_of_built.model_copy(update={"lock_timeout": 0})
    assert materialize(
        settings, dg.AssetSelection.key_prefixes("core").without_checks(), SPRING
    ).success


# --- The oracle ----------------------------------------------------------------------------------


def test_the_story_has_everything_in_it(story: list[Payload], spring: list[Payload]) -> None:
    """Otherwise the other tests would say less than they seem to."""
    tables = expected(spring)
    markets = tables["core.dim_markets"]
    assert any(not market["is_open"] for market in markets)
    assert len({market["effective_ts"] for market in markets}) > 1
    assert len({one.captured_at for one in spring}) < len(spring)
    local = [one.captured_at.astimezone(oracle.EASTERN) for one in story]
    assert [at.fold for at in local if at.hour == 1 and at.day == 1].count(1) == 2
    assert {at.utcoffset() for at in local} == {timedelta(hours=-4), timedelta(hours=-5)}
    assert any(at.hour == at.minute == 0 for at in local)


def test_a_range_of_days_holds_what_the_oracle_says(built: Settings, story: list[Payload]) -> None:
    """The whole story, clocks going forward and back included, each season built in one range."""
    assert differences(built, expected(story)) == []


def test_the_load_log_names_the_objects_that_are_loaded(built: Settings) -> None:
    log = query(built, "from staging.load_log")
    loaded = {row["object_key"]: row["object_sha256"] for row in log}
    stored = {key: sha256(body).hexdigest() for key, body in objects(built).items()}
    assert loaded == {key: stored[key] for key in stored if key.startswith("curated/")}
    assert all(
        f"/{row['table_name']}/date={row['partition_date']}/" in row["object_key"] for row in log
    )


# --- Law 2: order does not matter ----------------------------------------------------------------


@dataclass(frozen=True)
class Plan:
    """Builds, by the numbers of their first and last days, and the payloads that come late."""

    builds: Sequence[tuple[int, int]]
    late: frozenset[int]
    """Payloads that land only after the first build of their day."""


DAYS = len(SPRING.days)
PAYLOADS = DAYS * POLLS_A_DAY + len(TWINS)
"""Those of TWINS come last."""


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Any sub-ranges in any order, perhaps one twice. A day's first poll is never late."""
    cuts = sorted(draw(st.sets(st.integers(1, DAYS - 1), min_size=1)))
    parts = list(zip([0, *cuts], [cut - 1 for cut in [*cuts, DAYS]], strict=True))
    again = draw(st.lists(st.sampled_from(parts), max_size=1))
    can_be_late = [n for n in range(PAYLOADS) if n not in range(0, PAYLOADS, POLLS_A_DAY)]
    late = draw(st.frozensets(st.sampled_from(can_be_late), max_size=8))
    return Plan(draw(st.permutations(parts + again)), late)


@hypothesis.settings(
    max_examples=2,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],  # looking for a smaller example would take minutes
    derandomize=True,
    suppress_health_check=list(hypothesis.HealthCheck),
)
@given(plans())
@example(Plan(builds=[(3, 3), (2, 2), (1, 1), (0, 0)], late=frozenset({0, 3, 9, 14, 23})))
@example(Plan(builds=[(1, 2), (0, 3), (1, 2)], late=frozenset({2, 4, 8, 12, 20, 24, 25})))
def test_the_order_of_builds_and_payloads_does_not_matter(
    spring: list[Payload], truth: Tables, plan: Plan
) -> None:
    with TemporaryDirectory() as folder:
        settings = settings_of(Path(folder))
        late = [spring[n] for n in sorted(plan.late)]
        land(settings, [one for one in spring if one not in late])
        unbuilt = set()
        for first, last in plan.builds:
            window = DayRange(SPRING.days[first], SPRING.days[last])
            build_unchecked(settings, window)
            unbuilt -= set(window.days)
            landing = [one for one in late if day_of(one.captured_at) in window]
            land(settings, landing)
            unbuilt |= {day_of(one.captured_at) for one in landing}
            late = [one for one in late if one not in landing]
        for window in reversed(consecutive(list(unbuilt))):
            build_unchecked(settings, window)
        assert differences(settings, truth) == []


def test_the_real_build_takes_days_in_any_order(
    half_told: Settings, truth: Tables, tmp_path: Path
) -> None:
    """Through `run_build`, with every check: the first half of spring, long after the second."""
    settings = copied(half_told, tmp_path / "home")
    first, second, third, fourth = SPRING.days
    build_unchecked(settings, DayRange(third, fourth))
    warnings = run_build(
        build_definitions(settings),
        dg.DagsterInstance.ephemeral(),
        BUILD_JOB,
        DayRange(first, second),
        notify=lambda progress: None,
    )
    (warning,) = warnings
    assert warning.startswith("raw/predictit/market_data: 1 row breaks: ")
    assert differences(settings, truth) == []


def test_building_again_at_another_time_gives_the_same_rows_and_the_same_bytes(
    copy_of_built: Settings, built: Settings
) -> None:
    settings = copy_of_built
    settings.duckdb_file.unlink()
    shutil.rmtree(settings.objects_dir / "curated")
    for window in (SPRING, AUTUMN):
        build_unchecked(settings, window)
    was, found = contents(built), contents(settings)
    assert was.keys() == found.keys()
    for name in was:
        assert plain(found[name]) == plain(was[name]), name
    assert objects(settings) == objects(built)


def test_no_model_reads_the_clock() -> None:
    clock = re.compile(
        r"current_?(local)?_?(timestamp|date|time)|localtime|transaction_timestamp"
        r"|\b(now|today|getdate|sysdate)\s*\("
        r"|\b(run_started_at|modules\.datetime|invocation_id)\b",
        re.IGNORECASE,
    )
    models = [*DBT_DIR.glob("models/**/*.sql"), *DBT_DIR.glob("macros/**/*.sql")]
    assert models
    for model in models:
        assert not clock.search(model.read_text()), model


# --- Law 4: one bad payload costs one payload ----------------------------------------------------


def spoiled(body: bytes, spoil: Callable[[Record], None]) -> bytes:
    payload = json.loads(body)
    spoil(payload)
    return json.dumps(payload).encode()


def first_contract(payload: Record) -> Record:
    contract: Record = payload["markets"][0]["contracts"][0]
    return contract


BAD: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "half a body": (lambda body: body[: len(body) // 2], "not JSON"),
    "a wrong type": (
        lambda body: spoiled(body, lambda p: first_contract(p).update(lastTradePrice="0.5")),
        "$.markets[0].contracts[0].lastTradePrice",
    ),
    "a contract twice": (
        lambda body: spoiled(
            body, lambda p: p["markets"][1]["contracts"].append(first_contract(p))
        ),
        "$.markets[1].contracts[",
    ),
    "no markets": (lambda body: b'{"markets": []}', "$.markets"),
    "a price out of range": (
        lambda body: spoiled(body, lambda p: first_contract(p).update(bestBuyYesCost=5.4)),
        "$.markets[0].contracts[0].bestBuyYesCost",
    ),
}
"""How to make a body bad, and what the reason has to name: the fault or its JSON path."""


def test_bad_payloads_are_quarantined_and_the_day_goes_on(
    world: FakePredictIt, settings: Settings, payloads: PayloadStore
) -> None:
    """A day with good and bad payloads, and a day with a bad one only."""
    polls = observe(world, datetime(2026, 3, 6, 12, tzinfo=UTC), 7, timedelta(hours=2))
    bad = [
        replace(poll, body=make_bad(poll.body))
        for poll, (make_bad, _) in zip(polls[1:6], BAD.values(), strict=True)
    ]
    only_bad = replace(bad[0], captured_at=bad[0].captured_at + timedelta(days=1))
    land(settings, [polls[0], *bad, polls[6], only_bad])
    window = DayRange(SPRING.first, SPRING.first + timedelta(days=1))

    up_to_core = dg.AssetSelection.key_prefixes("landing", "raw", "curated", "staging", "core")
    result = materialize(settings, up_to_core, window, held_only=True)

    assert result.success
    failed = [check for check in result.get_asset_check_evaluations() if not check.passed]
    assert [(check.check_name, check.severity) for check in failed] == [
        ("nothing_quarantined", dg.AssetCheckSeverity.WARN)
    ]
    assert differences(settings, expected([polls[0], polls[6]])) == []
    quarantined = payloads.held(Zone.QUARANTINE, window.first)
    assert [one.captured_at for one in quarantined] == [one.captured_at for one in bad]
    for stored, (kind, (_, told)) in zip(quarantined, BAD.items(), strict=True):
        assert told in payloads.reason(stored), kind
    assert len(payloads.held(Zone.QUARANTINE, window.last)) == 1
    assert held(settings) == identities([polls[0], *bad, polls[6], only_bad])


@pytest.mark.parametrize("step", ["raw", "curated"])
def test_a_damaged_object_of_raw_is_named_in_plain_words(
    settings: Settings, payloads: PayloadStore, spring: list[Payload], step: str
) -> None:
    """Raw has to read its objects again when the manifest is gone, too."""
    source = home.predictit(settings, say=lambda text: None)
    land(settings, spring[:1])
    validate_day(source, payloads, SPRING.first)
    (stored,) = payloads.held(Zone.RAW, SPRING.first)
    payloads.objects.replace(stored.key, b"damaged")
    if step == "raw":
        payloads.objects.delete(manifest_object(payloads, SPRING.first))

    result = materialize(
        settings,
        dg.AssetSelection.groups(step).without_checks(),
        DayRange(SPRING.first, SPRING.first),
    )

    (failure,) = [event for event in result.all_events if event.is_step_failure]
    told = failure.step_failure_data.user_failure_data
    assert told
    assert f"{stored.key} is damaged, restore it: " in told.description


# --- Law 5: unknown is not zero ------------------------------------------------------------------


def test_never_traded_is_null(built: Settings, cast: Cast) -> None:
    bounds = f"contract_id = {cast.contract_never_traded} and partition_date <= '{SPRING.last}'"
    staged = query(built, f"from staging.contract_snapshots where {bounds}")
    facts = query(built, f"from core.fact_prices where {bounds}")
    assert {row["last_trade_price"] for row in staged} == {0}
    assert {(row["last_trade_price"], row["last_close_price"]) for row in facts} == {(None, None)}


def test_a_missing_quote_is_null_and_so_is_what_is_derived_from_it(
    built: Settings, cast: Cast
) -> None:
    columns = "best_buy_yes_cost is null, best_sell_yes_cost is null, mid_price, spread"
    for contract, missing in (
        (cast.contract_without_ask, (True, False)),
        (cast.contract_without_bid, (False, True)),
    ):
        bounds = f"contract_id = {contract} and partition_date <= '{SPRING.last}'"
        (row,) = query(built, f"select distinct {columns} from core.fact_prices where {bounds}")
        assert tuple(row.values()) == (*missing, None, None)


def test_an_end_that_is_no_date_is_null_beside_its_text(built: Settings, cast: Cast) -> None:
    (row,) = query(
        built,
        "select date_end, date_end_ts from core.dim_contracts "
        f"where contract_id = {cast.contract_with_odd_ends}",
    )
    assert row == {"date_end": NO_DATE, "date_end_ts": None}


# --- Landing: the only layer without a past ------------------------------------------------------

ONLY_LANDING = dg.AssetSelection.assets(LANDING)


@pytest.fixture
def polling(settings: Settings, feed: SampleServer) -> Settings:
    """A home that polls the made-up PredictIt."""
    return settings.model_copy(update={"api_url": feed.url})


@pytest.mark.parametrize("how", [[], ["half"], ["wrong-type"], ["not-json"]])
def test_todays_partition_keeps_what_the_api_answers(
    polling: Settings, feed: SampleServer, how: list[str]
) -> None:
    """Sound or not: what is wrong with an answer is found out once it is held."""
    feed.fail_with(*how)
    result = materialize(polling, ONLY_LANDING, DayRange(today(), today()))
    assert result.success
    assert [request.path for request in feed.requests] == ["/api/marketdata/all/"]
    (stored,) = payloads_of(polling).held(Zone.LANDING, today())
    feed.fail_with(*how)
    assert payloads_of(polling).read(stored).body == feed_body(feed)


def feed_body(feed: SampleServer) -> bytes:
    headers = {"Accept": "application/json"}
    return requests.get(f"{feed.url}/api/marketdata/all/", headers=headers, timeout=10).content


def test_todays_partition_does_not_poll_when_told_not_to(
    polling: Settings, feed: SampleServer
) -> None:
    materialize(polling, ONLY_LANDING, DayRange(today(), today()), held_only=True)
    assert feed.requests == []


def test_a_past_partition_reports_what_is_held_and_asks_nobody(
    polling: Settings, feed: SampleServer, spring: list[Payload]
) -> None:
    land(polling, spring)
    result = materialize(polling, ONLY_LANDING, DayRange(SPRING.first, SPRING.first))
    assert result.success
    assert feed.requests == []
    (materialization,) = result.asset_materializations_for_node("landing_predictit_market_data")
    assert materialization.metadata["payloads"].value == POLLS_A_DAY


@pytest.mark.parametrize(
    "window",
    [
        DayRange(SPRING.first, SPRING.first),
        SPRING,
        DayRange(today() - timedelta(days=2), today()),
    ],
    ids=["a past day", "past days", "days up to today"],
)
def test_where_nothing_is_held_landing_fails_at_once_and_asks_nobody(
    polling: Settings, feed: SampleServer, window: DayRange
) -> None:
    result = materialize(polling, ONLY_LANDING, window)
    assert not result.success
    assert feed.requests == []
    assert not [event for event in result.all_events if event.is_step_up_for_retry]
    assert f"the store holds no payload of {window}" in cause(result)
    assert len(lines(cause(result))) == 1
