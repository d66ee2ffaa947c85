"""Curated: a day's payloads as typed Parquet, the same bytes whichever way they came."""

import io
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import oracle
import pyarrow.parquet
import pytest
from conftest import NOON, observe
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from predictit_assets import factory as home
from predictit_assets.contract.calendar import day_of
from predictit_assets.contract.schema import ibis_schema
from predictit_assets.contract.source import Payload
from predictit_assets.errors import ExpectedError
from predictit_assets.layers import curated
from predictit_assets.layers.curated import curated_object, write_day
from predictit_assets.layers.raw import validate_day
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.objects import ObjectStore
from predictit_assets.storage.payloads import Name, PayloadStore, Zone

SOURCE = home.predictit(Settings(), say=print)
DAY = day_of(NOON)
NEXT_DAY = DAY + timedelta(days=1)
SMALL = FakePredictIt(markets=2, contracts=5)
FEW = observe(SMALL, NOON, 4, timedelta(minutes=7))
TABLES = ["market_snapshots", "contract_snapshots"]


def payloads_in(folder: Path) -> PayloadStore:
    return PayloadStore(ObjectStore(folder), SOURCE.name, SOURCE.dataset)


def prove(payloads: PayloadStore, *observations: Payload, day: date = DAY) -> None:
    """Land payloads and prove them."""
    for observation in observations:
        payloads.land(observation)
    validate_day(SOURCE, payloads, day)


def cut(payloads: PayloadStore, day: date = DAY) -> dict[str, int]:
    return write_day(SOURCE, payloads, day)


def file_of(payloads: PayloadStore, table: str, day: date = DAY) -> bytes | None:
    return payloads.objects.get(curated_object(SOURCE, table, day))


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
    observations = observe(world, NOON - timedelta(hours=6), 45, timedelta(minutes=25))
    arrivals = [*observations, Payload(NOON + timedelta(seconds=1), b'{"markets": []}')]
    arrivals.sort(key=lambda one: Name.of(one).sha256)  # in no order of time
    prove(payloads, *arrivals)
    prove(payloads, day=NEXT_DAY)

    counts = {day: cut(payloads, day) for day in (DAY, NEXT_DAY)}

    expected = oracle.tables(oracle.Payload(one.captured_at, one.body) for one in arrivals)
    for name in TABLES:
        table = f"staging.{name}"
        for day in (DAY, NEXT_DAY):
            of_day = [row for row in expected[table] if row["partition_date"] == day]
            found = rows(payloads, name, day)
            grain = [tuple(row[column] for column in oracle.GRAIN[table]) for row in found]
            assert of_day
            assert oracle.compare(of_day, found, table) == []
            assert grain == sorted(grain)
            assert counts[day][name] == len(of_day)


@pytest.mark.parametrize("table", TABLES)
def test_a_file_is_typed_as_its_schema_says(payloads: PayloadStore, table: str) -> None:
    prove(payloads, *FEW)
    cut(payloads)

    columns = pyarrow.parquet.read_schema(io.BytesIO(file_of(payloads, table) or b""))
    file = payloads.objects.address(curated_object(SOURCE, table, DAY))
    relation = duckdb.read_parquet(file, hive_partitioning=False)

    assert columns == ibis_schema(SOURCE.tables[table]).to_pyarrow()
    assert dict(zip(relation.columns, map(str, relation.types), strict=True)) == {
        column: kind_of(column) for column in SOURCE.tables[table].to_schema().columns
    }


# The same payloads, the same bytes


@hypothesis_settings(max_examples=25, deadline=None)
@given(st.permutations(FEW), st.lists(st.booleans(), min_size=4, max_size=4))
def test_the_same_payloads_give_the_same_bytes_in_whatever_order_they_come(
    arrivals: list[Payload], cut_now: list[bool]
) -> None:
    with TemporaryDirectory() as folder:
        at_once, one_by_one = (payloads_in(Path(folder) / name) for name in ("once", "one"))
        prove(at_once, *FEW)
        for observation, now in zip(arrivals, cut_now, strict=True):
            prove(one_by_one, observation)
            if now:
                cut(one_by_one)

        assert cut(one_by_one) == cut(at_once)
        assert files(one_by_one) == files(at_once)
        assert None not in files(at_once)


def test_a_long_day_that_came_backwards_gives_the_same_bytes(tmp_path: Path) -> None:
    forwards, backwards = payloads_in(tmp_path / "forwards"), payloads_in(tmp_path / "backwards")
    day = observe(SMALL, NOON, 70, timedelta(minutes=1))
    prove(forwards, *day)
    prove(backwards, *day[::-1])

    assert cut(forwards) == cut(backwards)
    assert files(forwards) == files(backwards)
    assert polls(forwards) == [one.captured_at for one in day]


