"""Curated: a day's payloads as typed Parquet, the same bytes whichever way they came."""

import io
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import oracle
import pyarrow.parquet
import pytest
from conftest import FEED, NOON, PREDICTIT, observe
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets.contract.payload import Payload
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.errors import ExpectedError
from predictit_assets.layers import curated
from predictit_assets.layers.curated import CuratedFile, write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import Loaded, PayloadStore, Zone
from predictit_assets.storage.stream import Stream

DAY = EASTERN.day_of(NOON)
NEXT_DAY = DAY + timedelta(days=1)
SMALL = FakePredictIt(markets=2, contracts=5)
FEW = observe(SMALL, NOON, 4, timedelta(minutes=7))
TABLES = ["market_snapshots", "contract_snapshots"]


def payloads_in(folder: Path) -> PayloadStore:
    return PayloadStore(ObjectStore(folder), PREDICTIT.name, FEED.name, FEED.calendar)


def stream_in(payloads: PayloadStore) -> Stream:
    return Stream(PREDICTIT, FEED, payloads, DAY)


def validate(payloads: PayloadStore, *received: Payload, day: date = DAY) -> None:
    """Land payloads and validate them."""
    for payload in received:
        payloads.land(payload)
    validate_day(stream_in(payloads), day)


def write(payloads: PayloadStore, day: date = DAY) -> dict[str, CuratedFile]:
    """Write a day's files; what is told of each is so."""
    written = write_day(stream_in(payloads), day)
    for table, file in written.items():
        content = file_of(payloads, table, day)
        assert content is not None
        assert file.key == key_of(payloads, table, day)
        assert (file.size, file.sha256) == (len(content), sha256(content).hexdigest())
        assert file.rows == pyarrow.parquet.read_metadata(io.BytesIO(content)).num_rows
    return written


def key_of(payloads: PayloadStore, table: str, day: date = DAY) -> str:
    return stream_in(payloads).curated_object(table, day)


def file_of(payloads: PayloadStore, table: str, day: date = DAY) -> bytes | None:
    return payloads.objects.get(key_of(payloads, table, day))


def files(payloads: PayloadStore) -> list[bytes | None]:
    return [file_of(payloads, table) for table in TABLES]


def rows(payloads: PayloadStore, table: str, day: date = DAY) -> list[dict[str, Any]]:
    content = file_of(payloads, table, day)
    assert content
    found: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
    return found


def polls(payloads: PayloadStore) -> list[datetime]:
    """The polls that a day's files hold; they are the same in each table."""
    (times,) = {tuple(sorted({row["polled_at"] for row in rows(payloads, t)})) for t in TABLES}
    return [time.replace(tzinfo=UTC) for time in times]


# What a file holds


def kind_of(column: str) -> str:
    """The type that an engine has to see."""
    if column in ("polled_at", "source_ts"):
        return "TIMESTAMP"
    if column.endswith(("_id", "contract_count", "display_order")):
        return "BIGINT"
    if column.endswith(("_price", "_cost")):
        return "DECIMAL(6,4)"
    return "DATE" if column == "partition_date" else "VARCHAR"


def test_the_files_of_two_days_hold_the_oracles_rows_in_order(
    payloads: PayloadStore, world: FakePredictIt
) -> None:
    polled = observe(world, NOON - timedelta(hours=6), 45, timedelta(minutes=25))
    arrivals = [
        *polled,
        Payload(DAY, NOON + timedelta(seconds=1), b'{"markets": []}'),
    ]
    arrivals.sort(key=lambda one: sha256(one.read()).hexdigest())  # in no order of time
    validate(payloads, *arrivals)
    validate(payloads, day=NEXT_DAY)

    files_of = {day: write(payloads, day) for day in (DAY, NEXT_DAY)}

    expected = oracle.tables(oracle.Payload(one.captured_at, one.read()) for one in arrivals)
    for name in TABLES:
        table = f"staging.{name}"
        for day in (DAY, NEXT_DAY):
            of_day = [row for row in expected[table] if row["partition_date"] == day]
            found = rows(payloads, name, day)
            grain = [tuple(row[column] for column in oracle.GRAIN[table]) for row in found]
            assert of_day
            assert oracle.compare(of_day, found, table) == []
            assert grain == sorted(grain)
            assert files_of[day][name].rows == len(of_day)


@pytest.mark.parametrize("table", TABLES)
def test_a_file_is_typed_as_its_schema_says(payloads: PayloadStore, table: str) -> None:
    validate(payloads, *FEW)
    write(payloads)

    columns = pyarrow.parquet.read_schema(io.BytesIO(file_of(payloads, table) or b""))
    file = payloads.objects.address(key_of(payloads, table))
    relation = duckdb.read_parquet(file, hive_partitioning=False)

    assert columns == ibis_schema(FEED.tables[table]).to_pyarrow()
    assert dict(zip(relation.columns, map(str, relation.types), strict=True)) == {
        column: kind_of(column) for column in FEED.tables[table].to_schema().columns
    }


# The same payloads, the same bytes


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.permutations(FEW), st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_same_payloads_give_the_same_bytes_in_whatever_order_they_come(
    arrivals: list[Payload], write_now: list[bool]
) -> None:
    with TemporaryDirectory() as folder:
        at_once, one_by_one = (payloads_in(Path(folder) / name) for name in ("once", "one"))
        validate(at_once, *FEW)
        for observation, now in zip(arrivals, write_now, strict=True):
            validate(one_by_one, observation)
            if now:
                write(one_by_one)

        assert write(one_by_one) == write(at_once)
        assert files(one_by_one) == files(at_once)
        assert None not in files(at_once)


