"""Curated: typed Parquet, one file a day and table; the same raw gives the same bytes."""

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import Any, TypeVar

import dagster as dg
import pyarrow
import pyarrow.parquet

from predictit_assets.contract.schema import ibis_schema
from predictit_assets.contract.source import Source
from predictit_assets.errors import BadDays, ExpectedError
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.parallel import each_day
from predictit_assets.instance.partitions import days_of_context
from predictit_assets.layers.raw import raw_key
from predictit_assets.layers.specs import layer_asset, spec
from predictit_assets.storage.payloads import PayloadStore, StoredPayload, Zone

Task = TypeVar("Task")
Done = TypeVar("Done")

# Arrow's own allocator keeps what each thread once needed (100 MB and more), and is slower.
pyarrow.set_memory_pool(pyarrow.system_memory_pool())

PAYLOADS_A_BATCH = 16
"""Payloads that are read and cut at once."""
ROWS_A_GROUP = 122_880
"""Rows of a row group: as many as in DuckDB's own, which its threads then load one each."""
THREADS = 2
"""That read and cut. Each holds a batch, and there may be as many processes as cores."""


def curated_object(source: Source, table: str, day: date) -> str:
    """The key of a day's file."""
    return f"curated/{source.name}/{table}/date={day}/{table}.parquet"


def write_day(source: Source, payloads: PayloadStore, day: date) -> dict[str, int]:
    """Make a day's Parquet file of each table from the raw payloads of the day.

    Returns the rows by table. A day without raw payloads has no files, but a day whose payloads
    have expired keeps those it has.
    """
    while True:
        held = payloads.held(Zone.RAW, day)
        files = _cut(source, payloads, held)
        # Looked at after reading: what expires is recorded before it goes.
        if _is_past_cutting(payloads, day):
            return {table: _rows_kept(source, payloads, table, day) for table in source.tables}
        for table, (content, _) in files.items():
            key = curated_object(source, table, day)
            if held:
                payloads.objects.replace(key, content)
            else:
                payloads.objects.delete(key)
        # Another process may have proven more meanwhile and written the file before we did.
        if payloads.held(Zone.RAW, day) == held:
            return {table: rows for table, (_, rows) in files.items()}


def _cut_or_fault(source: Source, payloads: PayloadStore, day: date) -> dict[str, int] | str:
    """As `write_day`, but why a day can't be cut is told: others can be cut none the less."""
    try:
        return write_day(source, payloads, day)
    except ExpectedError as error:
        return str(error)


def _is_past_cutting(payloads: PayloadStore, day: date) -> bool:
    """Whether raw payloads of the day have expired, so that its files are all there is of them.

    Raises ExpectedError when others came afterwards: files made of those alone would lose rows.
    """
    expired = payloads.expired(day)
    if not expired:
        return False
    held = {str(stored.name) for stored in payloads.held(Zone.RAW, day)}
    if expired <= held:  # they were put back
        return False
    if late := held - expired:
        raise ExpectedError(
            f"the raw payloads of {day} have expired, and {len(late)} came afterwards that can't "
            "be added to what was made of them: put the expired ones back, or these elsewhere"
        )
    return True


def _rows_kept(source: Source, payloads: PayloadStore, table: str, day: date) -> int:
    key = curated_object(source, table, day)
    content = payloads.objects.get(key)
    if content is None:
        raise ExpectedError(f"{key} is missing and its raw payloads have expired: restore it")
    return int(pyarrow.parquet.read_metadata(io.BytesIO(content)).num_rows)


