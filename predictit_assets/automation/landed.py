"""Payloads that others landed (a poller elsewhere, an import, a collector) are reported."""

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import date

import dagster as dg
import msgspec

from predictit_assets.instance.ticks import Clock, TickTime
from predictit_assets.layers.landing import landing_event
from predictit_assets.layers.raw import FUTURE, quarantine_future
from predictit_assets.storage.payloads import StoredPayload, Zone
from predictit_assets.storage.stream import Stream

MAX_DAYS = 200
"""Days of a dataset looked at in one tick; the others are at the next ones."""

NOTHING = ""
Seen = dict[str, dict[date, str]]
"""By dataset and day, the day looked at last at the end: what was seen of it."""


def landing_sensor(
    source: str, streams: Sequence[Stream], first: date, clock: Clock = time.monotonic
) -> dg.SensorDefinition:
    """Report the landing partitions of days whose payloads wait to be validated.

    `first` is the first partition.
    """

    @dg.sensor(
        name=f"report_landed_{source}",
        target=[dg.AssetKey(stream.key("landing")) for stream in streams],
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Looks at which payloads of {source} lie in landing, whoever landed them, and reports "
            "their days. It remembers what it saw, not when: nothing is skipped while it is off, "
            "and what it has no time for in one tick it looks at in the next ones."
        ),
    )
    def report(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        time_of_tick = TickTime(clock)
        before = msgspec.json.decode(context.cursor or "{}", type=Seen)
        seen: Seen = {}
        early = 0
        queue: list[tuple[int, Stream, date]] = []
        reports: dict[str, tuple[dict[date, int], dict[date, int]]] = {}
        for stream in streams:
            name = stream.dataset.name
            waiting = []
            for day in stream.payloads.days(Zone.LANDING):
                if day <= stream.calendar.today():
                    waiting.append(day)
                    early += stream.start <= day < first
                elif count := quarantine_future(stream, day, Zone.LANDING):
                    # Days to come have no partition: no run would tell of it.
                    context.log.warning(f"{count} payloads of {day} are quarantined: {FUTURE}")
            known = before.get(name, {})
            seen[name] = {day: known[day] for day in known if day in waiting}
            days = _in_turn(waiting, seen[name])
            valid = _latest_reports(context.instance, stream.key("raw"), days)
            landed = _latest_reports(context.instance, stream.key("landing"), days)
            reports[name] = valid, landed
            queue += [(rank, stream, day) for rank, day in enumerate(days)]
        events = []
        left = len(queue)
        # A day of each dataset in turn: none waits for the backlog of another.
        for _rank, stream, day in sorted(queue, key=lambda one: one[0]):
            if left < len(queue) and time_of_tick.is_up():
                break
            left -= 1
            days_seen = seen[stream.dataset.name]
            valid, landed = reports[stream.dataset.name]
            held = stream.payloads.held(Zone.LANDING, day)
            was = days_seen.pop(day, NOTHING)
            days_seen[day] = _look(stream, held, valid.get(day, 0))
            if days_seen[day] in (was, NOTHING):
                continue
            event = landing_event(stream, day, held)
            if landed.get(day, 0) > valid.get(day, 0) and _repeats(context.instance, event):
                continue
            events.append(event)
        later = f"; {left} days are left to the next tick" if left else ""
        if early:
            # A home that nobody gave a start began with the first day that it held then.
            later += f"; {early} before the first partition, {first}: reload the code location"
        return dg.SensorResult(
            asset_events=events,
            skip_reason=f"{len(events)} days with new payloads{later}",
            cursor=msgspec.json.encode(seen).decode(),
        )

    return report


def _in_turn(waiting: Sequence[date], seen: Mapping[date, str]) -> list[date]:
    """The days to look at, in their order: none waits for ever.

    The newest day is where payloads come from minute to minute. The days never seen follow, then
    those that were looked at longest ago.
    """
    unseen = [day for day in reversed(waiting) if day not in seen]
    return list(dict.fromkeys([*waiting[-1:], *[*unseen, *seen][:MAX_DAYS]]))


def _look(stream: Stream, held: Sequence[StoredPayload], validated: int) -> str:
    """What waits of the payloads of a day in landing, and since which validation.

    A payload that came too late for a run is still there after it: another look, another report.
    """
    waiting = [
        stored.key
        for stored in held
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
