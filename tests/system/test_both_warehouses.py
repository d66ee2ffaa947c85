"""Every source but the first through both deployments: the same rows in DuckDB and in Snowflake.

What `test_cloud` shows for the first source in depth holds here for each that has a fake.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

import dagster as dg
import pytest
from conftest import published
from deployment import deployed, predictit, variables
from postgres_server import Database
from pydantic import SecretStr
from snowflake_grammar import faults, told

from predictit_assets import factory
from predictit_assets.build import build_definitions
from predictit_assets.checks.model_schema import model_schemas
from predictit_assets.checks.schema import violations
from predictit_assets.contract.arrival import ByDay, Polled
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.source import all_tables
from predictit_assets.instance.partitions import window_tags
from predictit_assets.layers.served import served_tables
from predictit_assets.sample.fakes import find_fake
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, Enabled, load
from predictit_assets.storage.objects import Bucket
from predictit_assets.storage.payloads import Zone
from soak.database import naive, parsed

OTHERS = SOURCES[1:]
DAYS_ASKED = 12
EVERY = timedelta(hours=6)
"""Between two payloads of an archive."""


@dataclass(frozen=True)
class Homes:
    """The two homes, built, and what Snowflake was told meanwhile."""

    first: Settings
    second: Settings
    windows: dict[str, DayRange]
    """Of each source."""
    statements: list[str]


@pytest.fixture(scope="module")
def homes(s3: str, new_bucket: Callable[[], Bucket], tmp_path_factory: Any) -> Iterator[Homes]:
    """What fakes tell about some days, built in both, all sources on."""
    # Before any variable says that the warehouse is elsewhere.
    first = Settings(home=tmp_path_factory.mktemp("first"), sources=OTHERS)
    with (
        deployed(s3, new_bucket(), tmp_path_factory.mktemp("second")) as deployment,
        ExitStack() as stack,
    ):
        answers: dict[str, str] = {"PREDICTIT_SOURCES": ",".join(OTHERS)}
        for fake in map(find_fake, OTHERS):
            server = stack.enter_context(SampleServer(fake))
            answers |= {**fake.defaults, **fake.environment(server.url)}
        stack.enter_context(variables({**deployment.environment, **answers}))
        second = deployment.settings.model_copy(update={"sources": OTHERS})
        windows = {name: receive(first, name, tmp_path_factory.mktemp(name)) for name in OTHERS}
        move_landing(first, second)
        predictit(*deployment.setup)
        for settings in (first, second):
            for name, window in windows.items():
                build(settings, name, window)
        yield Homes(first, second, windows, deployment.emulator.statements)


def receive(settings: Settings, name: str, folder: Any) -> DayRange:
    """Land what a source's fake tells; the days that are held then."""
    source, end = load(name), datetime.now(UTC)
    on = Enabled(source, source.settings.load())
    list(find_fake(name).archive(folder, end - timedelta(days=3), end - timedelta(days=1), EVERY))
    days = set()
    for dataset in source.datasets:
        intake = factory.intake(settings, on, dataset)
        if intake.way(Polled):
            list(intake.poll(intake.client(lambda _text: None, None)))
        if intake.way(ByDay):
            today = intake.stream.calendar.today()
            past = [today - timedelta(days=n) for n in range(1, DAYS_ASKED)]
            intake.ask_due(lambda _text: None, past)
        if intake.files and any(folder.iterdir()):
            list(intake.import_path(folder))
        days |= {*intake.stream.payloads.days()}
    return DayRange(min(days), max(days))


def move_landing(first: Settings, second: Settings) -> None:
    ours, theirs = factory.objects(first), factory.objects(second)
    for one in ours.below(Zone.LANDING.value):
        content = ours.get(one.key)
        assert content is not None
        theirs.put_if_absent(one.key, content)


def build(settings: Settings, name: str, window: DayRange) -> None:
    """Every table of a source over a window, without checks and report."""
    run(settings, name, window, "raw", "curated", "staging", "core", "marts", "live")


