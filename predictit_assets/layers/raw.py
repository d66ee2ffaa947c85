"""Raw: the payloads whose structure is proven. The others go to quarantine, with the reason."""

import io
from datetime import date
from functools import partial
from typing import Any

import dagster as dg
import pyarrow
import pyarrow.parquet

from predictit_assets.contract.schema import record_batch
from predictit_assets.contract.source import InvalidPayload, Source, Validation
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.parallel import each_day
from predictit_assets.instance.partitions import days_of_context
from predictit_assets.layers.landing import landing_key
from predictit_assets.layers.specs import layer_asset, rows_table, spec
from predictit_assets.storage.payloads import Name, PayloadStore, StoredPayload, Zone

Row = dict[str, Any]

SHOWN = ["captured_at", "markets", "contracts", "bytes", "quarantined_because", "key"]
"""The columns of the manifest that the UI shows of the newest payloads."""


def manifest_object(payloads: PayloadStore, day: date) -> str:
    """The key of a day's manifest: derived from the payloads, and made anew with them."""
    return f"{payloads.folder(Zone.RAW, day)}/_manifest.parquet"


def validate_day(source: Source, payloads: PayloadStore, day: date) -> list[Row]:
    """Move a day's landed payloads on, to raw or to quarantine, and list what became of each.

    Returns the rows of the manifest, which it also stores. Safe to repeat and to interrupt: a
    payload leaves landing only when it is whole where it belongs.
    """
    validations: dict[Name, Validation] = {}
    kept = {stored.captured_at: stored for stored in payloads.held(Zone.RAW, day)}
    for stored in payloads.held(Zone.LANDING, day):
        name = stored.name
        # What is misnamed or in another day's folder is left for the check on landing to tell.
        if name is None or name.day != day:
            continue
        try:
            observation = payloads.read(stored)
            if observation is None:  # another process moved it on
                continue
            validation = source.prove(observation)
            _settle_moment(payloads, name, kept.get(name.captured_at))
        except InvalidPayload as fault:
            payloads.quarantine(stored, name, fault)
        else:
            kept[name.captured_at] = payloads.accept(stored, name)
            validations[name] = validation
    return _write_manifest(source, payloads, day, validations)


def _settle_moment(payloads: PayloadStore, name: Name, rival: StoredPayload | None) -> None:
    """Of two different payloads of the same capture time the smallest hash stays.

    It doesn't depend on which came first, so neither does the warehouse. Raises InvalidPayload when the
    new one has to go; the rival in raw is sent to quarantine when that has to.
    """
    if rival is None or rival.name is None or rival.name == name:
        return
    fault = InvalidPayload("another payload of the same capture time has a smaller hash")
    if name.sha256 > rival.name.sha256:
        raise fault
    payloads.quarantine(rival, rival.name, fault)


def _write_manifest(
    source: Source, payloads: PayloadStore, day: date, validations: dict[Name, Validation]
) -> list[Row]:
    key = manifest_object(payloads, day)
    before = payloads.objects.get(key)
    old = read_manifest(before) if before else []
    # A reason may have changed: what was put back from quarantine can be unsound in another way.
    known = {row["key"]: row for row in old if row["quarantined_because"] is None}
    rows = []
    for stored in payloads.held(Zone.RAW, day) + payloads.held(Zone.QUARANTINE, day):
        row = known.get(stored.key) or _row(source, payloads, stored, validations)
        if row:
            rows.append(row)
    rows.sort(key=lambda row: (row["captured_at"], row["key"]))
    if rows != old:
        columns = {name: [row[name] for row in rows] for name in _columns(source)}
        table = pyarrow.Table.from_batches([record_batch(source.manifest, columns)])
        buffer = io.BytesIO()
        pyarrow.parquet.write_table(table, buffer, compression="zstd")
        payloads.objects.replace(key, buffer.getvalue())
    return rows


def _row(
    source: Source,
    payloads: PayloadStore,
    stored: StoredPayload,
    validations: dict[Name, Validation],
) -> Row | None:
    name = stored.name
    if name is None:
        return None
    row: Row = dict.fromkeys(_columns(source)) | {
        "partition_date": stored.day,
        "captured_at": name.captured_at.replace(tzinfo=None),
        "key": stored.key,
        "bytes": stored.size,
        "sha256": name.sha256,
    }
    if stored.zone is Zone.QUARANTINE:
        return row | {"quarantined_because": payloads.reason(stored)}
    validation = validations.get(name)
    if validation is None:  # proven in a run that was killed before it wrote the manifest
        observation = payloads.read_valid(stored)
        if observation is None:
            return None
        validation = source.prove(observation)
    return row | {**validation.counts, "new_fields": ", ".join(validation.new_fields) or None}


def _columns(source: Source) -> list[str]:
    return list(source.manifest.to_schema().columns)


def read_manifest(stored: bytes) -> list[Row]:
    """The rows of a stored manifest."""
    rows: list[Row] = pyarrow.parquet.read_table(io.BytesIO(stored)).to_pylist()
    return rows


def raw_key(source: Source) -> list[str]:
    """The asset key of the layer."""
    return ["raw", source.name, source.dataset]


def raw_asset(
    source: Source, payloads: PayloadStore, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """The proven payloads of a source."""

    @layer_asset(
        "_".join(raw_key(source)),
        [
            spec(
                raw_key(source),
                source.manifest,
                deps=[landing_key(source)],
                kinds={"json"},
                description=(
                    "Payloads whose structure is proven, as they were received and never changed. "
                    "A payload that isn't sound goes to quarantine/ with the reason and its JSON "
                    "path beside it, and costs nobody else anything. The columns are those of the "
                    "manifest, one row per payload."
                ),
            )
        ],
        partitions,
    )
    def prove(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        window = days_of_context(context)
        work = partial(validate_day, source, payloads)
        landed = sum(len(payloads.held(Zone.LANDING, day)) for day in window.days)
        with fail_on_expected_error(context.op_execution_context):
            for day, rows in each_day(work, window, context, landed):
                bad = [row for row in rows if row["quarantined_because"]]
                for row in bad:
                    context.log.warning(f"quarantined: {row['key']}: {row['quarantined_because']}")
                context.add_asset_metadata(
                    {
                        "dagster/partition_row_count": len(rows) - len(bad),
                        "quarantined": len(bad),
                        "manifest": dg.MetadataValue.path(
                            payloads.objects.address(manifest_object(payloads, day))
                        ),
                        **({"newest_payloads": rows_table(rows, SHOWN)} if rows else {}),
                        **(
                            {
                                "quarantined_payloads": rows_table(
                                    bad, ["captured_at", "quarantined_because", "key"]
                                )
                            }
                            if bad
                            else {}
                        ),
                    },
                    partition_key=str(day),
                )
        return dg.MaterializeResult()

    return prove
