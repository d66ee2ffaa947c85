"""Each check finds its own fault, stops what comes after it, and says little about it."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import ibis
import pandera.ibis as pa
import pytest
import time_machine
from conftest import TIMED, observe, stream_of
from ibis.backends.duckdb import Backend
from markdown_it import MarkdownIt
from pandera.config import config_context

from predictit_assets.build import build_definitions
from predictit_assets.checks.memory import days_judged
from predictit_assets.checks.schema import (
    BUILT_IN_RULES,
    CheckStep,
    CheckTarget,
    asset_checks,
    violations,
    warning_checks,
    warning_violation,
)
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.manifests import RawManifest
from predictit_assets.contract.payload import Payload
from predictit_assets.contract.schema import Schema, ibis_schema
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.instance.failures import MAX_DAYS
from predictit_assets.instance.partitions import window_tags
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.schemas import ContractSnapshots
from predictit_assets.storage.payloads import PayloadStore

LAYERS = ["landing", "raw", "curated", "staging", "core"]
DAYS = DayRange(date(2026, 3, 4), date(2026, 3, 5))
MORNING = datetime(2026, 3, 4, 13, tzinfo=UTC)
FEED, CLOSED = "predictit/market_data", "predictit/closed_markets"
MARKETS, CONTRACTS = "predictit/market_snapshots", "predictit/contract_snapshots"
ENDS = "predictit/closed_contracts"
CORE = {file.stem for file in DBT_DIR.glob("models/predictit/core/*.sql")}


@dataclass(frozen=True)
class Outcome:
    """What a run of part of the graph came to. Names are `asset:check` and `asset`."""

    red: set[str]
    """Failed checks that block."""
    warned: set[str]
    """Failed checks that don't."""
    materialized: set[str]
    succeeded: bool
    metadata: dict[str, dict[str, Any]]
    """Of each failed check."""


def run(settings: Settings, selection: dg.AssetSelection, window: DayRange = DAYS) -> Outcome:
    """Run part of the graph with its checks."""
    definitions = dg.Definitions.merge(
        build_definitions(settings),
        dg.Definitions(jobs=[dg.define_asset_job("part", selection=selection - TIMED)]),
    )
    return outcome(definitions.resolve_job_def("part"), window)


def outcome(job: dg.JobDefinition, window: DayRange) -> Outcome:
    result = job.execute_in_process(
        instance=dg.DagsterInstance.ephemeral(),
        tags=window_tags(window),
        run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
        raise_on_error=False,
    )
    failed = {
        f"{one.asset_key.to_user_string()}:{one.check_name}": one
        for one in result.get_asset_check_evaluations()
        if not one.passed
    }
    error = dg.AssetCheckSeverity.ERROR
    return Outcome(
        red={name for name, one in failed.items() if one.severity is error},
        warned={name for name, one in failed.items() if one.severity is not error},
        materialized={
            event.asset_key.to_user_string()
            for event in result.all_events
            if event.event_type is dg.DagsterEventType.ASSET_MATERIALIZATION and event.asset_key
        },
        succeeded=result.success,
        metadata={
            name: {"description": one.description}
            | {label: plain(value) for label, value in one.metadata.items()}
            for name, one in failed.items()
        },
    )


def plain(value: dg.MetadataValue) -> Any:
    if isinstance(value, dg.TableMetadataValue):
        return [dict(record.data) for record in value.records]
    return value.value


def only_checks(layer: str) -> dg.AssetSelection:
    assets = dg.AssetSelection.key_prefixes(layer)
    return assets - assets.without_checks()


def checks_and_what_follows(layer: str) -> dg.AssetSelection:
    """The checks of a layer, as they stand in a build after its assets, and all later layers.

    What became of closed markets is left out: it is another road, that nothing here is put on.
    """
    later = LAYERS[LAYERS.index(layer) + 1 :]
    other_road = dg.AssetSelection.assets(f"landing/{CLOSED}").downstream()
    return (only_checks(layer) | dg.AssetSelection.key_prefixes(*later)) - other_road


UP_TO_CURATED = dg.AssetSelection.key_prefixes("landing", "raw", "curated")


