"""The laws of docs/laws.md in this process, by the made-up story and the independent oracle."""

import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster as dg
import oracle
import pytest
import requests
from conftest import materialize, observe, stream_of
from deaths import Killed
from story import (
    NO_DATE,
    POLLS_A_DAY,
    SPRING,
    Cast,
    Record,
    Rows,
    by_day,
    cause,
    contents,
    differences,
    expected,
    held,
    identities,
    land,
    lines,
    objects,
    payloads_of,
    plain,
    query,
    settings_of,
)

from predictit_assets import factory
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.instance.dbt_runner import DBT_DIR, Dbt
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import PROJECT_DIR, ObjectsHome, Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.duckdb import DuckDBWarehouse
from predictit_assets.storage.objects import Bucket, ObjectStore
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.warehouse import CuratedObject

LANDING = dg.AssetKey(["landing", "predictit", "market_data"])
UP_TO_CORE = dg.AssetSelection.key_prefixes("landing", "raw", "curated", "staging", "core")


# --- Nothing is lost, all or nothing ---


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
    bad = spring[8]._replace(body=spring[8].read()[:999])
    observations = [bad, sound, twin]

    def store(settings: Settings) -> None:
        stream = stream_of(settings)
        validate_day(stream, sound.day)
        write_day(stream, sound.day)

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


