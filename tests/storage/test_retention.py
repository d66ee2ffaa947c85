"""What may go goes, and nothing that hangs on it: expired objects."""

import hashlib
import io
import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import dagster as dg
import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from conftest import build, observe
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets import factory
from predictit_assets.automation.housekeeping import HOUSEKEEPING
from predictit_assets.build import build_definitions
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.errors import ExpectedError, SettingsError
from predictit_assets.layers.curated import write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.settings import RAW_CONFIRMED, Settings, load_settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage import retention
from predictit_assets.storage.payloads import PayloadStore, StoredPayload, Zone
from predictit_assets.storage.retention import Expired, expire
from predictit_assets.storage.stream import PAYLOADS, Stream, made_of
from predictit_assets.storage.warehouse import CuratedObject

NOON = datetime(2026, 3, 4, 17, tzinfo=UTC)
DAY = EASTERN.day_of(NOON)
LIMIT = 30


@pytest.fixture
def polls(world: FakePredictIt) -> list[Payload]:
    return observe(world, NOON, polls=3, every=timedelta(minutes=1))


@pytest.fixture
def expiring(settings: Settings) -> Settings:
    """Everything expires."""
    return settings.model_copy(
        update={
            "expire_landing_days": LIMIT,
            "expire_quarantine_days": LIMIT,
            "expire_raw_days": LIMIT,
            "expire_raw_confirmed": RAW_CONFIRMED,
        }
    )


def land(payloads: PayloadStore, polls: Sequence[Payload]) -> None:
    for payload in polls:
        payloads.land(payload)


def grow_old(settings: Settings, days: int = LIMIT + 1) -> None:
    """What is stored was stored long ago."""
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for file in settings.objects_dir.rglob("*"):
        os.utime(file, (then, then))


def go(stream: Stream, settings: Settings, dry_run: bool = False) -> list[Expired]:
    told: list[Expired] = []
    expire([stream], settings, told.append, dry_run)
    return told


def files(settings: Settings, below: str) -> list[Path]:
    return sorted(path for path in (settings.objects_dir / below).rglob("*") if path.is_file())


def curated(stream: Stream) -> list[bytes | None]:
    return [
        stream.payloads.objects.get(stream.curated_object(table, DAY)) for table in stream.tables
    ]


# --- Settings ------------------------------------------------------------------------------------


def test_raw_expires_only_when_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_EXPIRE_RAW_DAYS", "400")
    for said in ("", "yes"):
        monkeypatch.setenv("PREDICTIT_EXPIRE_RAW_CONFIRMED", said)
        with pytest.raises(SettingsError, match=RAW_CONFIRMED) as error:
            load_settings()
        assert "\n" not in str(error.value)
    monkeypatch.setenv("PREDICTIT_EXPIRE_RAW_CONFIRMED", RAW_CONFIRMED)
    assert retention.limits(load_settings()) == {Zone.RAW: 400}