@pytest.fixture(scope="session")
def built(world: FakePredictIt, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with two sound days in every layer. Not to be changed."""
    settings = Settings(home=tmp_path_factory.mktemp("checks") / "home")
    for received in observe(world, MORNING, 6, timedelta(hours=6)):
        payloads_of(settings).land(received)
    everything = dg.AssetSelection.key_prefixes(*LAYERS)
    assert run(settings, everything) == Outcome(
        red=set(),
        warned=set(),
        materialized={
            *(f"{layer}/{dataset}" for layer in ("landing", "raw") for dataset in (FEED, CLOSED)),
            *(
                f"{layer}/{table}"
                for layer in ("curated", "staging")
                for table in (MARKETS, CONTRACTS, ENDS)
            ),
            *(f"core/predictit/{table}" for table in CORE),
        },
        succeeded=True,
        metadata={},
    )
    return settings


@pytest.fixture
def settings(built: Settings, tmp_path: Path) -> Settings:
    """A home of one's own with two sound days in every layer."""
    shutil.copytree(built.home, tmp_path / "home")
    return Settings(home=tmp_path / "home", lock_timeout=20)


def payloads_of(settings: Settings) -> PayloadStore:
    return stream_of(settings).payloads


def payload(at: datetime, body: bytes) -> Payload:
    return Payload(EASTERN.day_of(at), at, body)


def sql(settings: Settings, statement: str) -> None:
    with duckdb.connect(settings.duckdb_file) as connection:
        connection.execute(statement)


def rewrite(file: Path, select: str) -> None:
    """Replace a Parquet file by what a query makes of its rows, which it calls `rows`."""
    with duckdb.connect() as engine:
        engine.execute(
            f"create table rows as from read_parquet('{file}', hive_partitioning = false)"
        )
        engine.execute(f"copy ({select}) to '{file}' (format parquet)")


# --- Landing -------------------------------------------------------------------------------------


def landing_folder(settings: Settings, day: date) -> Path:
    folder = settings.objects_dir / "landing/predictit/market_data" / f"date={day}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def test_a_payload_in_another_days_folder_blocks_raw(settings: Settings) -> None:
    misplaced = payload(MORNING + timedelta(minutes=1), b"a payload")
    name = payloads_of(settings).name_of(misplaced)
    (landing_folder(settings, DAYS.last) / str(name)).write_bytes(b"a gzip of at least 20 bytes")
    ran = run(settings, checks_and_what_follows("landing"))
    assert ran.red == {"landing/predictit/market_data:schema"}
    assert ran.warned == ran.materialized == set()
    assert ran.metadata["landing/predictit/market_data:schema"]["failing_days"] == [str(DAYS.last)]


def test_an_object_that_is_not_named_by_the_rule_blocks_raw(settings: Settings) -> None:
    (landing_folder(settings, DAYS.first) / "odds.json").write_text("at least twenty bytes long")
    ran = run(settings, checks_and_what_follows("landing"))
    assert ran.red == {"landing/predictit/market_data:schema"}
    assert ran.warned == ran.materialized == set()


# --- Raw -----------------------------------------------------------------------------------------


def edited(received: Payload, edit: Callable[[Any], None]) -> Payload:
    answer = json.loads(received.read())
    edit(answer["markets"])
    return received._replace(body=json.dumps(answer).encode())


def land_edited(
    settings: Settings,
    world: FakePredictIt,
    edit: Callable[[Any], None],
    at: datetime = MORNING + timedelta(hours=1),
) -> None:
    """Land one more poll (of the first day), after something was done to its markets."""
    payloads_of(settings).land(edited(payload(at, world.body(at)), edit))


@pytest.mark.parametrize(
    ("edit", "check"),
    [
        (lambda markets: markets[0].pop("name"), "nothing_quarantined"),
        (lambda markets: markets[0].update(category="Elections"), "no_new_fields"),
        (lambda markets: markets.__delitem__(slice(len(markets) // 4)), "no_sharp_drop"),
    ],
    ids=["a missing field", "a new field", "a quarter of the markets gone"],
)
def test_a_suspicious_payload_only_warns(
    settings: Settings, world: FakePredictIt, edit: Callable[[Any], None], check: str
) -> None:
    land_edited(settings, world, edit)
    ran = run(settings, UP_TO_CURATED)
    assert ran.succeeded
    assert ran.red == set()
    assert ran.warned == {f"raw/predictit/market_data:{check}"}
    assert f"curated/{CONTRACTS}" in ran.materialized
    told = ran.metadata[f"raw/predictit/market_data:{check}"]
    assert told["failing_days"] == [str(DAYS.first)]


def test_a_fifth_of_the_markets_gone_is_no_sharp_drop(
    settings: Settings, world: FakePredictIt
) -> None:
    def thin_out(markets: list[Any]) -> None:
        del markets[: len(markets) // 5]

    land_edited(settings, world, thin_out)
    assert run(settings, UP_TO_CURATED).warned == set()


def test_a_sharp_drop_is_seen_over_midnight_and_over_bad_payloads(
    settings: Settings, world: FakePredictIt
) -> None:
    midnight = datetime(2026, 3, 5, 5, tzinfo=UTC)
    minute = timedelta(minutes=1)
    land_edited(settings, world, lambda markets: markets[0].pop("name"), midnight - minute)
    land_edited(settings, world, lambda markets: markets[0].pop("name"), midnight)
    land_edited(settings, world, lambda markets: markets.__delitem__(slice(5)), midnight + minute)
    told = run(settings, UP_TO_CURATED).metadata["raw/predictit/market_data:no_sharp_drop"]
    assert told["failing_days"] == [str(DAYS.last)]


def manifest(settings: Settings, day: date) -> Path:
    folder = settings.objects_dir / "raw/predictit/market_data" / f"date={day}"
    return folder / "_manifest.parquet"


@pytest.mark.parametrize(
    "select",
    [
        "select * replace ('not a hash' as sha256) from rows",
        "select * replace (3 as bytes) from rows",
        "from rows union all from rows",
        "from rows union all select * replace (key || '.2' as key) from rows",
        "select * replace (null::bigint as contracts) from rows",
        "select * replace ('a reason' as quarantined_because) from rows",
    ],
    ids=[
        "no hash",
        "smaller than any gzip",
        "a key twice",
        "two sound payloads of a moment",
        "sound and not counted",
        "counted and quarantined",
    ],
)
def test_a_manifest_that_lies_blocks_curated(settings: Settings, select: str) -> None:
    rewrite(manifest(settings, DAYS.first), select)
    ran = run(settings, checks_and_what_follows("raw"))
    assert ran.red == {"raw/predictit/market_data:schema"}
    assert ran.warned <= {"raw/predictit/market_data:nothing_quarantined"}
    assert ran.materialized == set()


# --- Curated -------------------------------------------------------------------------------------

ONE = "(contract_id, polled_at) = (select min((contract_id, polled_at)) from rows)"
"""Picks one row, in a query about `rows`."""


def curated_file(settings: Settings) -> Path:
    folder = settings.objects_dir / "curated/predictit/contract_snapshots"
    return folder / f"date={DAYS.last}" / "contract_snapshots.parquet"


def test_a_curated_file_that_was_rewritten_without_a_fault_is_sound(settings: Settings) -> None:
    """Or else the next tests would find what they didn't plant."""
    rewrite(curated_file(settings), "from rows")
    assert run(settings, only_checks("curated")).succeeded


@pytest.mark.parametrize(
    "select",
    [
        f"select * replace (if({ONE}, null, contract_id) as contract_id) from rows",
        f"from rows union all from rows where {ONE}",
        f"select * replace (if({ONE}, 2, best_buy_yes_cost) as best_buy_yes_cost) from rows",
        "select * exclude (contract_name) from rows",
        "select * exclude (last_close_price) from rows",
        "select *, 1 as volume from rows",
        "select * replace (last_trade_price::double as last_trade_price) from rows",
    ],
    ids=[
        "an id that is NULL",
        "a key twice",
        "a price of 2",
        "a column missing",
        "a column missing that may be NULL",
        "a column too many",
        "a column of another type",
    ],
)
def test_a_broken_curated_file_blocks_the_staging_tables(settings: Settings, select: str) -> None:
    """That of markets too: what comes of the same payloads is loaded together or not at all."""
    rewrite(curated_file(settings), select)
    ran = run(settings, checks_and_what_follows("curated"))
    assert ran.red == {f"curated/{CONTRACTS}:schema"}
    assert ran.warned == set()
    assert ran.materialized == set()


@pytest.mark.parametrize(
    ("prices", "check"),
    [
        ({"lastTradePrice": 0.255}, "whole_cents"),
        (
            {"bestBuyYesCost": 0.4, "bestSellYesCost": 0.41}
            | {"bestSellNoCost": 0.6, "bestBuyNoCost": 0.59},
            "no_crossed_book",
        ),
    ],
    ids=["half a cent", "a crossed book"],
)
def test_suspicious_prices_only_warn(
    settings: Settings, world: FakePredictIt, prices: dict[str, float], check: str
) -> None:
    land_edited(settings, world, lambda markets: markets[0]["contracts"][0].update(prices))
    ran = run(settings, UP_TO_CURATED)
    assert ran.succeeded
    assert (ran.red, ran.warned) == (set(), {f"curated/{CONTRACTS}:{check}"})


@pytest.mark.parametrize(
    ("late", "warned"), [(9, set()), (12, {f"curated/{MARKETS}:no_stale_feed"})]
)
def test_a_feed_that_repeats_old_odds_only_warns(
    settings: Settings, world: FakePredictIt, late: int, warned: set[str]
) -> None:
    made = MORNING + timedelta(hours=1)
    payloads_of(settings).land(payload(made + timedelta(minutes=late), world.body(made)))
    ran = run(settings, UP_TO_CURATED)
    assert ran.succeeded
    assert (ran.red, ran.warned) == (set(), warned)


# --- Staging -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("contract_snapshots", "last_trade_price = 2"),
        ("contract_snapshots", "contract_id = null"),
        ("contract_snapshots", "contract_id = 1"),
        ("contract_snapshots", "market_id = -1"),
        ("market_snapshots", "contract_count = -1"),
        ("market_snapshots", "market_name = null"),
    ],
)
def test_a_fault_in_staging_blocks_core(settings: Settings, table: str, fault: str) -> None:
    sql(settings, f"update staging.{table} set {fault} where partition_date = '{DAYS.last}'")
    ran = run(settings, checks_and_what_follows("staging"))
    assert ran.red == {f"staging/predictit/{table}:schema"}
    assert ran.warned == ran.materialized == set()
    told = ran.metadata[f"staging/predictit/{table}:schema"]
    assert told["failing_days"] == [str(DAYS.last)]


def test_the_failing_days_are_those_of_all_faults(settings: Settings) -> None:
    for day, fault in (
        (DAYS.first, "contract_name = null"),
        (DAYS.last, "last_trade_price = 2"),
    ):
        sql(
            settings,
            f"update staging.contract_snapshots set {fault} where partition_date = '{day}'",
        )
    told = run(settings, only_checks("staging")).metadata[f"staging/{CONTRACTS}:schema"]
    assert told["failing_days"] == [str(DAYS.first), str(DAYS.last)]


# --- Core ----------------------------------------------------------------------------------------

SCHEMAS_OF_CORE = dg.AssetSelection.checks(
    *[dg.AssetCheckKey(dg.AssetKey(["core", "predictit", table]), "schema") for table in CORE]
)


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ("market_attribute_runs", "update {} set contract_count = -1"),
        ("contract_attribute_runs", "update {} set market_id = -1"),
        ("dim_markets", "update {} set market_name = null"),
        ("dim_markets", "insert into {} from {} limit 1"),
        ("dim_contracts", "insert into {} from {} limit 1"),
        ("dim_markets_history", "insert into {} from {} limit 1"),
        ("dim_contracts_history", "insert into {} from {} limit 1"),
        ("fact_prices", "update {} set last_trade_price = 0"),
        ("fact_prices", "update {} set spread = 2 where spread is not null"),
        ("fact_prices", "insert into {} from {} limit 1"),
        ("fact_prices", "alter table {} add column volume integer"),
    ],
)
def test_a_faulty_row_of_core_turns_its_own_schema_red(
    settings: Settings, table: str, fault: str
) -> None:
    sql(settings, fault.replace("{}", f"core.{table}"))
    ran = run(settings, SCHEMAS_OF_CORE)
    assert ran.red == {f"core/predictit/{table}:schema"}
    assert ran.warned == set()


def planted(table: str, wrong: str) -> str:
    """Adds a row to a table of core that is another one (of the last day) but for what is wrong."""
    days = table.endswith(("_runs", "_prices"))
    where = f"where partition_date = '{DAYS.last}'" if days else ""
    return f"insert into core.{table} select * replace ({wrong}) from core.{table} {where} limit 1"


FAULTS = {
    "rows": [
        planted("market_attribute_runs", "market_id as market_id"),
        planted("contract_attribute_runs", "contract_id as contract_id"),
        planted("fact_prices", "contract_id as contract_id"),
        planted("fact_prices", "0.0001 as mid_price"),
        planted("fact_prices", "0.0001 as best_buy_no_cost"),
        planted("fact_prices", "polled_at + interval 1 day as polled_at"),
    ],
    "things": [
        planted("dim_markets", "null as market_id"),
        planted("dim_markets", "market_id as market_id"),
        planted("dim_markets", "not is_open as is_open"),
        planted("dim_contracts", "null as contract_id"),
        planted("dim_contracts", "contract_id as contract_id"),
        planted("dim_contracts", "not is_open as is_open"),
        planted("dim_markets_history", "null as valid_to"),
        planted("dim_contracts_history", "null as valid_to"),
    ],
    "relations": [
        planted("dim_contracts", "-1 as contract_id, -1 as market_id"),
        planted("dim_markets_history", "-1 as market_id, null as valid_to, true as is_current"),
        planted("dim_contracts_history", "-3 as contract_id, null as valid_to, true as is_current"),
        planted("fact_prices", "-2 as contract_id, -2 as market_id"),
    ],
}
"""Apart, for dbt skips tests that build on what already failed."""
DBT_TESTS = only_checks("core") - SCHEMAS_OF_CORE - TIMED


def dbt_tests(settings: Settings, kind: str) -> set[str]:
    """The names of dbt's tests of core that are about such faults."""
    relations = ("relationships", "belongs_to", "is_known")
    kinds: dict[str, set[str]] = {"rows": set(), "things": set(), "relations": set()}
    for key in DBT_TESTS.resolve_checks(build_definitions(settings).resolve_asset_graph()):
        name = f"{key.asset_key.to_user_string()}:{key.name}"
        of_things = "things" if name.startswith("core/predictit/dim_") else "rows"
        kinds["relations" if any(one in name for one in relations) else of_things].add(name)
    return kinds[kind]


@pytest.mark.parametrize("kind", FAULTS)
def test_each_dbt_test_of_core_finds_its_fault(settings: Settings, kind: str) -> None:
    sql(settings, "; ".join(FAULTS[kind]))
    ran = run(settings, DBT_TESTS)
    only_warn = {"core/predictit/fact_prices:no_is_one_less_yes"}
    assert ran.red == dbt_tests(settings, kind) - only_warn
    assert ran.warned == dbt_tests(settings, kind) & only_warn
    assert not ran.succeeded


def test_dbt_tests_look_at_the_days_of_their_run_only(settings: Settings) -> None:
    sql(settings, "; ".join([*FAULTS["rows"], FAULTS["relations"][-1]]))
    ran = run(settings, DBT_TESTS, DayRange(DAYS.first, DAYS.first))
    assert ran.succeeded
    assert ran.red | ran.warned == set()


# --- The window of a run -------------------------------------------------------------------------


def spoil_landing(settings: Settings) -> None:
    (landing_folder(settings, DAYS.last) / "odds.json").write_text("at least twenty bytes long")


def spoil_raw(settings: Settings) -> None:
    rewrite(manifest(settings, DAYS.last), "select * replace (3 as bytes) from rows")


def spoil_curated(settings: Settings) -> None:
    rewrite(
        curated_file(settings), "select * replace (2::decimal(6, 4) as last_trade_price) from rows"
    )


def spoil_staging(settings: Settings) -> None:
    fault = "update staging.contract_snapshots set contract_name = null"
    sql(settings, f"{fault} where partition_date = '{DAYS.last}'")


def spoil_core(settings: Settings) -> None:
    sql(settings, f"update core.fact_prices set spread = 2 where partition_date = '{DAYS.last}'")


@pytest.mark.parametrize(
    ("spoil", "check"),
    [
        (spoil_landing, "landing/predictit/market_data:schema"),
        (spoil_raw, "raw/predictit/market_data:schema"),
        (spoil_curated, f"curated/{CONTRACTS}:schema"),
        (spoil_staging, f"staging/{CONTRACTS}:schema"),
        (spoil_core, "core/predictit/fact_prices:schema"),
    ],
)
def test_checks_look_at_the_days_of_their_run_only(
    settings: Settings, spoil: Callable[[Settings], None], check: str
) -> None:
    """The last day is at fault."""
    spoil(settings)
    *asset, name = check.replace(":", "/").split("/")
    only_this = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey(asset), name))
    assert run(settings, only_this, DayRange(DAYS.first, DAYS.first)).red == set()
    assert run(settings, only_this, DayRange(DAYS.last, DAYS.last)).red == {check}
    whole = run(settings, only_this, DAYS)
    assert whole.red == {check}
    assert whole.metadata[check]["failing_days"] == [str(DAYS.last)]
    assert whole.metadata[check]["window"] == [str(DAYS.first), str(DAYS.last)]


