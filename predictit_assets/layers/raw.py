"""Raw: the payloads whose structure is valid. The others go to quarantine, with the reason."""

import io
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pyarrow
import pyarrow.parquet

from predictit_assets.contract.payload import InvalidPayload, Validation, is_in_the_future
from predictit_assets.contract.schema import record_batch
from predictit_assets.contract.source import raw_manifest
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.parallel import each_day
from predictit_assets.instance.partitions import days_of_context, mark_days
from predictit_assets.layers.specs import layer_asset, rows_table, spec
from predictit_assets.storage.payloads import MAX_IN_MEMORY, PayloadName, StoredPayload, Zone
from predictit_assets.storage.stream import HeldDays, Stream

FUTURE = (
    "captured in the future, by a clock that was ahead; when that moment has passed it can be "
    "moved back to landing"
)
Row = dict[str, Any]
Moment = tuple[Any, str]
"""Capture time and part: where a dataset says so, they hold one payload."""


def validate_day(stream: Stream, day: date) -> list[Row]:
    """Move a day's landed payloads on, to raw or to quarantine, and list what became of each.

    Returns the rows of the manifest, which it also stores. Safe to repeat and to interrupt: a
    payload leaves landing only when it is whole where it belongs.
    """
    payloads, dataset = stream.payloads, stream.dataset
    validations: dict[PayloadName, Validation] = {}
    quarantine_future(stream, day, Zone.LANDING)
    # What was validated while this machine's clock was ahead too.
    if day >= stream.calendar.today() or not stream.dataset.day_is_capture:
        quarantine_future(stream, day, Zone.RAW)
    landed = payloads.held(Zone.LANDING, day)
    kept: dict[Moment, StoredPayload] = {}
    quarantined: set[str] = set()
    if landed:
        kept = {_moment(stored): stored for stored in payloads.held(Zone.RAW, day)}
        quarantined = payloads.quarantined(day)
    with TemporaryDirectory(prefix="predictit-") as scratch:
        for stored in landed:
            name = stored.name
            # The check on landing tells of what is misnamed or in another day's folder.
            if name is None or not payloads.in_own_day(stored):
                continue
            try:
                loaded = payloads.load(stored, Path(scratch))
                if loaded is None:  # another process moved it on
                    continue
                validation = dataset.validate(loaded.payload)
                if dataset.one_per_moment:
                    _settle_moment(stream, name, kept.get(_moment(stored)))
            except InvalidPayload as fault:
                payloads.quarantine(stored, name, fault)
            else:
                kept[_moment(stored)] = payloads.accept(
                    stored, name, loaded.stored_body, str(name) in quarantined
                )
                validations[name] = validation
            for file in Path(scratch).iterdir() if stored.size > MAX_IN_MEMORY else ():
                file.unlink()
    return _write_manifest(stream, day, validations)


def quarantine_future(stream: Stream, day: date, zone: Zone) -> int:
    """Quarantine the payloads of a day whose capture time a clock made up; how many there were."""
    future = [one for one in stream.payloads.held(zone, day) if is_in_the_future(one.captured_at)]
    for stored in future:
        if stored.name:
            stream.payloads.quarantine(stored, stored.name, InvalidPayload(FUTURE))
    return len(future)


def _moment(stored: StoredPayload) -> Moment:
    return stored.captured_at, stored.part


def _settle_moment(stream: Stream, name: PayloadName, rival: StoredPayload | None) -> None:
    """Of two different payloads of the same capture time and part the smallest hash stays.

    It doesn't depend on which came first, so neither does the warehouse. Raises InvalidPayload
    when the new one has to go; the rival in raw is sent to quarantine when that has to.
    """
    if rival is None or rival.name is None or rival.name == name:
        return
    fault = InvalidPayload("another payload of the same capture time has a smaller hash")
    if name.sha256 > rival.name.sha256:
        raise fault
    stream.payloads.quarantine(rival, rival.name, fault)