def test_a_long_day_is_in_row_groups_of_one_size_and_the_batches_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    day = observe(SMALL, NOON, 20, timedelta(minutes=1))
    few_at_once, all_at_once = payloads_in(tmp_path / "few"), payloads_in(tmp_path / "all")
    monkeypatch.setattr(curated, "ROWS_A_GROUP", 7)
    prove(few_at_once, *day)
    prove(all_at_once, *day)
    cut(all_at_once)

    monkeypatch.setattr(curated, "PAYLOADS_A_BATCH", 3)
    counts = cut(few_at_once)

    assert files(few_at_once) == files(all_at_once)
    for table in TABLES:
        metadata = pyarrow.parquet.read_metadata(io.BytesIO(file_of(few_at_once, table) or b""))
        groups = [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)]
        left = counts[table] % 7
        assert groups == [7] * (counts[table] // 7) + [left] * (left > 0)
    expected = oracle.tables(oracle.Payload(one.captured_at, one.body) for one in day)
    for table in TABLES:
        name = f"staging.{table}"
        assert oracle.compare(expected[name], rows(few_at_once, table), name) == []


def test_cutting_again_changes_nothing(payloads: PayloadStore) -> None:
    prove(payloads, *FEW)
    counts = cut(payloads)
    before = files(payloads)

    assert cut(payloads) == counts
    assert files(payloads) == before


# Days that change


def test_a_day_that_lost_some_payloads_holds_the_others(payloads: PayloadStore) -> None:
    prove(payloads, *FEW)
    cut(payloads)

    payloads.objects.delete(payloads.key(Zone.RAW, Name.of(FEW[1])))
    cut(payloads)

    assert polls(payloads) == [FEW[n].captured_at for n in (0, 2, 3)]


def test_a_day_that_lost_all_its_payloads_has_no_files(payloads: PayloadStore) -> None:
    prove(payloads, *FEW)
    cut(payloads)
    for stored in payloads.held(Zone.RAW, DAY):
        payloads.objects.delete(stored.key)

    assert cut(payloads) == dict.fromkeys(TABLES, 0)
    assert payloads.objects.below("curated") == []


def test_a_day_without_payloads_has_no_files(payloads: PayloadStore) -> None:
    assert cut(payloads) == dict.fromkeys(TABLES, 0)
    assert payloads.objects.below("curated") == []


def test_a_damaged_payload_is_an_error_that_names_it_and_the_files_stay(
    payloads: PayloadStore,
) -> None:
    prove(payloads, *FEW)
    cut(payloads)
    before = files(payloads)
    key = payloads.key(Zone.RAW, Name.of(FEW[2]))
    payloads.objects.replace(key, b"damaged")

    with pytest.raises(ExpectedError, match=f"{key} is damaged"):
        cut(payloads)
    assert files(payloads) == before


@pytest.mark.parametrize("moment", TABLES)
def test_a_payload_that_comes_while_a_file_is_written_is_not_missed(
    payloads: PayloadStore, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    prove(payloads, *FEW[:2])
    write = payloads.objects.replace
    late = [FEW[2]]

    def write_while_one_comes(key: str, body: bytes) -> None:
        if late and key == curated_object(SOURCE, moment, DAY):
            prove(payloads, late.pop())
        write(key, body)

    monkeypatch.setattr(payloads.objects, "replace", write_while_one_comes)
    cut(payloads)

    assert polls(payloads) == [one.captured_at for one in FEW[:3]]


@pytest.mark.parametrize("others", [0, 2])
def test_a_payload_that_is_displaced_while_it_is_read_leaves_its_place(
    payloads: PayloadStore, monkeypatch: pytest.MonkeyPatch, others: int
) -> None:
    moment, body = FEW[3].captured_at, FEW[3].body
    small, large = sorted(
        (
            Payload(moment, body),
            Payload(moment, body.replace(b'"name": "', b'"name": "X', 1)),
        ),
        key=lambda one: str(Name.of(one)),
    )
    prove(payloads, large, *FEW[:others])
    read = payloads.read
    late = [small]

    def read_while_one_comes(stored: Any) -> Payload | None:
        if late:
            prove(payloads, late.pop())
        return read(stored)

    monkeypatch.setattr(payloads, "read", read_while_one_comes)
    cut(payloads)

    kept = [oracle.Payload(one.captured_at, one.body) for one in (*FEW[:others], small)]
    for name in TABLES:
        table = f"staging.{name}"
        assert oracle.compare(oracle.tables(kept)[table], rows(payloads, name), table) == []