# --- What isn't mended yet -----------------------------------------------------------------------


def newest(instance: dg.DagsterInstance, key: str, name: str) -> dg.AssetCheckEvaluation:
    check = dg.AssetCheckKey(dg.AssetKey(key.split("/")), name)
    for record in instance.event_log_storage.get_asset_check_execution_history(check, limit=5):
        if isinstance(record.evaluation, dg.AssetCheckEvaluation):
            return record.evaluation
    raise AssertionError(f"{key}:{name} was never evaluated")


@pytest.mark.parametrize("severity", ["schema", "whole_cents"], ids=["blocks", "warns"])
def test_what_a_run_of_a_day_found_the_runs_of_other_days_dont_clear(severity: str) -> None:
    """Until that day is found sound."""
    broken = {DAYS.first}

    @contextmanager
    def open_table(window: DayRange) -> Iterator[ibis.Table]:
        wrong = "2" if severity == "schema" else "0.255"
        price = wrong if window.first in broken else "0.5"
        rows = quotes(3, partition_date=f"date '{window.first}'", last_trade_price=price)
        with table_of(ContractSnapshots, rows) as table:
            yield table

    job = checks_of(CheckTarget(["quotes"], ContractSnapshots, open_table))
    with dg.DagsterInstance.ephemeral() as instance:

        def judged(day: date) -> tuple[bool, dg.AssetCheckEvaluation]:
            result = job.execute_in_process(
                instance=instance,
                tags=window_tags(DayRange(day, day)),
                run_config={"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                raise_on_error=False,
            )
            return result.success, newest(instance, "quotes", severity)

        succeeded, found = judged(DAYS.first)
        assert succeeded == (severity != "schema")
        for _ in range(7):  # however often
            succeeded, later = judged(DAYS.last)
            assert succeeded
            assert not later.passed
            assert later.severity is dg.AssetCheckSeverity.WARN
            assert str(DAYS.first) in str(later.description)
            assert plain(later.metadata["faults"]) == plain(found.metadata["faults"])
        assert days_judged(later.metadata) == ([DAYS.last], [])

        broken.clear()
        assert not judged(DAYS.last)[1].passed
        assert judged(DAYS.first)[1].passed
        assert judged(DAYS.last)[1].passed

        broken.add(DAYS.first)
        judged(DAYS.first)
        for days, passed in ((29, False), (1, False), (31, True)):
            with time_machine.travel(datetime.now(UTC) + timedelta(days=days)):
                assert judged(DAYS.last)[1].passed == passed, days


def test_a_dbt_test_remembers_too(settings: Settings) -> None:
    sql(settings, planted("fact_prices", "0.0001 as best_buy_no_cost"))
    job = dg.Definitions.merge(
        build_definitions(settings),
        dg.Definitions(
            jobs=[
                dg.define_asset_job(
                    "part",
                    dg.AssetSelection.checks(
                        dg.AssetCheckKey(
                            dg.AssetKey(["core", "predictit", "fact_prices"]), "no_is_one_less_yes"
                        )
                    ),
                )
            ]
        ),
    ).resolve_job_def("part")
    with dg.DagsterInstance.ephemeral() as instance:
        for day in (DAYS.last, DAYS.first):
            job.execute_in_process(instance=instance, tags=window_tags(DayRange(day, day)))
            told = newest(instance, "core/predictit/fact_prices", "no_is_one_less_yes")
            assert not told.passed
            assert str(told.description).startswith(
                "1 row doesn't fit: a NO quote is" if day == DAYS.last else f"{DAYS.last} still"
            )
        sql(settings, f"delete from core.fact_prices where partition_date = '{DAYS.last}'")
        job.execute_in_process(instance=instance, tags=window_tags(DAYS))
        assert newest(instance, "core/predictit/fact_prices", "no_is_one_less_yes").passed


# --- What a failure says -------------------------------------------------------------------------


@contextmanager
def table_of(schema: Schema, rows: str) -> Iterator[ibis.Table]:
    """A DuckDB table of that schema; `rows` is a query that gives some of its columns by name."""
    columns = ", ".join(
        column.sql("duckdb") for column in ibis_schema(schema).to_sqlglot_column_defs("duckdb")
    )
    with duckdb.connect() as engine:
        engine.execute(f"create table rows ({columns})")
        engine.execute(f"insert into rows by name {rows}")
        yield ibis.duckdb.from_connection(engine).table("rows")


def quotes(rows: int, **columns: str) -> str:
    """A query for contract snapshots, five thousand a day, all sound but for what is given."""
    texts = ("contract_name", "contract_short_name", "image_url", "status", "date_end")
    values = {
        "partition_date": "date '2026-01-01' + (n // 5000)::integer",
        "polled_at": "timestamp '2026-01-01 12:00:00' + interval (n) second",
        "source_ts": "timestamp '2026-01-01 12:00:00' + interval (n) second",
        "market_id": "1",
        "contract_id": "n + 1",
        "display_order": "0",
        "last_trade_price": "0.5",
    }
    values |= dict.fromkeys(texts, "'a text'") | columns
    named = ", ".join(f"{value} as {name}" for name, value in values.items())
    return f"select {named} from range({rows}) as numbers(n)"


def test_a_sound_table_breaks_no_rule() -> None:
    with table_of(ContractSnapshots, quotes(10_000)) as table:
        assert violations(ContractSnapshots, table) == []
        assert [warning_violation(check, table) for check in warning_checks(ContractSnapshots)] == [
            None,
            None,
        ]


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("last_trade_price", "if(n % 5000 = 7, 1.01, 0.5)"),
        ("best_buy_yes_cost", "if(n % 5000 = 7, -0.01, null)"),
        ("contract_id", "if(n % 5000 = 7, null, n + 1)"),
        ("market_id", "if(n % 5000 = 7, 0, 1)"),
    ],
)
def test_a_broken_rule_names_its_column_and_counts_rows_and_days(column: str, value: str) -> None:
    with table_of(ContractSnapshots, quotes(10_000, **{column: value})) as table:
        (found,) = violations(ContractSnapshots, table)
    assert column in found.rule
    assert found.rows == 2
    assert found.days == (date(2026, 1, 1), date(2026, 1, 2))
    assert len(found.examples) == 2
    assert re.fullmatch(f"{column} (isn't .+|is NULL) in 2 rows", str(found))


