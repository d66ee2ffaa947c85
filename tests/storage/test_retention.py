"""What may go goes, and nothing that hangs on it: expired objects."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import duckdb
import pytest
from conftest import build, observe

from predictit_assets.automation.housekeeping import HOUSEKEEPING
from predictit_assets.build import build_definitions
from predictit_assets.contract.calendar import DayRange, day_of
from predictit_assets.contract.source import Payload
from predictit_assets.errors import ExpectedError, SettingsError
from predictit_assets.layers.curated import curated_object, write_day
from predictit_assets.layers.raw import manifest_object, validate_day
from predictit_assets.settings import RAW_CONFIRMED, Settings, load_settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.sources.predictit.source import PredictIt
from predictit_assets.storage import retention
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.retention import Expired, expire

NOON = datetime(2026, 3, 4, 17, tzinfo=UTC)
DAY = day_of(NOON)
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
    for observation in polls:
        payloads.land(observation)


def grow_old(settings: Settings, days: int = LIMIT + 1) -> None:
    """What is stored was stored long ago."""
    then = (datetime.now(UTC) - timedelta(days=days)).timestamp()
    for file in settings.objects_dir.rglob("*"):
        os.utime(file, (then, then))


def go(
    source: PredictIt, payloads: PayloadStore, settings: Settings, dry_run: bool = False
) -> list[Expired]:
    told: list[Expired] = []
    expire([(source, payloads)], settings, told.append, dry_run)
    return told


def files(settings: Settings, below: str) -> list[Path]:
    return sorted(path for path in (settings.objects_dir / below).rglob("*") if path.is_file())


def curated(source: PredictIt, payloads: PayloadStore) -> list[bytes | None]:
    return [payloads.objects.get(curated_object(source, table, DAY)) for table in source.tables]


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
    [({}, True), ({"keep_runs_days": 0}, False), ({"expire_landing_days": 1}, True)],
)
def test_there_is_a_schedule_when_something_may_go(
    settings: Settings, changed: dict[str, int], there: bool
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
    settings: Settings, source: PredictIt, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls)
    grow_old(settings)
    assert go(source, payloads, settings) == []
    assert len(files(settings, "landing")) == 3


def test_old_landing_goes_and_a_dry_run_only_tells(
    expiring: Settings, source: PredictIt, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls)
    grow_old(expiring)
    before = files(expiring, "")

    (told,) = go(source, payloads, expiring, dry_run=True)
    assert str(told).startswith(f"landing/predictit/market_data/date={DAY}: 3 objects, ")
    assert files(expiring, "") == before

    assert go(source, payloads, expiring) == [told]
    assert files(expiring, "") == []


def test_an_archive_that_was_imported_today_is_not_old(
    expiring: Settings, source: PredictIt, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls[:1])
    grow_old(expiring)
    land(payloads, polls[1:])
    (told,) = go(source, payloads, expiring)
    assert len(told.keys) == 1
    assert len(files(expiring, "landing")) == 2


def test_a_recent_day_stays_however_old_its_files(
    expiring: Settings, source: PredictIt, payloads: PayloadStore, world: FakePredictIt
) -> None:
    now = datetime.now(UTC)
    payloads.land(Payload(now, world.body(NOON)))
    grow_old(expiring)
    assert go(source, payloads, expiring) == []


def test_quarantine_goes_with_its_reasons(
    expiring: Settings, source: PredictIt, payloads: PayloadStore
) -> None:
    land(payloads, [Payload(NOON, b"{}")])
    validate_day(source, payloads, DAY)
    assert len(files(expiring, "quarantine")) == 2
    grow_old(expiring)
    go(source, payloads, expiring)
    assert files(expiring, "quarantine") == []
    assert validate_day(source, payloads, DAY) == []


# --- Raw -----------------------------------------------------------------------------------------


@pytest.fixture
def expired(
    expiring: Settings, source: PredictIt, payloads: PayloadStore, polls: list[Payload]
) -> list[bytes | None]:
    """A day whose raw payloads have expired; the curated files that were made of them."""
    land(payloads, polls)
    validate_day(source, payloads, DAY)
    write_day(source, payloads, DAY)
    made = curated(source, payloads)
    grow_old(expiring)
    (told,) = go(source, payloads, expiring)
    assert (len(told.keys), told.stays) == (3, "")
    assert payloads.held(Zone.RAW, DAY) == []
    assert not payloads.objects.exists(manifest_object(payloads, DAY))
    return made


def test_what_was_made_of_expired_payloads_stays(
    expired: list[bytes | None], source: PredictIt, payloads: PayloadStore
) -> None:
    for _ in range(2):
        assert validate_day(source, payloads, DAY) == []
        assert all(rows > 0 for rows in write_day(source, payloads, DAY).values())
        assert curated(source, payloads) == expired
    assert payloads.days() == [DAY]


def test_payloads_that_come_after_the_others_expired_take_no_rows_with_them(
    expired: list[bytes | None],
    expiring: Settings,
    source: PredictIt,
    payloads: PayloadStore,
    world: FakePredictIt,
) -> None:
    land(payloads, observe(world, NOON + timedelta(hours=1), 1, timedelta()))
    validate_day(source, payloads, DAY)
    with pytest.raises(ExpectedError, match="1 came afterwards"):
        write_day(source, payloads, DAY)
    assert curated(source, payloads) == expired

    grow_old(expiring)
    (told,) = go(source, payloads, expiring)
    assert "are in no table" in told.stays
    assert len(payloads.held(Zone.RAW, DAY)) == 1


def test_expired_payloads_that_are_put_back_count_again(
    expired: list[bytes | None],
    source: PredictIt,
    payloads: PayloadStore,
    polls: list[Payload],
    world: FakePredictIt,
) -> None:
    more = observe(world, NOON + timedelta(hours=1), 1, timedelta())
    land(payloads, [*polls, *more])
    validate_day(source, payloads, DAY)
    write_day(source, payloads, DAY)
    assert curated(source, payloads) != expired


def test_a_part_of_the_expired_payloads_is_not_the_day(
    expired: list[bytes | None],
    expiring: Settings,
    source: PredictIt,
    payloads: PayloadStore,
    polls: list[Payload],
) -> None:
    land(payloads, polls[:1])
    validate_day(source, payloads, DAY)
    write_day(source, payloads, DAY)
    assert curated(source, payloads) == expired
    grow_old(expiring)
    go(source, payloads, expiring)
    assert payloads.held(Zone.RAW, DAY) == []
    write_day(source, payloads, DAY)
    assert curated(source, payloads) == expired


def test_without_its_curated_file_an_expired_day_is_an_error(
    expired: list[bytes | None], source: PredictIt, payloads: PayloadStore
) -> None:
    payloads.objects.delete(curated_object(source, next(iter(source.tables)), DAY))
    with pytest.raises(ExpectedError, match="is missing and its raw payloads have expired"):
        write_day(source, payloads, DAY)


@pytest.mark.parametrize("deletions", range(4))
def test_an_expiry_that_is_killed_loses_nothing_and_is_ended_by_the_next(
    deletions: int,
    expiring: Settings,
    source: PredictIt,
    payloads: PayloadStore,
    polls: list[Payload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(payloads, polls)
    validate_day(source, payloads, DAY)
    write_day(source, payloads, DAY)
    made = curated(source, payloads)
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
            go(source, payloads, expiring)
    write_day(source, payloads, DAY)
    assert curated(source, payloads) == made

    grow_old(expiring)
    go(source, payloads, expiring)
    assert payloads.held(Zone.RAW, DAY) == []
    write_day(source, payloads, DAY)
    assert curated(source, payloads) == made


def test_payloads_that_expire_while_they_are_read_take_no_rows_with_them(
    expiring: Settings,
    source: PredictIt,
    payloads: PayloadStore,
    polls: list[Payload],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    land(payloads, polls)
    validate_day(source, payloads, DAY)
    write_day(source, payloads, DAY)
    made = curated(source, payloads)
    read = payloads.read_valid

    def expire_first(stored: object) -> Payload | None:
        payloads.expire_raw(DAY, [one.key for one in payloads.held(Zone.RAW, DAY)])
        return read(stored)  # type: ignore[arg-type]

    monkeypatch.setattr(payloads, "read_valid", expire_first)
    write_day(source, payloads, DAY)
    assert curated(source, payloads) == made


def test_raw_that_is_in_no_table_stays(
    expiring: Settings, source: PredictIt, payloads: PayloadStore, polls: list[Payload]
) -> None:
    land(payloads, polls[:1])
    validate_day(source, payloads, DAY)
    grow_old(expiring)
    assert "curated isn't made of them" in go(source, payloads, expiring)[0].stays

    write_day(source, payloads, DAY)
    land(payloads, polls[1:2])
    validate_day(source, payloads, DAY)
    grow_old(expiring)
    assert "curated isn't made of them" in go(source, payloads, expiring)[0].stays

    write_day(source, payloads, DAY)
    land(payloads, polls[2:])
    grow_old(expiring)
    only_raw = expiring.model_copy(update={"expire_landing_days": 0})
    assert "others wait in landing" in go(source, payloads, only_raw)[0].stays
    assert len(payloads.held(Zone.RAW, DAY)) == 2


def test_a_build_of_an_expired_day_loses_no_row(
    expiring: Settings, source: PredictIt, payloads: PayloadStore, polls: list[Payload]
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
    go(source, payloads, expiring)
    assert payloads.held(Zone.RAW, DAY) == []
    build(expiring, DayRange(DAY - timedelta(days=1), DAY + timedelta(days=1)))
    assert rows() == before
