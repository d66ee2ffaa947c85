"""Curated: typed Parquet, one file a day and table; the same raw gives the same bytes."""

import hashlib
import io
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryDirectory
from typing import Any, BinaryIO, TypeVar, cast

import dagster as dg
import pyarrow
import pyarrow.parquet

from predictit_assets.contract.schema import ibis_schema
from predictit_assets.errors import BadDays, ExpectedError
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.parallel import each_day
from predictit_assets.instance.partitions import days_of_context, mark_days
from predictit_assets.layers.specs import layer_asset, spec
from predictit_assets.storage.migrations import RENAMED
from predictit_assets.storage.payloads import StoredPayload, Zone
from predictit_assets.storage.stream import PAYLOADS, HeldDays, Stream, made_of

Task = TypeVar("Task")
Done = TypeVar("Done")

# Arrow's own allocator keeps what each thread once needed (100 MB and more), and is slower.
pyarrow.set_memory_pool(pyarrow.system_memory_pool())

PAYLOADS_A_BATCH = 16
BYTES_A_BATCH = 4_000_000
"""Payloads (and compressed bytes) that are read at once: one of the two bounds ends a batch."""
SMALL = 4_000
"""Compressed bytes of a payload below which a batch takes many more of them."""
ROWS_A_GROUP = 122_880
"""Rows of a row group: as many as in DuckDB's own, which its threads then load one each."""
MAX_IN_MEMORY = 32_000_000
"""Bytes of a Parquet file that is made in memory; a larger one is a temporary file."""
CHUNK = 1 << 20
THREADS = 2
"""Threads that read payloads. Each holds a batch, and there may be a process for each core."""


@dataclass(frozen=True)
class CuratedFile:
    """A day's Parquet file of a table, as it was written."""

    key: str
    rows: int
    size: int
    """Bytes."""
    sha256: str


def write_day(stream: Stream, day: date) -> dict[str, CuratedFile]:
    """Make a day's Parquet file of each table from the raw payloads of the day.

    Returns the files by table. A day without raw payloads has no files, but a day whose payloads
    have expired keeps those it has.
    """
    payloads = stream.payloads
    while True:
        held = payloads.held(Zone.RAW, day)
        contents = _contents(stream, held)
        # Looked at after reading: what expires is recorded before it goes.
        if _is_past_reading(stream, day):
            return {table: _kept(stream, table, day) for table in stream.tables}
        files = {}
        for table, (content, rows) in contents.items():
            key = stream.curated_object(table, day)
            if held:
                files[table] = _file(key, content, rows)
                payloads.objects.replace(key, _body(content, files[table].size))
            else:
                payloads.objects.delete(key)
        # Another process may have validated more meanwhile and written the file before we did.
        if payloads.held(Zone.RAW, day) == held:
            return files


def _file(key: str, content: BinaryIO, rows: int) -> CuratedFile:
    digest = hashlib.sha256()
    while chunk := content.read(CHUNK):
        digest.update(chunk)
    size = content.tell()
    content.seek(0)
    return CuratedFile(key, rows, size, digest.hexdigest())


def _body(content: BinaryIO, size: int) -> bytes | BinaryIO:
    """What is stored of a file: a large one is read in pieces."""
    return content.read() if size <= MAX_IN_MEMORY else content


def _files_or_fault(stream: Stream, day: date) -> dict[str, CuratedFile] | str:
    """As `write_day`, but a day that can't be written gives the reason: others can be written."""
    try:
        return write_day(stream, day)
    except ExpectedError as error:
        return str(error)


def _is_past_reading(stream: Stream, day: date) -> bool:
    """Whether raw payloads of the day have expired, so that its files are all there is of them.

    Raises ExpectedError when others came afterwards: files made of those alone would lose rows.
    """
    expired = stream.payloads.expired(day)
    if not expired:
        return False
    held = {str(stored.name) for stored in stream.payloads.held(Zone.RAW, day)}
    if expired <= held:  # they were put back
        return False
    if late := held - expired:
        raise ExpectedError(
            f"the raw payloads of {day} have expired, and {len(late)} came afterwards that can't "
            "be added to what was made of them: put the expired ones back, or these elsewhere"
        )
    return True


def _kept(stream: Stream, table: str, day: date) -> CuratedFile:
    """The file of a day whose payloads have expired, in the columns of this release."""
    key = stream.curated_object(table, day)
    content = stream.payloads.objects.get(key)
    if content is None:
        raise ExpectedError(f"{key} is missing and its raw payloads have expired: restore it")
    schema = ibis_schema(stream.tables[table]).to_pyarrow()
    rows = int(pyarrow.parquet.read_metadata(io.BytesIO(content)).num_rows)
    if pyarrow.parquet.read_schema(io.BytesIO(content)).names != schema.names:
        content = _in_todays_columns(content, schema, key)
        stream.payloads.objects.replace(key, content)
    return _file(key, io.BytesIO(content), rows)