def test_a_long_day_that_came_backwards_gives_the_same_bytes(tmp_path: Path) -> None:
    forwards, backwards = payloads_in(tmp_path / "forwards"), payloads_in(tmp_path / "backwards")
    day = observe(SMALL, NOON, 70, timedelta(minutes=1))
    validate(forwards, *day)
    validate(backwards, *day[::-1])

    assert write(forwards) == write(backwards)
    assert files(forwards) == files(backwards)
    assert polls(forwards) == [one.captured_at for one in day]


def test_a_long_day_is_in_row_groups_of_one_size_and_the_batches_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = observe(SMALL, NOON, 20, timedelta(minutes=1))
    few_at_once, all_at_once = payloads_in(tmp_path / "few"), payloads_in(tmp_path / "all")
    monkeypatch.setattr(curated, "ROWS_A_GROUP", 7)
    validate(few_at_once, *day)
    validate(all_at_once, *day)
    write(all_at_once)

    monkeypatch.setattr(curated, "PAYLOADS_A_BATCH", 3)
    written = write(few_at_once)

    assert files(few_at_once) == files(all_at_once)
    for table in TABLES:
        metadata = pyarrow.parquet.read_metadata(io.BytesIO(file_of(few_at_once, table) or b""))
        groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        left = written[table].rows % 7
        assert groups == [7] * (written[table].rows // 7) + [left] * (left > 0)
    expected = oracle.tables(oracle.Payload(one.captured_at, one.read()) for one in day)
    for table in TABLES:
        name = f"staging.{table}"
        assert oracle.compare(expected[name], rows(few_at_once, table), name) == []


def test_writing_again_changes_nothing(payloads: PayloadStore) -> None:
    validate(payloads, *FEW)
    written = write(payloads)
    before = files(payloads)

    assert write(payloads) == written
    assert files(payloads) == before


# Days that change


def test_a_day_that_lost_some_payloads_holds_the_others(payloads: PayloadStore) -> None:
    validate(payloads, *FEW)
    write(payloads)

    payloads.objects.delete(payloads.key(Zone.RAW, DAY, payloads.name_of(FEW[1])))
    write(payloads)

    assert polls(payloads) == [FEW[n].captured_at for n in (0, 2, 3)]


def test_a_day_that_lost_all_its_payloads_has_no_files(payloads: PayloadStore) -> None:
    validate(payloads, *FEW)
    write(payloads)
    for stored in payloads.held(Zone.RAW, DAY):
        payloads.objects.delete(stored.key)

    assert write(payloads) == {}
    assert payloads.objects.below("curated") == []


def test_a_day_without_payloads_has_no_files(payloads: PayloadStore) -> None:
    assert write(payloads) == {}
    assert payloads.objects.below("curated") == []


def test_a_damaged_payload_is_an_error_that_names_it_and_the_files_stay(
    payloads: PayloadStore,
) -> None:
    validate(payloads, *FEW)
    write(payloads)
    before = files(payloads)
    key = payloads.key(Zone.RAW, DAY, payloads.name_of(FEW[2]))
    payloads.objects.replace(key, b"damaged")

    with pytest.raises(ExpectedError, match=f"{key} is damaged"):
        write(payloads)
    assert files(payloads) == before


@pytest.mark.parametrize("moment", TABLES)
def test_a_payload_that_comes_while_a_file_is_written_is_not_missed(
    payloads: PayloadStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    validate(payloads, *FEW[:2])
    replace = payloads.objects.replace
    late = [FEW[2]]

    def write_while_one_comes(key: str, body: bytes) -> None:
        if late and key == key_of(payloads, moment):
            validate(payloads, late.pop())
        replace(key, body)

    monkeypatch.setattr(payloads.objects, "replace", write_while_one_comes)
    write(payloads)

    assert polls(payloads) == [one.captured_at for one in FEW[:3]]


@pytest.mark.parametrize("others", [0, 2])
def test_a_payload_that_is_displaced_while_it_is_read_leaves_its_place(
    payloads: PayloadStore, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    moment, body = FEW[3].captured_at, FEW[3].read()
    small, large = sorted(
        (
            Payload(DAY, moment, body),
            Payload(DAY, moment, body.replace(b'"name": "', b'"name": "X', 1)),
        ),
        key=lambda one: str(payloads.name_of(one)),
    )
    validate(payloads, large, *FEW[:others])
    load = payloads.load
    late = [small]

    def load_while_one_comes(stored: Any, scratch: Path | None = None) -> Loaded | None:
        if late:
            validate(payloads, late.pop())
        return load(stored, scratch)

    monkeypatch.setattr(payloads, "load", load_while_one_comes)
    write(payloads)

    kept = [oracle.Payload(one.captured_at, one.read()) for one in (*FEW[:others], small)]
    for name in TABLES:
        table = f"staging.{name}"
        assert oracle.compare(oracle.tables(kept)[table], rows(payloads, name), table) == []


def test_a_day_to_come_is_known_while_a_build_has_to_clear_it_away(stream: Stream) -> None:
    """A clock that was ahead made it up; its payloads are in quarantine already."""
    day = EASTERN.today() + timedelta(days=400)
    key = stream.curated_object(next(iter(stream.tables)), day)
    stream.payloads.objects.replace(key, b"made before it was found out")
    assert stream.known_days() == {day}
    write_day(stream, day)
    assert stream.known_days() == set()
