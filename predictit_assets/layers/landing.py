"""Landing: each answer of the API as it was received. The only layer without a past."""

from collections import Counter
from datetime import date
from itertools import islice
from typing import Any

import dagster as dg
import pyarrow

from predictit_assets.contract.calendar import DayRange, today
from predictit_assets.contract.manifests import LandingManifest
from predictit_assets.contract.schema import record_batch
from predictit_assets.contract.source import Source
from predictit_assets.errors import NothingHeld
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.partitions import days_of_context
from predictit_assets.layers.specs import layer_asset, rows_table, spec
from predictit_assets.storage.payloads import PayloadStore, StoredPayload, Zone

MAX_CALLS = 5
"""Calls of the API in one run: at the pace that it allows, more would keep others waiting."""


class LandingConfig(dg.Config):
    """How to materialize landing."""

    held_only: bool = False
    """Ask the API nothing, and take a day for what the store holds of it, be it nothing.

    Otherwise it is asked when today's partition alone is materialized.
    """


def held_in(payloads: PayloadStore, window: DayRange) -> list[StoredPayload]:
    """Every payload that the store holds of a window, in whatever zone, by capture time."""
    held = [stored for day in window.days for zone in Zone for stored in payloads.held(zone, day)]
    return sorted(held, key=lambda stored: (stored.captured_at, stored.key))


def manifest(held: list[StoredPayload]) -> pyarrow.RecordBatch:
    """The landing manifest of stored payloads. One row per object."""
    names = [stored.name for stored in held]
    return record_batch(
        LandingManifest,
        {
            "partition_date": [stored.day for stored in held],
            "captured_at": [name and name.captured_at.replace(tzinfo=None) for name in names],
            "zone": [str(stored.zone) for stored in held],
            "key": [stored.key for stored in held],
            "bytes": [stored.size for stored in held],
            "sha256": [name and name.sha256 for name in names],
            "captured_on": [name and name.day for name in names],
        },
    )


def landing_key(source: Source) -> list[str]:
    """The asset key of the layer."""
    return ["landing", source.name, source.dataset]


def landing_asset(
    source: Source, payloads: PayloadStore, partitions: dg.DailyPartitionsDefinition
) -> dg.AssetsDefinition:
    """Each answer of a source's API, byte for byte."""

    @layer_asset(
        "_".join(landing_key(source)),
        [
            spec(
                landing_key(source),
                LandingManifest,
                kinds={"api", "json"},
                description=(
                    "Each answer of the API, byte for byte, one gzipped object a poll, named by "
                    "its UTC capture time and a hash of its content. The API has no past: "
                    "today's partition polls, any other reports what the store holds of its day. "
                    "The columns are those of the manifest, one row per stored payload."
                ),
                metadata={"source": dg.MetadataValue.url(source.homepage)},
            )
        ],
        partitions,
    )
    def land(
        context: dg.AssetExecutionContext, config: LandingConfig
    ) -> dg.MaterializeResult[None]:
        window = days_of_context(context)
        with fail_on_expected_error(context.op_execution_context):
            if not config.held_only and window == DayRange(today(), today()):
                for observation in islice(source.fetch(), MAX_CALLS):
                    landed = payloads.land(observation)
                    context.log.info(f"landed {landed.key}" if landed else "it was held already")
            held = held_in(payloads, window)
            if not (held or source.may_be_empty or config.held_only):
                raise NothingHeld(
                    f"the store holds no payload of {window}, and the API has no past: "
                    "`predictit import DIR` brings in saved payloads"
                )
        by_day: dict[date, list[StoredPayload]] = {day: [] for day in window.days}
        for stored in held:
            by_day[stored.day].append(stored)
        for day, stored_then in by_day.items():
            if not stored_then and not source.may_be_empty:
                context.log.warning(f"no payload of {day} is held: nothing to build there")
            metadata = _summary(stored_then)
            if stored_then:
                rows = manifest(stored_then).to_pylist()
                columns = ["captured_at", "zone", "bytes", "key"]
                metadata["newest_payloads"] = rows_table(rows, columns)
            context.add_asset_metadata(metadata, partition_key=str(day))
        return dg.MaterializeResult()

    return land


def landing_event(source: Source, payloads: PayloadStore, day: date) -> dg.AssetMaterialization:
    """What a sensor reports of a day that payloads were landed in, by whomever."""
    return dg.AssetMaterialization(
        dg.AssetKey(landing_key(source)),
        partition=str(day),
        metadata=_summary(held_in(payloads, DayRange(day, day))),
    )


def _summary(held: list[StoredPayload]) -> dict[str, Any]:
    """What the UI shows of a day's payloads, few enough bytes to be kept every minute."""
    zones = Counter(stored.zone for stored in held)
    counts = {"payloads": len(held), "bytes": sum(stored.size for stored in held)}
    counts |= {str(zone): zones[zone] for zone in Zone}
    if not held:
        return counts
    return counts | {
        "first_captured_at": str(held[0].captured_at),
        "last_captured_at": str(held[-1].captured_at),
    }
