"""What every source keeps to, whatever it is about: its declaration, its payloads, its road.

A source is tested here by its being in SOURCES and having a fake; nothing has to be added.
"""

import hashlib
import pickle
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from contract.rivers import RIVERS, FakeRivers
from predictit_assets import factory
from predictit_assets.build import build_definitions, build_job_name
from predictit_assets.checks.schema import violations
from predictit_assets.checks.spool import LANDED_IN_TIME
from predictit_assets.contract.arrival import ByDay, Polled
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import InvalidPayload, Payload
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.contract.source import Dataset, Source, all_tables, raw_manifest
from predictit_assets.instance.runs import run_build
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.index import GROUP
from predictit_assets.layers.intake import Intake
from predictit_assets.layers.raw import validate_day
from predictit_assets.sample.fakes import Fake, find_fake
from predictit_assets.sample.server import SampleServer
from predictit_assets.settings import Settings
from predictit_assets.sources import SOURCES, Enabled, load
from predictit_assets.storage.duckdb import scratch
from predictit_assets.storage.payloads import Zone

NAMES = [*SOURCES, RIVERS.name]
EVERY = timedelta(hours=6)
"""Between two payloads of an archive."""


def source_of(name: str) -> Source:
    return RIVERS if name == RIVERS.name else load(name)


def fake_of(name: str) -> Fake:
    return FakeRivers() if name == RIVERS.name else find_fake(name)


DATASETS = [
    pytest.param(source_of(name), dataset, id=f"{name}-{dataset.name}")
    for name in NAMES
    for dataset in source_of(name).datasets
]


@dataclass
class Received:
    """A home that holds what a source's fake gave by all ways in that need no table."""

    settings: Settings
    on: Enabled

    def intake(self, dataset: Dataset) -> Intake:
        return factory.intake(self.settings, self.on, dataset)

    def payloads(self, dataset: Dataset, *zones: Zone) -> list[Payload]:
        """What is held of a dataset, by time."""
        store = self.intake(dataset).stream.payloads
        stored = chain.from_iterable(
            store.held(zone, day) for day in store.days() for zone in zones or (Zone.LANDING,)
        )
        loaded = [store.load(one) for one in stored]
        return sorted((one.payload for one in loaded if one), key=lambda one: one.captured_at)

    @property
    def days(self) -> list[date]:
        streams = [self.intake(dataset).stream for dataset in self.on.source.datasets]
        return sorted({day for stream in streams for day in stream.payloads.days()})


@pytest.fixture(params=NAMES)
def received(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Received]:
    """Polls, answers about two days, and an archive of two days, landed."""
    name: str = request.param
    fake, source = fake_of(name), source_of(name)
    end = datetime.now(UTC)
    with SampleServer(fake) as server:
        for variable, value in {**fake.defaults, **fake.environment(server.url)}.items():
            monkeypatch.setenv(variable, value)
        on = Enabled(source, source.settings.load())
        here = Received(Settings(home=tmp_path / "home", lock_timeout=20), on)
        archive = tmp_path / "archive"
        list(fake.archive(archive, end - timedelta(days=2), end - timedelta(days=1), EVERY))
        for dataset in source.datasets:
            intake = here.intake(dataset)
            if intake.way(Polled):
                list(intake.poll(intake.client(lambda text: None, None)))
            if intake.way(ByDay):
                today = intake.stream.calendar.today()
                intake.ask_due(lambda text: None, [today - timedelta(days=n) for n in (9, 10)])
            if intake.files and any(archive.iterdir()):
                list(intake.import_path(archive))
        yield here


# The declaration


@pytest.mark.parametrize("name", NAMES)
def test_a_source_is_declared_without_client_key_or_warehouse(name: str) -> None:
    source = source_of(name)
    assert source.name == name
    assert source.name.isidentifier()
    assert source.title
    assert source.licence
    assert source.homepage.startswith("https://")
    assert source.calendar.today()
    assert source.settings.model_config["env_prefix"].startswith("PREDICTIT_")