def test_confirming_alone_lets_nothing_expire(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREDICTIT_EXPIRE_RAW_CONFIRMED", RAW_CONFIRMED)
    assert retention.limits(load_settings()) == {}


@pytest.mark.parametrize(
    ("changed", "there"),
    [
        ({}, True),
        ({"keep_runs_days": 0}, False),
        ({"expire_landing_days": 1}, True),
        # Others may share an instance that isn't at home.
        ({"given_dagster_home": "/elsewhere"}, False),
        ({"given_dagster_home": "/elsewhere", "keep_runs_days": 30}, True),
    ],
)
def test_there_is_a_schedule_when_something_may_go(
    settings: Settings, changed: dict[str, object], there: bool
) -> None:
    definitions = build_definitions(settings.model_copy(update=changed))
    names = {schedule.name for schedule in definitions.schedules or []}
    assert (HOUSEKEEPING in names) is there


def test_the_job_tells_what_went(
    expiring: Settings, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls)
    grow_old(expiring)
    job = build_definitions(expiring).resolve_job_def(HOUSEKEEPING)
    run = job.execute_in_process(instance=dg.DagsterInstance.ephemeral())
    (output,) = [
        event.step_output_data.metadata for event in run.all_events if event.is_successful_output
    ]
    assert output["expired_objects"].value == 3
    assert str(output["forgotten"].value).startswith("0 runs")
    assert files(expiring, "") == []


# --- Landing and quarantine ----------------------------------------------------------------------


def test_nothing_expires_by_default(
    settings: Settings, stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls)
    grow_old(settings)
    assert go(stream, settings) == []
    assert len(files(settings, "landing")) == 3


def test_old_landing_goes_and_a_dry_run_only_tells(
    expiring: Settings, stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls)
    grow_old(expiring)
    before = files(expiring, "")

    (told,) = go(stream, expiring, dry_run=True)
    assert str(told).startswith(f"landing/predictit/market_data/date={DAY}: 3 objects, ")
    assert files(expiring, "") == before

    assert go(stream, expiring) == [told]
    assert files(expiring, "") == []


def test_an_archive_that_was_imported_today_is_not_old(
    expiring: Settings, stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls[:1])
    grow_old(expiring)
    land(payloads, polls[1:])
    (told,) = go(stream, expiring)
    assert len(told.keys) == 1
    assert len(files(expiring, "landing")) == 2


def test_a_recent_day_stays_however_old_its_files(
    expiring: Settings, stream: Stream, payloads: PayloadStore, world: FakePredictIt
) -> None:
    now = datetime.now(UTC)
    payloads.land(Payload(EASTERN.day_of(now), now, world.body(NOON)))
    grow_old(expiring)
    assert go(stream, expiring) == []


def test_quarantine_goes_with_its_reasons(
    expiring: Settings, stream: Stream, payloads: PayloadStore
) -> None:
    land(payloads, [Payload(DAY, NOON, b"{}")])
    validate_day(stream, DAY)
    assert len(files(expiring, "quarantine")) == 2
    grow_old(expiring)
    go(stream, expiring)
    assert files(expiring, "quarantine") == []
    assert validate_day(stream, DAY) == []


# --- Raw -----------------------------------------------------------------------------------------


@pytest.fixture
def expired(
    expiring: Settings, stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> list[bytes | None]:
    """A day whose raw payloads have expired; the curated files that were made of them."""
    land(payloads, polls)
    validate_day(stream, DAY)
    write_day(stream, DAY)
    made = curated(stream)
    grow_old(expiring)
    (told,) = go(stream, expiring)
    assert (len(told.keys), told.stays) == (3, "")
    assert payloads.held(Zone.RAW, DAY) == []
    assert not payloads.objects.exists(payloads.manifest(DAY))
    return made


def test_what_was_made_of_expired_payloads_stays(
    expired: list[bytes | None], stream: Stream, payloads: PayloadStore
) -> None:
    for _ in range(2):
        assert validate_day(stream, DAY) == []
        assert all(file.rows > 0 for file in write_day(stream, DAY).values())
        assert curated(stream) == expired
    assert payloads.days() == [DAY]


def test_payloads_that_come_after_the_others_expired_take_no_rows_with_them(
    expired: list[bytes | None],
    expiring: Settings,
    stream: Stream,
    payloads: PayloadStore,
    world: FakePredictIt,
) -> None:
    land(payloads, observe(world, NOON + timedelta(hours=1), 1, timedelta()))
    validate_day(stream, DAY)
    with pytest.raises(ExpectedError, match="1 came afterwards"):
        write_day(stream, DAY)
    assert curated(stream) == expired

    grow_old(expiring)
    (told,) = go(stream, expiring)
    assert "are in no table" in told.stays
    assert len(payloads.held(Zone.RAW, DAY)) == 1


def test_expired_payloads_that_are_put_back_count_again(
    expired: list[bytes | None],
    stream: Stream,
    payloads: PayloadStore,
    polls: list[Payload],
    world: FakePredictIt,
) -> None:
    more = observe(world, NOON + timedelta(hours=1), 1, timedelta())
    land(payloads, [*polls, *more])
    validate_day(stream, DAY)
    write_day(stream, DAY)
    assert curated(stream) != expired


def test_a_part_of_the_expired_payloads_is_not_the_day(
    expired: list[bytes | None],
    expiring: Settings,
    stream: Stream,
    payloads: PayloadStore,
    polls: list[Payload],
) -> None:
    land(payloads, polls[:1])
    validate_day(stream, DAY)
    write_day(stream, DAY)
    assert curated(stream) == expired
    grow_old(expiring)
    go(stream, expiring)
    assert payloads.held(Zone.RAW, DAY) == []
    write_day(stream, DAY)
    assert curated(stream) == expired


def test_without_its_curated_file_an_expired_day_is_an_error(
    expired: list[bytes | None], stream: Stream, payloads: PayloadStore
) -> None:
    payloads.objects.delete(stream.curated_object(next(iter(stream.tables)), DAY))
    with pytest.raises(ExpectedError, match="is missing and its raw payloads have expired"):
        write_day(stream, DAY)


@pytest.mark.parametrize("deletions", range(4))
def test_an_expiry_that_is_killed_loses_nothing_and_is_ended_by_the_next(
    deletions: int,
    expiring: Settings,
    stream: Stream,
    payloads: PayloadStore,
    polls: list[Payload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(payloads, polls)
    validate_day(stream, DAY)
    write_day(stream, DAY)
    made = curated(stream)
    grow_old(expiring)
    left = iter(range(deletions))
    delete = payloads.objects.delete

    def killed(key: str) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        delete(key)

    with monkeypatch.context() as patched:
        patched.setattr(payloads.objects, "delete", killed)
        with pytest.raises(KeyboardInterrupt):
            go(stream, expiring)
    write_day(stream, DAY)
    assert curated(stream) == made

    grow_old(expiring)
    go(stream, expiring)
    assert payloads.held(Zone.RAW, DAY) == []
    write_day(stream, DAY)
    assert curated(stream) == made


def test_payloads_that_expire_while_they_are_read_take_no_rows_with_them(
    expiring: Settings,
    stream: Stream,
    payloads: PayloadStore,
    polls: list[Payload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(payloads, polls)
    validate_day(stream, DAY)
    write_day(stream, DAY)
    made = curated(stream)
    load = payloads.load_valid

    def expire_first(stored: StoredPayload, scratch: Path | None = None) -> Payload | None:
        payloads.expire_raw(DAY, [one.key for one in payloads.held(Zone.RAW, DAY)])
        return load(stored, scratch)

    monkeypatch.setattr(payloads, "load_valid", expire_first)
    write_day(stream, DAY)
    assert curated(stream) == made


def test_raw_that_is_in_no_table_stays(
    expiring: Settings, stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls[:1])
    validate_day(stream, DAY)
    grow_old(expiring)
    assert "curated isn't made of them" in go(stream, expiring)[0].stays

    write_day(stream, DAY)
    land(payloads, polls[1:2])
    validate_day(stream, DAY)
    grow_old(expiring)
    assert "curated isn't made of them" in go(stream, expiring)[0].stays

    write_day(stream, DAY)
    land(payloads, polls[2:])
    grow_old(expiring)
    only_raw = expiring.model_copy(update={"expire_landing_days": 0})
    assert "others wait in landing" in go(stream, only_raw)[0].stays
    assert len(payloads.held(Zone.RAW, DAY)) == 2


# --- What a file is made of ----------------------------------------------------------------------


@hypothesis_settings(deadline=None)
@given(st.lists(st.text("ab.-", min_size=1), unique=True), st.randoms())
def test_what_identifies_payloads_is_their_names_in_whatever_order(
    names: list[str], random: Random
) -> None:
    shuffled = names.copy()
    random.shuffle(shuffled)
    assert made_of(shuffled) == made_of(names)
    assert made_of([*names, "another"]) != made_of(names)
    if names:
        assert made_of(names[1:]) != made_of(names)


def test_a_file_says_which_payloads_it_is_made_of(
    stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls)
    land(payloads, [Payload(DAY, NOON, b"{}", "of nothing")])
    validate_day(stream, DAY)
    write_day(stream, DAY)
    names = [str(payloads.name_of(payload)) for payload in polls]
    for content in curated(stream):
        metadata = pyarrow.parquet.read_metadata(io.BytesIO(content or b"")).metadata
        assert metadata[PAYLOADS] == made_of(names)


@pytest.mark.parametrize("table", ["market_snapshots", "contract_snapshots"])
def test_raw_stays_while_one_file_of_several_is_made_of_others(
    table: str, expiring: Settings, stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls)
    validate_day(stream, DAY)
    write_day(stream, DAY)
    key = stream.curated_object(table, DAY)
    rows = pyarrow.parquet.read_table(io.BytesIO(payloads.objects.get(key) or b""))
    write_parquet(stream, table, rows.replace_schema_metadata({PAYLOADS: made_of(["others"])}))
    grow_old(expiring)
    (told,) = go(stream, expiring)
    assert "curated isn't made of them" in told.stays
    assert len(payloads.held(Zone.RAW, DAY)) == 3


# --- Files of an earlier release whose payloads have expired -------------------------------------


def write_parquet(stream: Stream, table: str, rows: pyarrow.Table) -> None:
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(rows, buffer)
    stream.payloads.objects.replace(stream.curated_object(table, DAY), buffer.getvalue())


def as_before(stream: Stream, without: str = "", extra: str = "") -> None:
    """Write the files of the day as an earlier release did: their day had another name."""
    for table, content in zip(stream.tables, curated(stream), strict=True):
        rows = pyarrow.parquet.read_table(io.BytesIO(content or b""))
        names = ["snapshot_date" if one == "partition_date" else one for one in rows.column_names]
        rows = rows.rename_columns(names)
        if without in names:
            rows = rows.drop_columns([without])
        if extra:
            rows = rows.append_column(extra, pyarrow.nulls(len(rows), pyarrow.int64()))
        made = pyarrow.parquet.read_schema(io.BytesIO(content or b"")).metadata
        write_parquet(stream, table, rows.replace_schema_metadata(made))


def test_a_file_of_an_earlier_release_is_brought_to_the_columns_of_this_one(
    expired: list[bytes | None], stream: Stream
) -> None:
    as_before(stream)
    assert curated(stream) != expired
    for _ in range(2):
        files = write_day(stream, DAY)
        # The same bytes as if this release had made it of the payloads, which are no more.
        assert curated(stream) == expired
        assert [file.sha256 for file in files.values()] == [
            hashlib.sha256(content or b"").hexdigest() for content in expired
        ]


def test_a_column_that_is_new_is_empty_in_what_can_not_be_made_anew(
    expired: list[bytes | None], stream: Stream
) -> None:
    as_before(stream, without="image_url")
    write_day(stream, DAY)
    for table, before, after in zip(stream.tables, expired, curated(stream), strict=True):
        old = pyarrow.parquet.read_table(io.BytesIO(before or b""))
        new = pyarrow.parquet.read_table(io.BytesIO(after or b""))
        assert new.schema == ibis_schema(stream.tables[table]).to_pyarrow()
        assert new.schema.metadata == old.schema.metadata
        assert new["image_url"].null_count == len(old) > 0
        assert new.drop_columns(["image_url"]).equals(old.drop_columns(["image_url"]))


def test_a_column_that_is_no_more_is_an_error_and_the_files_stay(
    expired: list[bytes | None], stream: Stream
) -> None:
    as_before(stream, extra="volume")
    before = curated(stream)
    with pytest.raises(ExpectedError, match="volume") as caught:
        write_day(stream, DAY)
    assert len(str(caught.value).splitlines()) == 1
    assert curated(stream) == before


def test_rows_of_a_file_of_an_earlier_release_are_loaded(
    expired: list[bytes | None], expiring: Settings, stream: Stream
) -> None:
    as_before(stream)
    warehouse = factory.warehouse(expiring)
    warehouse.prepare(stream.tables)
    window, objects = DayRange(DAY, DAY), stream.payloads.objects
    curated = [CuratedObject(t, DAY, stream.curated_object(t, DAY)) for t in stream.tables]
    with pytest.raises(ExpectedError, match="predictit build"):
        warehouse.replace_window(stream.tables, window, objects, curated, "run")

    write_day(stream, DAY)
    loaded = warehouse.replace_window(stream.tables, window, objects, curated, "run")

    assert all(one.rows > 0 for one in loaded)
    with warehouse.read_connection() as query:
        for table in stream.tables:
            assert query(f"select distinct partition_date from staging.{table}") == [(DAY,)]


def test_a_build_of_an_expired_day_loses_no_row(
    expiring: Settings, stream: Stream, payloads: PayloadStore, polls: list[Payload]
) -> None:
    def rows() -> list[tuple[str, int]]:
        tables = ["staging.contract_snapshots", "core.fact_prices", "core.dim_markets"]
        with duckdb.connect(str(expiring.duckdb_file)) as connection:
            return [
                (table, len(connection.execute(f"from {table}").fetchall())) for table in tables
            ]

    land(payloads, polls)
    build(expiring, DayRange(DAY, DAY))
    before = rows()
    assert all(count for _, count in before)
    grow_old(expiring)
    go(stream, expiring)
    assert payloads.held(Zone.RAW, DAY) == []
    build(expiring, DayRange(DAY - timedelta(days=1), DAY + timedelta(days=1)))
    assert rows() == before
