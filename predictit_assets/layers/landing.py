"""Landing: each payload as it was received."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date
from typing import Any

import dagster as dg
import pyarrow

from predictit_assets.contract.arrival import (
    Arrival,
    ByDay,
    Dropped,
    PerEntity,
    Polled,
    Pushed,
)
from predictit_assets.contract.calendar import DayRange, spelt
from predictit_assets.contract.manifests import LandingManifest
from predictit_assets.contract.schema import record_batch
from predictit_assets.errors import NothingHeld
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.partitions import days_of_context, mark_days
from predictit_assets.layers.intake import Fetched, Intake
from predictit_assets.layers.specs import layer_asset, origin_key, rows_table, spec
from predictit_assets.storage.payloads import PayloadStore, StoredPayload, Zone
from predictit_assets.storage.stream import HeldDays, Stream
from predictit_assets.storage.warehouse import Warehouse
from predictit_assets.text import printable

WAYS: dict[type[Arrival], str] = {
    Polled: "Today's partition polls the API.",
    ByDay: (
        "The API has a past: a partition or a backfill asks about its days that are due, and "
        "today's partition alone asks about every day that is due."
    ),
    PerEntity: "Today's partition asks for what other assets name and has no answer yet.",
    Pushed: "Batches of what clients post are landed by who receives them.",
    Dropped: "Files are landed by `predictit import`, from a folder, or from an address.",
}
"""How payloads arrive, for the UI."""
FETCHED_HOST, FETCHED_SHA256 = "predictit/fetched_host", "predictit/fetched_sha256"
"""Tags of a run that fetched an address: whom it asked, and the hash of what came."""


class LandingConfig(dg.Config):
    """How to materialize landing."""

    held_only: bool = False
    """Don't call the API; report what is stored for the days, even if nothing is."""


def held_in(payloads: PayloadStore, days: Iterable[date]) -> list[StoredPayload]:
    """Every payload that the store holds of some days, in whatever zone, by capture time."""
    return _by_time(
        [stored for day in days for zone in Zone for stored in payloads.held(zone, day)]
    )


def _by_time(held: list[StoredPayload]) -> list[StoredPayload]:
    return sorted(held, key=lambda stored: (stored.captured_at, stored.key))


def manifest(payloads: PayloadStore, held: list[StoredPayload]) -> pyarrow.RecordBatch:
    """The landing manifest of stored payloads. One row per object."""
    names = [stored.name for stored in held]
    return record_batch(
        LandingManifest,
        {
            "partition_date": [stored.day for stored in held],
            "captured_at": [name and name.captured_at.replace(tzinfo=None) for name in names],
            "part": [stored.part for stored in held],
            "zone": [str(stored.zone) for stored in held],
            "key": [stored.key for stored in held],
            "bytes": [stored.size for stored in held],
            "sha256": [name and name.sha256 for name in names],
            "own_day": [payloads.own_day(stored) for stored in held],
        },
    )