def test_rows_of_the_same_key_are_counted() -> None:
    query = f"{quotes(10_000)} union all by name {quotes(3)}"
    with table_of(ContractSnapshots, query) as table:
        (found,) = violations(ContractSnapshots, table)
    assert found.rows == 6
    assert found.days == (date(2026, 1, 1),)


def test_a_warning_counts_rows_and_days() -> None:
    half_cents = quotes(10_000, last_close_price="if(n = 7, 0.255, 0.25)")
    check = next(one for one in warning_checks(ContractSnapshots) if one.name == "whole_cents")
    with table_of(ContractSnapshots, half_cents) as table:
        found = warning_violation(check, table)
    assert found is not None
    assert (found.rows, found.days) == (1, (date(2026, 1, 1),))


MANY_FAULTS = quotes(
    200_000,
    contract_name="if(n % 2 = 0, null, repeat('a long name ', if(n < 10, 1000, 1)))",
    last_trade_price="2",
    last_close_price="0.255",
)
"""Two hundred thousand faulty rows on forty days."""


def checks_of(target: CheckTarget) -> dg.JobDefinition:
    """The checks of one table alone."""
    definitions = dg.Definitions(
        assets=[dg.AssetSpec(list(target.key))],
        asset_checks=asset_checks([CheckStep("quotes", [target], lambda: DAYS)]),
        jobs=[dg.define_asset_job("checks", dg.AssetSelection.checks_for_assets(*target.key))],
    )
    return definitions.resolve_job_def("checks")


