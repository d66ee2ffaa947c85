"""Payloads that others landed (a poller elsewhere, an import, a script) are noticed, reported."""

import hashlib
from collections.abc import Sequence
from datetime import date

import dagster as dg
import msgspec

from predictit_assets.contract.source import Source
from predictit_assets.layers.landing import landing_event, landing_key
from predictit_assets.layers.raw import raw_key
from predictit_assets.storage.payloads import PayloadStore, Zone

MAX_DAYS = 200
"""Days looked at in one tick; the others are at the next ones."""

NOTHING = ""
Seen = dict[str, dict[date, str]]
"""By source and day: what was seen when the day was last reported."""


def landing_sensor(chains: Sequence[tuple[Source, PayloadStore]]) -> dg.SensorDefinition:
    """Report the landing partitions of days whose payloads wait to be proven."""

    @dg.sensor(
        name="notice_landed_payloads",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Looks at which payloads lie in landing, whoever landed them, and reports their days. "
            "It remembers what it saw, not when: nothing is skipped while it is off."
        ),
    )
    def notice(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen = msgspec.json.decode(context.cursor or "{}", type=Seen)
        remembered: Seen = {}
        events = []
        for source, payloads in chains:
            before = seen.get(source.dataset, {})
            waiting = payloads.days(Zone.LANDING)
            # Days never seen come first, so that none waits for ever.
            looked = sorted(waiting, key=lambda day: (day in before, day))[:MAX_DAYS]
            proven = _latest_reports(context.instance, raw_key(source), looked)
            landed = _latest_reports(context.instance, landing_key(source), looked)
            after = {day: before[day] for day in waiting if day in before}
            for day in looked:
                after[day] = _look(payloads, day, proven.get(day, 0))
                if after[day] == before.get(day, NOTHING) or after[day] == NOTHING:
                    continue
                event = landing_event(source, payloads, day)
                if landed.get(day, 0) > proven.get(day, 0) and _repeats(context.instance, event):
                    continue
                events.append(event)
            remembered[source.dataset] = after
        return dg.SensorResult(
            asset_events=events,
            skip_reason=f"{len(events)} days with new payloads",
            cursor=msgspec.json.encode(remembered).decode(),
        )

    return notice


def _look(payloads: PayloadStore, day: date, validation: int) -> str:
    """What waits in a day's landing, and since which validation.

    A payload that came too late for a run is still there after it: another look, another report.
    """
    waiting = [
        stored.key
        for stored in payloads.held(Zone.LANDING, day)
        # The check on landing tells of the others; no run would move them on.
        if stored.name and stored.name.day == day
    ]
    if not waiting:
        return NOTHING
    return hashlib.sha256("\n".join([*waiting, str(validation)]).encode()).hexdigest()[:16]


def _latest_reports(
    instance: dg.DagsterInstance, key: Sequence[str], days: Sequence[date]
) -> dict[date, int]:
    """The storage id of the newest materialization of each day that has one."""
    found = instance.event_log_storage.get_latest_storage_id_by_partition(
        dg.AssetKey(list(key)),
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        partitions={str(day) for day in days},
    )
    return {date.fromisoformat(day): storage_id for day, storage_id in found.items()}


def _repeats(instance: dg.DagsterInstance, event: dg.AssetMaterialization) -> bool:
    """Whether the newest report of the day counts as many payloads, as that of a poll does."""
    wanted = dg.AssetRecordsFilter(event.asset_key, asset_partitions=[str(event.partition)])
    records = instance.fetch_materializations(wanted, limit=1).records
    reported = records[0].asset_materialization if records else None
    return bool(reported and reported.metadata.get("payloads") == event.metadata["payloads"])
