"""Payloads that others landed (a poller elsewhere, an import, a collector) are reported."""

import hashlib
from collections.abc import Sequence
from datetime import date

import dagster as dg
import msgspec

from predictit_assets.layers.landing import landing_event
from predictit_assets.layers.raw import FUTURE, quarantine_future
from predictit_assets.storage.payloads import Zone
from predictit_assets.storage.stream import Stream

MAX_DAYS = 200
"""Days of a dataset looked at in one tick; the others are at the next ones."""

NOTHING = ""
Seen = dict[str, dict[date, str]]
"""By dataset and day: what was seen when the day was last reported."""


def landing_sensor(source: str, streams: Sequence[Stream]) -> dg.SensorDefinition:
    """Report the landing partitions of days whose payloads wait to be validated."""

    @dg.sensor(
        name=f"report_landed_{source}",
        target=[dg.AssetKey(stream.key("landing")) for stream in streams],
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Looks at which payloads of {source} lie in landing, whoever landed them, and reports "
            "their days. It remembers what it saw, not when: nothing is skipped while it is off."
        ),
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        seen = msgspec.json.decode(context.cursor or "{}", type=Seen)
        remembered: Seen = {}
        events = []
        for stream in streams:
            name = stream.dataset.name
            before = seen.get(name, {})
            waiting = []
            for day in stream.payloads.days(Zone.LANDING):
                if day <= stream.calendar.today():
                    waiting.append(day)
                elif count := quarantine_future(stream, day, Zone.LANDING):
                    # Days to come have no partition: no run would tell of it.
                    context.log.warning(f"{count} payloads of {day} are quarantined: {FUTURE}")
            # Days never seen come first, so that none waits for ever.
            looked = sorted(waiting, key=lambda day: (day in before, day))[:MAX_DAYS]
            valid = _latest_reports(context.instance, stream.key("raw"), looked)
            landed = _latest_reports(context.instance, stream.key("landing"), looked)
            after = {day: before[day] for day in waiting if day in before}
            for day in looked:
                after[day] = _look(stream, day, valid.get(day, 0))
                if after[day] == before.get(day, NOTHING) or after[day] == NOTHING:
                    continue
                event = landing_event(stream, day)
                if landed.get(day, 0) > valid.get(day, 0) and _repeats(context.instance, event):
                    continue
                events.append(event)
            remembered[name] = after
        return dg.SensorResult(
            asset_events=events,
            skip_reason=f"{len(events)} days with new payloads",
            cursor=msgspec.json.encode(remembered).decode(),
        )

    return report


def _look(stream: Stream, day: date, validated: int) -> str:
    """What waits in a day's landing, and since which validation.

    A payload that came too late for a run is still there after it: another look, another report.
    """
    waiting = [
        stored.key
        for stored in stream.payloads.held(Zone.LANDING, day)
        # The check on landing tells of the others; no run would move them on.
        if stream.payloads.in_own_day(stored)
    ]
    if not waiting:
        return NOTHING
    return hashlib.sha256("\n".join([*waiting, str(validated)]).encode()).hexdigest()[:16]


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