def _in_todays_columns(content: bytes, schema: pyarrow.Schema, key: str) -> bytes:
    """A file of an earlier release with its columns renamed, and NULL in the new ones."""
    rows = pyarrow.parquet.read_table(io.BytesIO(content))
    metadata = rows.schema.metadata
    rows = rows.rename_columns([RENAMED.get(name, name) for name in rows.column_names])
    if gone := set(rows.column_names) - set(schema.names):
        raise ExpectedError(f"{key} has columns that this release lacks: {', '.join(sorted(gone))}")
    for field in schema:
        if field.name not in rows.column_names:
            rows = rows.append_column(field, pyarrow.nulls(len(rows), field.type))
    builder = ParquetBuilder(schema.with_metadata(metadata))
    for batch in rows.select(schema.names).cast(schema).to_batches():
        builder.add(batch)
    return builder.content().read()


class ParquetBuilder:
    """A table's Parquet file in the making."""

    def __init__(self, schema: pyarrow.Schema) -> None:
        self.rows = 0
        self._waiting = schema.remove_metadata().empty_table()
        self._file = SpooledTemporaryFile(MAX_IN_MEMORY)  # noqa: SIM115  # it outlives this call
        self._writer = pyarrow.parquet.ParquetWriter(
            self._file, schema, compression="zstd", store_decimal_as_integer=True
        )

    def add(self, rows: pyarrow.RecordBatch) -> None:
        """Append rows."""
        self.rows += len(rows)
        self._waiting = pyarrow.concat_tables([self._waiting, pyarrow.Table.from_batches([rows])])
        while len(self._waiting) >= ROWS_A_GROUP:
            self._writer.write_table(self._waiting[:ROWS_A_GROUP])
            self._waiting = self._waiting[ROWS_A_GROUP:]

    def content(self) -> BinaryIO:
        """The finished file, at its beginning."""
        if self._waiting:
            self._writer.write_table(self._waiting)
        self._writer.close()
        self._file.seek(0)
        return cast(BinaryIO, self._file)


def _contents(stream: Stream, held: list[StoredPayload]) -> dict[str, tuple[BinaryIO, int]]:
    """The content and the number of rows of each table's file."""
    identity = {PAYLOADS: made_of(str(stored.name) for stored in held)}
    builders = {
        table: ParquetBuilder(ibis_schema(schema).to_pyarrow().with_metadata(identity))
        for table, schema in stream.tables.items()
    }
    for rows in map_ahead(partial(_rows_of_batch, stream), _batches(held)):
        for table, batch in rows.items():
            builders[table].add(batch)
    return {table: (one.content(), one.rows) for table, one in builders.items()}


def _batches(held: Sequence[StoredPayload]) -> Iterator[list[StoredPayload]]:
    """Payloads in batches that fit in memory; many small ones share a batch."""
    batch: list[StoredPayload] = []
    cost = 0.0
    for stored in held:
        weight = max(stored.size / BYTES_A_BATCH, min(stored.size / SMALL, 1) / PAYLOADS_A_BATCH)
        if batch and cost + weight > 1:
            yield batch
            batch, cost = [], 0.0
        batch.append(stored)
        cost += weight
    if batch:
        yield batch


def _rows_of_batch(stream: Stream, batch: list[StoredPayload]) -> Mapping[str, pyarrow.RecordBatch]:
    with TemporaryDirectory(prefix="predictit-") as scratch:
        loaded = [stream.payloads.load_valid(stored, Path(scratch)) for stored in batch]
        # If an object vanished since the listing, the listing that follows notices, and the day
        # is written again.
        payloads = [payload for payload in loaded if payload]
        return stream.dataset.rows(payloads) if payloads else {}


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


def curated_assets(
    stream: Stream, partitions: dg.DailyPartitionsDefinition, held: HeldDays, workers: int
) -> dg.AssetsDefinition:
    """The Parquet files of a stream's tables; `workers` as in `worker_count`."""

    @layer_asset(
        f"curated_{stream.name}",
        [
            spec(
                stream,
                "curated",
                table,
                schema,
                deps=[stream.key("raw")],
                kinds={"parquet"},
                description=(
                    f"{schema.__doc__} Typed Parquet, one file a day; the same payloads give the "
                    "same bytes."
                ),
            )
            for table, schema in stream.tables.items()
        ],
        partitions,
    )
    def write(context: dg.AssetExecutionContext) -> Iterator[Any]:
        faults: dict[date, str] = {}
        days = held(days_of_context(context))
        work = partial(_files_or_fault, stream)
        amount = sum(len(stream.payloads.held(Zone.RAW, day)) for day in days)
        for day, files in each_day(work, days, context, amount, workers):
            if isinstance(files, str):
                faults[day] = files
                continue
            for table in stream.tables:
                file = files.get(table)
                metadata: dict[str, Any] = {"dagster/partition_row_count": file.rows if file else 0}
                if file:
                    metadata |= {
                        "object": dg.MetadataValue.path(stream.payloads.objects.address(file.key)),
                        "bytes": file.size,
                        "sha256": file.sha256,
                    }
                context.add_asset_metadata(metadata, stream.key("curated", table), str(day))
        with fail_on_expected_error(context.op_execution_context):
            if faults:
                raise BadDays(faults)
        results: list[dg.MaterializeResult[None]] = [
            dg.MaterializeResult(asset_key=stream.key("curated", table)) for table in stream.tables
        ]
        yield from mark_days(context, results, days)

    return write