@pytest.mark.parametrize("last_day_only", [False, True])
def test_of_a_view_only_the_last_day_is_judged(last_day_only: bool) -> None:
    judged: list[DayRange] = []

    @contextmanager
    def open_table(window: DayRange) -> Iterator[ibis.Table]:
        judged.append(window)
        with table_of(ContractSnapshots, MANY_FAULTS) as table:
            yield table

    target = CheckTarget(["quotes"], ContractSnapshots, open_table, last_day_only=last_day_only)
    ran = outcome(checks_of(target), DAYS)
    window = DayRange(DAYS.last, DAYS.last) if last_day_only else DAYS
    assert judged == [window]
    assert ran.metadata["quotes:schema"]["window"] == [str(window.first), str(window.last)]


def test_of_many_faulty_rows_little_is_told() -> None:
    @contextmanager
    def open_table(window: DayRange) -> Iterator[ibis.Table]:
        with table_of(ContractSnapshots, MANY_FAULTS) as table:
            yield table

    ran = outcome(checks_of(CheckTarget(["quotes"], ContractSnapshots, open_table)), DAYS)
    assert ran.red == {"quotes:schema"}
    assert ran.warned == {"quotes:whole_cents"}
    for told in ran.metadata.values():
        assert len(json.dumps(told, default=str)) < 8_000
        assert len(told["description"]) <= 300
        assert told["failing_days"] == [str(date(2026, 1, 1) + timedelta(n)) for n in range(40)]