def run(settings: Settings, name: str, window: DayRange, *layers: str) -> None:
    tables = dg.AssetSelection.key_prefixes(*([layer, name] for layer in layers)).without_checks()
    definitions = dg.Definitions.merge(
        build_definitions(settings),
        dg.Definitions(jobs=[dg.define_asset_job("tables", selection=tables)]),
    )
    job = definitions.resolve_job_def("tables")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance, tags=window_tags(window)).success


def staged() -> list[tuple[str, str]]:
    return [
        ("staging", table)
        for name in OTHERS
        for dataset in load(name).datasets
        if dataset.is_there(load(name).settings.load(), OTHERS)
        for table in all_tables(dataset)
    ]


def rows_of(settings: Settings, table: str) -> list[tuple[Any, ...]]:
    with factory.warehouse(settings).read_connection() as ask:
        return sorted((tuple(map(parsed, row)) for row in ask(f"select * from {table}")), key=repr)


def test_both_homes_hold_the_same_rows(homes: Homes) -> None:
    filled = set()
    for schema, table in [*staged(), *models(homes.first)]:
        first, second = (rows_of(one, f"{schema}.{table}") for one in (homes.first, homes.second))
        assert second == first, f"{schema}.{table}"
        filled |= {schema} if first else set()
    assert filled >= {"staging", "core", "marts"}


def models(settings: Settings) -> list[tuple[str, str]]:
    with factory.warehouse(settings).read_connection() as ask:
        there = ask("select table_schema, table_name from information_schema.tables")
    return [one for one in published(settings) if one in there]


def test_tables_are_as_their_models_say_in_both(homes: Homes) -> None:
    wanted = published(homes.first)
    for settings in (homes.first, homes.second):
        warehouse = factory.warehouse(settings)
        for schema, table in models(homes.first):
            with warehouse.table(schema, table) as rows:
                assert violations(wanted[schema, table], rows) == [], f"{schema}.{table}"


def test_every_statement_is_snowflakes_own_sql(homes: Homes) -> None:
    assert {fault for statement in told(homes.statements) for fault in faults(statement)} == set()


def test_reports_are_the_same_of_both(homes: Homes) -> None:
    """Byte by byte: what is asked for a page means the same to both."""
    told_of = set()
    for name in homes.windows:
        products = load(name).products
        render = getattr(import_module(products), "render_report", None) if products else None
        if render is not None:
            # What draws the charts is made once.
            objects = factory.objects(homes.first)
            ours, theirs = (
                render(factory.warehouse(one), objects).decode().splitlines()
                for one in (homes.first, homes.second)
            )
            assert theirs == ours, name
            told_of.add(name)
    assert told_of >= {"clickstream", "crypto", "orders", "stocks"}


# What is served of them


@pytest.mark.parametrize("which", ["first", "second"])
def test_postgres_serves_what_the_warehouse_holds(
    homes: Homes, new_database: Callable[[], Database], which: str
) -> None:
    """Every served table and view of every source, from DuckDB and from Snowflake."""
    database, settings = new_database(), getattr(homes, which)
    serving = settings.model_copy(update={"serving_url": SecretStr(database.url)})
    tables = set()
    for name, window in homes.windows.items():
        source = load(name)
        if source.serving is None:
            continue
        run(serving, name, window, "serving")
        of_all = model_schemas(factory.dbt(settings).manifest())
        for one in served_tables(name, source.serving, of_all):
            query = f"select {', '.join(one.model.types)} from {one.model.layer}.{one.table}"
            found = [tuple(map(naive, row)) for row in database.rows("set time zone 'UTC'", query)]
            with factory.warehouse(settings).read_connection() as ask:
                held = ask(query)
            wanted = [tuple(map(parsed, row)) for row in held]
            assert sorted(map(repr, found)) == sorted(map(repr, wanted)), one.table
            tables.add(one.table)
    assert {
        "fact_trades",
        "trade_returns",
        "dim_exchange_days",
        "fact_orders",
        "sessions",
    } <= tables
