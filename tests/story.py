"""A made-up story that a history can stumble over, what it should become, and homes that tell it.

The tests of the laws (docs/laws.md) share it: tests/layers/test_laws.py, and in tests/system
test_kills.py and test_order.py.
"""

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import oracle
import pytest
from conftest import materialize, observe, stream_of

from predictit_assets import factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.payloads import PayloadStore, Zone

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


def cast_of(world: FakePredictIt) -> Cast:
    """Ids from as many markets as possible, so that nobody plays two parts at once."""
    spring = [json.loads(one.read())["markets"] for one in polls_of_spring(world)]
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


def edited(payload: Payload, edit: Callable[[list[Record]], None]) -> Payload:
    """The payload after something was done to its markets."""
    content = json.loads(payload.read())
    edit(content["markets"])
    return payload._replace(body=json.dumps(content, ensure_ascii=False).encode())


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


def story_of(world: FakePredictIt, cast: Cast) -> list[Payload]:
    """Some days of spring and autumn with everything in them that a history can stumble over."""
    spring = [
        edited(one, lambda markets, n=n: scene(cast, n, markets))
        for n, one in enumerate(polls_of_spring(world))
    ]
    twins = [spring[n]._replace(body=spring[n + 1].body) for n in TWINS]
    return spring + twins + polls_of_autumn(world)


def expected(payloads: Iterable[Payload]) -> Tables:
    """The oracle's tables, and the runs of attributes that follow from them."""
    tables = oracle.tables([oracle.Payload(one.captured_at, one.read()) for one in payloads])
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
    return Settings(home=folder, lock_timeout=20)


def payloads_of(settings: Settings) -> PayloadStore:
    return stream_of(settings).payloads


def land(settings: Settings, payloads: Iterable[Payload]) -> None:
    store = payloads_of(settings)
    for payload in payloads:
        store.land(payload)


def build_unchecked(settings: Settings, window: DayRange) -> None:
    """Every asset up to core over a window, without the checks: a fraction of the time."""
    assets = dg.AssetSelection.key_prefixes("landing", "raw", "curated", "staging", "core")
    unchecked = assets - dg.AssetSelection.all_asset_checks()
    assert materialize(settings, unchecked, window, held_only=True).success


def held(settings: Settings) -> list[tuple[datetime, str]]:
    """Capture time and hash of every payload that is held whole, once for each place."""
    payloads = payloads_of(settings)
    stored = [s for day in payloads.days() for zone in Zone for s in payloads.held(zone, day)]
    return identities([loaded.payload for loaded in map(payloads.load, stored) if loaded])


def identities(payloads: Iterable[Payload]) -> list[tuple[datetime, str]]:
    return sorted((one.captured_at, sha256(one.read()).hexdigest()) for one in payloads)


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


def told_whole(story: list[Payload], folder: Path) -> Settings:
    """A home with the whole story in it, each season built in one range."""
    settings = settings_of(folder)
    land(settings, story)
    build_unchecked(settings, SPRING)
    build_unchecked(settings, AUTUMN)
    return settings


def of_spring(story: list[Payload]) -> list[Payload]:
    """The part of the story that most tests make do with."""
    return [one for one in story if one.day in SPRING]


def copied(settings: Settings, folder: Path) -> Settings:
    shutil.copytree(settings.home, folder)
    return settings_of(folder)


def told_by_half(spring: list[Payload], folder: Path) -> Settings:
    """A home where half of spring is published, and the other half of each day has just landed.

    Of the last day nothing is published yet.
    """
    settings = settings_of(folder)
    land(settings, early(spring))
    build_unchecked(settings, DayRange(SPRING.first, SPRING.last - timedelta(days=1)))
    land(settings, spring)
    return settings


def early(spring: Sequence[Payload]) -> list[Payload]:
    return [one for one in spring[::2] if one.day != SPRING.last]


def objects(settings: Settings) -> dict[str, bytes | None]:
    store = factory.objects(settings)
    listed = [
        one.key for zone in ("landing", "raw", "quarantine", "curated") for one in store.below(zone)
    ]
    return {key: store.get(key) for key in listed}


def cause(result: dg.ExecuteInProcessResult) -> str:
    """What the only step that failed says."""
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    error = failure.step_failure_data.error
    return (error.cause or error).message.strip()


def lines(text: str) -> list[str]:
    return [line for line in text.splitlines() if line.strip()]


# --- Fixtures: conftest makes them known to every test -----------------------------------------


@pytest.fixture(scope="session")
def cast(world: FakePredictIt) -> Cast:
    """Who plays what."""
    return cast_of(world)


@pytest.fixture(scope="session")
def story(world: FakePredictIt, cast: Cast) -> list[Payload]:
    """Some days of spring and autumn."""
    return story_of(world, cast)


@pytest.fixture(scope="session")
def spring(story: list[Payload]) -> list[Payload]:
    """The part of the story that most tests make do with."""
    return of_spring(story)


@pytest.fixture(scope="session")
def truth(spring: list[Payload]) -> Tables:
    """What the warehouse holds of spring when all is well."""
    return expected(spring)


@pytest.fixture(scope="session")
def built(story: list[Payload], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the whole story in it. Not to be changed."""
    return told_whole(story, tmp_path_factory.mktemp("built") / "home")


@pytest.fixture
def copy_of_built(built: Settings, tmp_path: Path) -> Settings:
    """A home of one's own with the whole story in it."""
    return copied(built, tmp_path / "copy")


@pytest.fixture(scope="session")
def half_told(spring: list[Payload], tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of which half is published. Not to be changed."""
    return told_by_half(spring, tmp_path_factory.mktemp("half") / "home")