def test_more_failing_days_than_are_listed_are_said() -> None:
    @contextmanager
    def open_table(window: DayRange) -> Iterator[ibis.Table]:
        days = f"date '2026-01-01' + (n % {MAX_DAYS + 5})::integer"
        with table_of(ContractSnapshots, quotes(200, market_id="0", partition_date=days)) as table:
            yield table

    ran = outcome(checks_of(CheckTarget(["quotes"], ContractSnapshots, open_table)), DAYS)
    told = ran.metadata["quotes:schema"]
    assert len(told["failing_days"]) == MAX_DAYS
    assert told["more_failing_days"] is True


class EveryRule(pa.DataFrameModel):
    """A column for each rule of Pandera that the checks know."""

    equal: ibis.expr.datatypes.Int64 = pa.Field(eq=1)
    other: ibis.expr.datatypes.Int64 = pa.Field(ne=9)
    above: ibis.expr.datatypes.Int64 = pa.Field(gt=0)
    least: ibis.expr.datatypes.Int64 = pa.Field(ge=1)
    below: ibis.expr.datatypes.Int64 = pa.Field(lt=2)
    most: ibis.expr.datatypes.Int64 = pa.Field(le=1)
    between: ibis.expr.datatypes.Int64 = pa.Field(
        in_range={"min_value": 0, "max_value": 2, "include_min": False}
    )
    within: ibis.expr.datatypes.Int64 = pa.Field(isin=[1, 2])
    without: ibis.expr.datatypes.Int64 = pa.Field(notin=[9])
    text: ibis.expr.datatypes.String = pa.Field(str_matches="^1")