def test_a_kill_before_any_statement_leaves_staging_as_it_was_or_as_it_should_be(
    copy_of_built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two days are replaced by the second one alone: rows and their entry in the load log go."""
    settings = copy_of_built
    warehouse = factory.warehouse(settings)
    window = DayRange(SPRING.first, SPRING.first + timedelta(days=1))
    stream = stream_of(settings)
    curated = [
        CuratedObject(table, window.last, stream.curated_object(table, window.last))
        for table in stream.tables
    ]

    def days_and_rows() -> Rows:
        rows = " union all ".join(
            f"select '{table}' as table_name, partition_date, count(*) as n from staging.{table}"
            " group by all"
            for table in stream.tables
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
            warehouse.replace_window(
                stream.tables, window, factory.objects(settings), curated, "run"
            )
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


def test_core_replaces_the_days_of_its_window_and_no_other(
    copy_of_built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Staging is empty: so are the days that are built, and all others are as they were.

    Both days are one invocation of dbt.
    """
    settings = copy_of_built
    before = contents(settings)
    query(settings, "delete from staging.market_snapshots")
    query(settings, "delete from staging.contract_snapshots")
    window = DayRange(SPRING.days[1], SPRING.days[2])
    builds = []
    invoke = Dbt._invoke

    def counted(dbt: Dbt, args: list[str], *more: Any, **runner: Any) -> Any:
        builds.append("build" in args)
        return invoke(dbt, args, *more, **runner)

    monkeypatch.setattr(Dbt, "_invoke", counted)
    core = dg.AssetSelection.key_prefixes("core").without_checks()
    assert materialize(settings, core, window).success
    assert sum(builds) == 1

    after = contents(settings)
    for name in ("core.fact_prices", "core.market_attribute_runs", "core.contract_attribute_runs"):
        was = by_day(before[name])
        assert all(was.pop(day) for day in window.days)
        assert by_day(after[name]) == was, name


def test_what_the_shell_says_of_dbt_changes_no_build(
    copy_of_built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tables() -> dict[str, list[str]]:
        return {name: plain(rows) for name, rows in contents(copy_of_built).items()}

    before = tables()
    said = {
        "DBT_FULL_REFRESH": "1",
        "DBT_EMPTY": "1",
        "DBT_ENGINE_RESOURCE_TYPES": "model",
        "DBT_STORE_FAILURES": "1",
        "DBT_INDIRECT_SELECTION": "empty",
        "DBT_PROFILE": "of_another",
        "DBT_TARGET": "of_another",
        "DBT_DEFER": "1",
        "DBT_STATE": "missing",
        "DBT_SINGLE_THREADED": "1",
        "DBT_WARN_ERROR": "1",
    }
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    core = dg.AssetSelection.key_prefixes("core")
    result = materialize(copy_of_built, core, DayRange(SPRING.last, SPRING.last))
    assert result.success
    assert {check.check_name for check in result.get_asset_check_evaluations()} - {"schema"}
    assert tables() == before
    assert os.environ.items() >= said.items()


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


# --- Order does not matter ---


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
        poll._replace(body=make_bad(poll.read()))
        for poll, (make_bad, _) in zip(polls[1:6], BAD.values(), strict=True)
    ]
    next_day = bad[0].captured_at + timedelta(days=1)
    only_bad = bad[0]._replace(day=EASTERN.day_of(next_day), captured_at=next_day)
    land(settings, [polls[0], *bad, polls[6], only_bad])
    window = DayRange(SPRING.first, SPRING.first + timedelta(days=1))

    result = materialize(settings, UP_TO_CORE, window, held_only=True)

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
    land(settings, spring[:1])
    validate_day(stream_of(settings), SPRING.first)
    (stored,) = payloads.held(Zone.RAW, SPRING.first)
    payloads.objects.replace(stored.key, b"damaged")
    if step == "raw":
        payloads.objects.delete(payloads.manifest(SPRING.first))

    result = materialize(
        settings,
        dg.AssetSelection.key_prefixes(step).without_checks(),
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


# --- A range is one run ---


def test_many_days_are_loaded_in_as_many_statements_as_one(
    copy_of_built: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream, warehouse = stream_of(copy_of_built), factory.warehouse(copy_of_built)
    connect = DuckDBWarehouse.connect
    counts = []
    for window in (DayRange(SPRING.first, SPRING.first), SPRING):
        statements = []

        @contextmanager
        def counting(
            warehouse: DuckDBWarehouse, statements: list[str] = statements
        ) -> Iterator[SimpleNamespace]:
            with connect(warehouse) as connection:

                def execute(statement: str, *values: Any) -> Any:
                    statements.append(statement)
                    return connection.execute(statement, *values)

                yield SimpleNamespace(execute=execute, register=connection.register)

        curated = [
            CuratedObject(table, day, stream.curated_object(table, day))
            for day in window.days
            for table in stream.tables
        ]
        with monkeypatch.context() as patch:
            patch.setattr(DuckDBWarehouse, "connect", counting)
            loaded = warehouse.replace_window(
                stream.tables, window, stream.payloads.objects, curated, "run"
            )
        assert len(loaded) == len(window.days) * len(stream.tables)
        counts.append(len(statements))
    assert counts[0] == counts[1] > 5


# --- What is said of all this ---


def test_every_test_that_the_laws_name_is_there() -> None:
    text = (PROJECT_DIR / "docs" / "laws.md").read_text()
    named: dict[str, set[str]] = {}
    file = ""
    for found in re.finditer(r"`(tests/[\w/]+\.py)`|`(test_\w+)`", text):
        file = found[1] or file
        named.setdefault(file, set()).update([found[2]] if found[2] else [])
    assert len(named) > 8
    for file, tests in named.items():
        there = set(re.findall(r"^def (test_\w+)", (PROJECT_DIR / file).read_text(), re.MULTILINE))
        assert tests - there == set(), file


# --- Landing: the only layer without a past ------------------------------------------------------

ONLY_LANDING = dg.AssetSelection.assets(LANDING)


@pytest.fixture
def polling(settings: Settings, feed: SampleServer, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home that polls the made-up PredictIt."""
    monkeypatch.setenv("PREDICTIT_API_URL", feed.url)
    return settings


@pytest.mark.parametrize("how", [[], ["half"], ["wrong-type"], ["not-json"]])
def test_todays_partition_keeps_what_the_api_answers(
    polling: Settings, feed: SampleServer, how: list[str]
) -> None:
    """Sound or not: what is wrong with an answer is found out once it is held."""
    feed.fail_with(*how)
    result = materialize(polling, ONLY_LANDING, DayRange(EASTERN.today(), EASTERN.today()))
    assert result.success
    assert [request.path for request in feed.requests] == ["/api/marketdata/all/"]
    (stored,) = payloads_of(polling).held(Zone.LANDING, EASTERN.today())
    feed.fail_with(*how)
    loaded = payloads_of(polling).load(stored)
    assert loaded
    assert loaded.payload.body == feed_body(feed)


def feed_body(feed: SampleServer) -> bytes:
    headers = {"Accept": "application/json"}
    return requests.get(f"{feed.url}/api/marketdata/all/", headers=headers, timeout=10).content


def test_todays_partition_does_not_poll_when_told_not_to(
    polling: Settings, feed: SampleServer
) -> None:
    materialize(polling, ONLY_LANDING, DayRange(EASTERN.today(), EASTERN.today()), held_only=True)
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


def test_a_range_with_holes_is_one_run_that_marks_only_the_days_that_are_held(
    settings: Settings, spring: list[Payload]
) -> None:
    """Two days with a hole between them, a hole on either side, and one with answers alone."""
    first, last = SPRING.first, SPRING.first + timedelta(days=2)
    of_last = [
        one._replace(day=last, captured_at=one.captured_at + timedelta(days=2))
        for one in spring[:2]
        if one.day == first
    ]
    land(settings, [*spring[:2], *of_last])
    window = DayRange(first - timedelta(days=1), last + timedelta(days=1))
    layers = dg.AssetSelection.key_prefixes("landing", "raw", "curated", "staging", "core")

    result = materialize(settings, layers, window, held_only=True)

    assert result.success
    made: dict[dg.AssetKey, dict[str, dg.AssetMaterialization]] = {}
    for event in result.get_asset_materialization_events():
        made.setdefault(event.materialization.asset_key, {})[str(event.partition)] = (
            event.materialization
        )
    assert {key.path[0] for key in made} == {"landing", "raw", "curated", "staging", "core"}
    held = [str(first), str(last)]
    assert {key.to_user_string() for key, days in made.items() if list(days) != held} == set()
    counted = [
        [made[key][day].metadata["dagster/partition_row_count"].value for day in held]
        for key in (
            dg.AssetKey(["raw", "predictit", "market_data"]),
            dg.AssetKey(["core", "predictit", "fact_prices"]),
        )
    ]
    assert counted[0] == [2, 2]
    assert counted[1][0] == counted[1][1] > 100
    assert differences(settings, expected([*spring[:2], *of_last])) == []


@pytest.mark.parametrize(
    "window",
    [
        DayRange(SPRING.first, SPRING.first),
        SPRING,
        DayRange(EASTERN.today() - timedelta(days=2), EASTERN.today()),
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