def landing_asset(
    intake: Intake,
    warehouse: Warehouse,
    partitions: dg.DailyPartitionsDefinition,
    held: HeldDays,
) -> dg.AssetsDefinition:
    """Each payload of a stream, byte for byte."""
    stream = intake.stream
    payloads = stream.payloads
    ways = " ".join(WAYS[type(one)] for one in stream.dataset.arrivals)

    @layer_asset(
        f"landing_{stream.name}",
        [
            spec(
                stream,
                "landing",
                None,
                LandingManifest,
                deps=[origin_key(stream.names, stream.source.name).path],
                kinds={"json", "gzip"} if ".json" in stream.dataset.suffix else {"gzip"},
                description=(
                    f"{stream.dataset.description} Each payload byte for byte, one gzipped object "
                    "each, named by its UTC capture time and a hash of its content. "
                    f"{ways} Any other day reports what the store holds of it. The columns are "
                    "those of the manifest, one row per stored payload."
                ),
            )
        ],
        partitions,
    )
    def land(context: dg.AssetExecutionContext, config: LandingConfig) -> Iterator[Any]:
        window = days_of_context(context)
        with fail_on_expected_error(context.op_execution_context):
            if not config.held_only:
                told = _fetch(intake, warehouse, window, context.log.info, context.log.warning)
                if told:
                    # No day is the one that a dump is about: what came is told of the run.
                    tags = {FETCHED_HOST: told.host, FETCHED_SHA256: told.sha256}
                    context.instance.add_run_tags(context.run_id, tags)
            days = held(window)
            # A run that asks about due days needs nothing of its own day.
            if not (days or stream.may_be_empty or config.held_only or intake.way(ByDay)):
                raise NothingHeld(_nothing_held(intake, window))
            by_day: dict[date, list[StoredPayload]] = {day: [] for day in days}
            for stored in held_in(payloads, days):
                by_day[stored.day].append(stored)
        if empty := set(window.days) - set(days):
            context.log.warning(f"nothing is held of {spelt(empty)}: nothing to make there")
        for day, stored_then in by_day.items():
            metadata = _summary(stored_then)
            if stored_then:
                rows = manifest(payloads, stored_then).to_pylist()
                columns = ["captured_at", "part", "zone", "bytes", "key"]
                metadata["newest_payloads"] = rows_table(rows, columns)
            context.add_asset_metadata(metadata, partition_key=str(day))
        yield from mark_days(context, [dg.MaterializeResult()], days)

    return land


def _nothing_held(intake: Intake, days: DayRange) -> str:
    text = f"the store holds no payload of {days}, and the API has no past"
    if intake.files:
        text += f": `predictit import {intake.stream.source.name} PATH` brings in saved payloads"
    return text


def _fetch(
    intake: Intake,
    warehouse: Warehouse,
    days: DayRange,
    log: Callable[[str], None],
    warn: Callable[[str], None],
) -> Fetched | None:
    """Ask for what these partitions may ask for; what an address gave. Raises FetchError."""
    fetched: list[Fetched] = []
    today = intake.stream.calendar.today()
    is_today = days == DayRange(today, today)
    if intake.way(ByDay):
        result = intake.ask_due(log, None if is_today else days.days)
        log(f"{result.calls} calls: {len(result.asked)} days asked, {result.landed} new answers")
        for day, refusal in result.refused.items():
            warn(f"{day} is refused: {refusal}")
        for day, fault in result.failed.items():
            warn(f"{day} failed and stays due: {fault}")
        if result.left:
            warn(f"{len(result.left)} days stay due: the calls of one run are spent")
    if not is_today:
        return None
    if intake.way(Polled):
        for stored in intake.poll(intake.client(log, None)):
            log(f"landed {stored.key}" if stored else "the answer is held already")
    if per_entity := intake.way(PerEntity):
        rows = intake.pending(warehouse)
        for reply in intake.ask_pending(rows, log, per_entity.max_calls(intake.settings)):
            if reply.fault:
                warn(f"{reply.row!r:.60}: {reply.fault}")
            elif reply.stored:
                log(f"landed {reply.stored.key}")
            else:
                log("the answer is held already")
    if intake.way(Dropped):
        for one in intake.fetch_address(log, fetched.append):
            if one.refused:
                warn(printable(f"refused: {one.file}: {one.refused}"))
    return fetched[0] if fetched else None


def landing_event(
    stream: Stream, day: date, landed: Sequence[StoredPayload] | None = None
) -> dg.AssetMaterialization:
    """What a sensor reports of a day in which payloads were landed, by whomever.

    `landed` are those that lie in landing, where they were listed already.
    """
    payloads = stream.payloads
    held = [*(payloads.held(Zone.LANDING, day) if landed is None else landed)]
    held += [one for zone in Zone if zone is not Zone.LANDING for one in payloads.held(zone, day)]
    return dg.AssetMaterialization(
        dg.AssetKey(stream.key("landing")),
        partition=str(day),
        metadata=_summary(_by_time(held)),
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