def test_every_built_in_rule_means_what_it_means_to_pandera() -> None:
    """The checks have expressions of their own for them; Pandera itself is the judge of these."""
    names = list(EveryRule.to_schema().columns)
    used = {check.name for one in EveryRule.to_schema().columns.values() for check in one.checks}
    assert used == set(BUILT_IN_RULES)
    for value in (0, 1, 2, 9):
        row = ", ".join(f"{value} as {name}" for name in names)
        with table_of(EveryRule, f"select {row}") as table:
            found = {one.rule.split()[0] for one in violations(EveryRule, table)}
            try:
                EveryRule.validate(table, lazy=True)
                judged = set()
            except pa.errors.SchemaErrors as errors:
                judged = {error.schema.name for error in errors.schema_errors}
        assert found == judged, value


def test_a_rule_of_a_column_that_isnt_known_says_so() -> None:
    class Odd(pa.DataFrameModel):
        name: ibis.expr.datatypes.String = pa.Field(str_startswith="a")

    with (
        table_of(Odd, "select 'b' as name") as table,
        pytest.raises(NotImplementedError, match="str_startswith of column name"),
    ):
        violations(Odd, table)


def test_pandera_judges_though_the_environment_says_it_needn_t() -> None:
    class Named(pa.DataFrameModel):
        name: ibis.expr.datatypes.String

    with (
        config_context(validation_enabled=False),
        table_of(Named, "select 'a' as name") as table,
    ):
        assert violations(Named, table.rename(other="name"))