@pytest.mark.parametrize("name", SOURCES)
def test_asking_a_source_for_its_names_imports_no_engine(name: str) -> None:
    code = (
        f"import sys; from predictit_assets.sources import load; source = load({name!r});"
        "print(source.name, source.calendar.zone, [one.name for one in source.datasets]);"
        "sys.exit(', '.join({'dagster', 'duckdb', 'dbt', 'requests'} & {*sys.modules}) or 0)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr


def test_names_of_tables_and_datasets_are_unique_over_all_sources() -> None:
    tables = [
        table for name in NAMES for one in source_of(name).datasets for table in all_tables(one)
    ]
    assert len(tables) == len(set(tables))
    for name in NAMES:
        datasets = [dataset.name for dataset in source_of(name).datasets]
        assert len(datasets) == len(set(datasets))


@pytest.mark.parametrize(("source", "dataset"), DATASETS)
def test_every_table_bears_the_partition_and_describes_its_columns(
    source: Source, dataset: Dataset
) -> None:
    assert dataset.description
    assert set(dataset.rejects) <= set(dataset.tables)
    assert set(dataset.counts) <= set(raw_manifest(dataset).to_schema().columns)
    for table, schema in all_tables(dataset).items():
        columns = schema.to_schema().columns
        assert "partition_date" in columns, table
        assert all(column.description for column in columns.values()), table
        assert "One row per" in (schema.__doc__ or ""), table


# The payloads


def test_what_the_fake_gives_is_valid_and_lies_in_its_day(received: Received) -> None:
    found = 0
    for dataset in received.on.source.datasets:
        for payload in received.payloads(dataset):
            found += 1
            validation = dataset.validate(payload)
            assert set(validation.counts) == set(dataset.counts)
            assert not validation.new_fields
            if dataset.day_is_capture:
                assert payload.day == dataset.calendar.day_of(payload.captured_at)
    assert found


def test_rows_fit_their_tables(received: Received) -> None:
    for dataset in received.on.source.datasets:
        payloads = received.payloads(dataset)
        if not payloads:
            continue
        rows = dataset.rows(payloads)
        tables = all_tables(dataset)
        assert set(rows) == set(tables)
        for table, batch in rows.items():
            assert batch.schema.equals(ibis_schema(tables[table]).to_pyarrow())
            with scratch() as engine:
                import ibis
                import pyarrow

                engine.register("found", pyarrow.Table.from_batches([batch]))
                opened = ibis.duckdb.from_connection(engine).table("found")
                assert violations(tables[table], opened) == []


def test_payloads_in_batches_give_the_same_rows_as_all_at_once(received: Received) -> None:
    for dataset in received.on.source.datasets:
        payloads = received.payloads(dataset)
        for table, batch in dataset.rows(payloads).items() if payloads else ():
            one_by_one = [dataset.rows([payload])[table].to_pylist() for payload in payloads]
            assert batch.to_pylist() == list(chain.from_iterable(one_by_one))


@pytest.mark.parametrize("body", [b"", b"not json", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_broken_container_is_an_invalid_payload_with_a_place(body: bytes) -> None:
    for name in SOURCES:
        for dataset in source_of(name).datasets:
            now = datetime.now(UTC)
            payload = Payload(dataset.calendar.day_of(now), now, body)
            with pytest.raises(InvalidPayload) as fault:
                dataset.validate(payload)
            assert fault.value.reason
            assert fault.value.path.startswith("$")


def test_other_processes_can_work_on_its_days(received: Received) -> None:
    """A long range is shared among processes, which are told of the stream."""
    for dataset in received.on.source.datasets:
        stream = received.intake(dataset).stream
        told = pickle.loads(pickle.dumps(stream))  # noqa: S301  # its own
        assert told.tables.keys() == stream.tables.keys()
        for day in received.days:
            assert validate_day(told, day) == validate_day(stream, day)


def test_a_payload_that_lands_again_adds_nothing(received: Received) -> None:
    for dataset in received.on.source.datasets:
        store = received.intake(dataset).stream.payloads
        assert [store.land(payload) for payload in received.payloads(dataset)] == [
            None for _ in received.payloads(dataset)
        ]


# The road


def test_order_and_repetition_change_no_byte_of_curated(received: Received, tmp_path: Path) -> None:
    """The same payloads landed in another order, validated one by one and twice."""
    elsewhere = Received(
        received.settings.model_copy(update={"home": tmp_path / "elsewhere"}), received.on
    )
    for dataset in received.on.source.datasets:
        here, there = received.intake(dataset).stream, elsewhere.intake(dataset).stream
        shuffled = received.payloads(dataset)
        random.Random(7).shuffle(shuffled)  # noqa: S311
        for payload in shuffled:
            there.payloads.land(payload)
            validate_day(there, payload.day)
        for day in here.payloads.days():
            validate_day(here, day)
            first = write_day(here, day)
            assert write_day(here, day) == first
            assert write_day(there, day) == first


def test_a_source_goes_from_landing_to_its_last_table_and_twice_gives_the_same(
    received: Received,
) -> None:
    """In one run over all that is held and the days between, as `predictit build` does it."""
    definitions = build_definitions(received.settings, [received.on])
    days, job = DayRange(received.days[0], received.days[-1]), build_job_name(received.on.name)
    contents = []
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            run_build(definitions, instance, job, days, lambda _: None)
            contents.append(_contents(received.settings))
    assert contents[0] == contents[1]
    staged = {table for dataset in received.on.source.datasets for table in all_tables(dataset)}
    assert staged <= {table for _, table in contents[0]}


def _contents(settings: Settings) -> dict[tuple[str, str], Any]:
    """A hash of the rows of each table, but for which run loaded them."""
    with factory.warehouse(settings).read_connection() as query:
        tables = query(
            "select table_schema, table_name from information_schema.tables"
            " where table_name <> 'load_log'"
        )
        return {
            (schema, table): sorted(
                hashlib.sha256(repr(row).encode()).hexdigest()
                for row in query(f'select * from {schema}."{table}"')
            )
            for schema, table in tables
        }


def test_every_asset_says_whose_it_is(received: Received) -> None:
    graph = build_definitions(received.settings, [received.on]).resolve_asset_graph()
    name = received.on.name
    for node in graph.asset_nodes:
        # The index of the pages is of no source.
        if node.group_name == GROUP:
            continue
        assert node.tags["source"] == name
        # What the payloads are from is in no layer.
        layer, source = ("api", name) if node.is_external else node.key.path[:2]
        assert source == name
        assert node.tags["layer"] == layer
        assert node.group_name in {f"{name}_{stage}" for stage in ("ingest", "core", "marts")}
        assert node.description
        assert node.owners == [received.on.source.owner]
    # Where clients post, what waits to be landed is watched.
    collected = {
        key.asset_key.path[-1] for key in graph.asset_check_keys if key.name == LANDED_IN_TIME
    }
    assert collected == {
        dataset.name
        for dataset in received.on.source.datasets
        if factory.spool_folder(received.settings, received.on, dataset)
    }
    assert DayRange(received.days[0], received.days[-1])