def _write_manifest(
    stream: Stream, day: date, validations: dict[PayloadName, Validation]
) -> list[Row]:
    payloads = stream.payloads
    columns = _columns(stream)
    key = payloads.manifest(day)
    before = payloads.objects.get(key)
    old = read_manifest(before) if before else []
    if old and list(old[0]) != columns:  # of an earlier release: its payloads are read anew
        old = []
    # A reason may have changed: what was put back from quarantine can be invalid in another way.
    known = {row["key"]: row for row in old if row["quarantined_because"] is None}
    rows = []
    for stored in payloads.held(Zone.RAW, day) + payloads.held(Zone.QUARANTINE, day):
        row = known.get(stored.key) or _row(stream, stored, validations)
        if row:
            rows.append(row)
    rows.sort(key=lambda row: (row["captured_at"], row["key"]))
    if rows != old:
        table = pyarrow.Table.from_batches(
            [
                record_batch(
                    raw_manifest(stream.dataset),
                    {name: [row[name] for row in rows] for name in columns},
                )
            ]
        )
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(table, buffer, compression="zstd")
        payloads.objects.replace(key, buffer.getvalue())
    return rows


def _row(
    stream: Stream, stored: StoredPayload, validations: dict[PayloadName, Validation]
) -> Row | None:
    name = stored.name
    if name is None:
        return None
    row: Row = dict.fromkeys(_columns(stream)) | {
        "partition_date": stored.day,
        "captured_at": name.captured_at.replace(tzinfo=None),
        "part": name.part,
        "key": stored.key,
        "bytes": stored.size,
        "sha256": name.sha256,
    }
    if stored.zone is Zone.QUARANTINE:
        return row | {"quarantined_because": stream.payloads.reason(stored)}
    validation = validations.get(name)
    if validation is None:  # validated in a run that was killed before it wrote the manifest
        with TemporaryDirectory(prefix="predictit-") as scratch:
            payload = stream.payloads.load_valid(stored, Path(scratch))
            if payload is None:
                return None
            validation = stream.dataset.validate(payload)
    return row | {
        **validation.counts,
        "rejected": validation.rejected,
        "new_fields": ", ".join(validation.new_fields) or None,
    }


def _columns(stream: Stream) -> list[str]:
    return list(raw_manifest(stream.dataset).to_schema().columns)


def read_manifest(stored: bytes) -> list[Row]:
    """The rows of a stored manifest."""
    rows: list[Row] = pyarrow.parquet.read_table(io.BytesIO(stored)).to_pylist()
    return rows


def raw_asset(
    stream: Stream, partitions: dg.DailyPartitionsDefinition, held: HeldDays, workers: int
) -> dg.AssetsDefinition:
    """The valid payloads of a stream; `workers` as in `worker_count`."""
    payloads = stream.payloads
    shown = ["captured_at", "part", *stream.dataset.counts, "rejected", "bytes"]

    @layer_asset(
        f"raw_{stream.name}",
        [
            spec(
                stream,
                "raw",
                None,
                raw_manifest(stream.dataset),
                deps=[stream.key("landing")],
                kinds={"json"},
                description=(
                    f"{stream.dataset.description} Payloads whose structure is valid, as they were "
                    "received and never changed. An invalid payload goes to quarantine/ with the "
                    "reason and its path beside it, and costs no other payload anything. The "
                    "columns are those of the manifest, one row per payload."
                ),
            )
        ],
        partitions,
    )
    def validate(context: dg.AssetExecutionContext) -> Iterator[Any]:
        days = held(days_of_context(context))
        work = partial(validate_day, stream)
        landed = sum(len(payloads.held(Zone.LANDING, day)) for day in days)
        with fail_on_expected_error(context.op_execution_context):
            for day, rows in each_day(work, days, context, landed, workers):
                bad = [row for row in rows if row["quarantined_because"]]
                for row in bad:
                    context.log.warning(f"quarantined: {row['key']}: {row['quarantined_because']}")
                metadata = {
                    "dagster/partition_row_count": len(rows) - len(bad),
                    "quarantined": len(bad),
                    "rejected_rows": sum(row["rejected"] or 0 for row in rows),
                    "manifest": dg.MetadataValue.path(
                        payloads.objects.address(payloads.manifest(day))
                    ),
                }
                if rows:
                    # Newest first, and those that somebody should look at before all others.
                    in_order = [row for row in rows if not row["quarantined_because"]] + bad
                    columns = ["quarantined_because", *shown] if bad else shown
                    metadata["newest_payloads"] = rows_table(in_order, [*columns, "key"])
                context.add_asset_metadata(metadata, partition_key=str(day))
        yield from mark_days(context, [dg.MaterializeResult()], days)

    return validate