def test_a_schema_that_only_blocks_isnt_made_before_it_is_needed() -> None:
    class Late:
        __name__ = "Late"

        def to_schema(self) -> pa.DataFrameSchema:
            raise AssertionError("not while the definitions load")

    @contextmanager
    def open_table(window: DayRange) -> Iterator[ibis.Table]:
        raise AssertionError
        yield

    target = CheckTarget(["quotes"], Late(), open_table, warnings=False)
    assert checks_of(target).name == "checks"


def test_why_a_payload_is_in_quarantine_is_in_the_sentence() -> None:
    rows = (
        "select 'raw/' || n as key, timestamp '2026-03-04' + interval (n) hour as captured_at,"
        " date '2026-03-04' as partition_date, '' as part, 20 as bytes, 'a hash' as sha256,"
        " 'broken at ' || n as quarantined_because from range(3) as numbers(n)"
    )
    (check,) = (one for one in warning_checks(RawManifest) if one.name == "nothing_quarantined")
    with table_of(RawManifest, rows) as table:
        found = warning_violation(check, table)
    assert str(found) == "3 payloads were quarantined: broken at 2; broken at 1; broken at 0"


def test_words_of_a_payload_are_no_markdown() -> None:
    nasty = "`![x](https://example.org/x.png)` <img src=x> **b**"
    rows = (
        "select 'raw/1' as key, timestamp '2026-03-04' as captured_at,"
        " date '2026-03-04' as partition_date, '' as part, 20 as bytes, 'a hash' as sha256,"
        f" '{nasty}' as quarantined_because"
    )

    @contextmanager
    def open_table(window: DayRange) -> Iterator[ibis.Table]:
        with table_of(RawManifest, rows) as table:
            yield table

    ran = outcome(checks_of(CheckTarget(["quotes"], RawManifest, open_table)), DAYS)
    told = ran.metadata["quotes:nothing_quarantined"]
    # The table of faults isn't read as Markdown.
    assert "example.org" in told["description"]
    tokens = MarkdownIt().parse(told["description"])
    spans = [span for one in tokens for span in one.children or ()]
    assert {"image", "link_open", "html_inline"}.isdisjoint(span.type for span in spans)
    words = "".join(span.content for span in spans if span.type == "text")
    assert "example.org" not in words


def test_faulty_rows_stay_in_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many there are, only a few come out as examples."""
    fetched = []

    def spying(fetch: Callable[..., Any]) -> Callable[..., Any]:
        def spy(*args: Any, **kwargs: Any) -> Any:
            result = fetch(*args, **kwargs)
            fetched.append(len(result) if hasattr(result, "__len__") else 1)
            return result

        return spy

    for name in ("execute", "to_pyarrow"):
        monkeypatch.setattr(Backend, name, spying(getattr(Backend, name)))
    with table_of(ContractSnapshots, MANY_FAULTS) as table:
        assert violations(ContractSnapshots, table)
        assert warning_violation(warning_checks(ContractSnapshots)[0], table)
    assert max(fetched) <= 100