class _File:
    """A table's Parquet file in the making."""

    def __init__(self, schema: pyarrow.Schema) -> None:
        self.rows = 0
        self._waiting = schema.empty_table()
        self._buffer = io.BytesIO()
        self._writer = pyarrow.parquet.ParquetWriter(
            self._buffer, schema, compression="zstd", store_decimal_as_integer=True
        )

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Append rows."""
        self.rows += len(rows)
        self._waiting = pyarrow.concat_tables([self._waiting, pyarrow.Table.from_batches([rows])])
        while len(self._waiting) >= ROWS_A_GROUP:
            self._writer.write_table(self._waiting[:ROWS_A_GROUP])
            self._waiting = self._waiting[ROWS_A_GROUP:]

    def content(self) -> bytes:
        """The finished file."""
        if self._waiting:
            self._writer.write_table(self._waiting)
        self._writer.close()
        return self._buffer.getvalue()


def _cut(
    source: Source, payloads: PayloadStore, held: list[StoredPayload]
) -> dict[str, tuple[bytes, int]]:
    """The content and the number of rows of each table's file."""
    files = {
        table: _File(ibis_schema(schema).to_pyarrow()) for table, schema in source.tables.items()
    }
    batches = (held[n : n + PAYLOADS_A_BATCH] for n in range(0, len(held), PAYLOADS_A_BATCH))
    for cut in map_ahead(partial(_cut_batch, source, payloads), batches):
        for table, rows in cut.items():
            files[table].add(rows)
    return {table: (file.content(), file.rows) for table, file in files.items()}


def _cut_batch(
    source: Source, payloads: PayloadStore, batch: list[StoredPayload]
) -> Mapping[str, pyarrow.RecordBatch]:
    read = [payloads.read_valid(stored) for stored in batch]
    # What has been taken out of raw meanwhile is missed by the listing that follows.
    observations = [observation for observation in read if observation]
    return source.cut(observations) if observations else {}


def map_ahead(work: Callable[[Task], Done], tasks: Iterable[Task]) -> Iterator[Done]:
    """What `work` makes of each task, in order: a few are begun before they are asked for."""
    begun: deque[Future[Done]] = deque()
    with ThreadPoolExecutor(THREADS) as threads:
        for task in tasks:
            begun.append(threads.submit(work, task))
            # One more than there are threads: none idles while the caller uses what it got.
            if len(begun) > THREADS + 1:
                yield begun.popleft().result()
        while begun:
            yield begun.popleft().result()


def curated_key(source: Source, table: str) -> list[str]:
    """The asset key of a table in this layer."""
    return ["curated", source.name, table]


def curated_assets(
    source: Source, payloads: PayloadStore, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The tables of a source as Parquet objects."""

    @layer_asset(
        f"curated_{source.name}_{source.dataset}",
        [
            spec(
                curated_key(source, table),
                schema,
                deps=[raw_key(source)],
                kinds={"parquet"},
                description=(
                    f"{schema.__doc__} Typed Parquet, one file a day, rows sorted by time and id; "
                    "the same payloads give the same bytes."
                ),
            )
            for table, schema in source.tables.items()
        ],
        partitions,
    )
    def cut(context: dg.AssetExecutionContext) -> Iterable[dg.MaterializeResult[None]]:
        faults: dict[date, str] = {}
        window = days_of_context(context)
        work = partial(_cut_or_fault, source, payloads)
        held = sum(len(payloads.held(Zone.RAW, day)) for day in window.days)
        for day, rows in each_day(work, window, context, held):
            if isinstance(rows, str):
                faults[day] = rows
                continue
            for table in source.tables:
                key = curated_object(source, table, day)
                context.add_asset_metadata(
                    {"dagster/partition_row_count": rows[table], **_metadata(payloads, key)},
                    curated_key(source, table),
                    str(day),
                )
        with fail_on_expected_error(context.op_execution_context):
            if faults:
                raise BadDays(faults)
        for table in source.tables:
            yield dg.MaterializeResult(asset_key=curated_key(source, table))

    return cut


def _metadata(payloads: PayloadStore, key: str) -> dict[str, Any]:
    """What the UI shows of a day's file."""
    content = payloads.objects.get(key)
    if content is None:
        return {}
    return {
        "object": dg.MetadataValue.path(payloads.objects.address(key)),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
