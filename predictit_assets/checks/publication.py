"""Publication: whether PostgreSQL serves what the warehouse holds, or how long that has waited."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

import dagster as dg

PUBLISHED = "published"
"""The check's name."""
LIMIT = timedelta(hours=2)
"""How long something that was made may wait to be served."""
RULE = "what was made is served within 2 hours"


def unpublished(instance: dg.DagsterInstance, model: dg.AssetKey, served: dg.AssetKey) -> set[date]:
    """The days of which the table was made anew since it was last published.

    Their rows may be others, though as many as before.
    """
    return {date.fromisoformat(day) for day in _waiting(instance, model, served)}


@dataclass(frozen=True)
class Publication:
    """The tables of a source that are served: the asset of each by that of its model."""

    source: str
    by_day: Mapping[dg.AssetKey, dg.AssetKey]
    """Those of which days are replaced."""
    whole: Mapping[dg.AssetKey, dg.AssetKey]

    @property
    def asset(self) -> dg.AssetKey:
        """The asset that bears the check: they are published together."""
        return next(iter({**self.by_day, **self.whole}.values()))

    @property
    def check(self) -> dg.AssetCheckKey:
        """The check that tells it."""
        return dg.AssetCheckKey(self.asset, PUBLISHED)

    def waiting_since(self, instance: dg.DagsterInstance) -> datetime | None:
        """When the first of what isn't served was made, aware UTC; None when all is served."""
        waiting = [
            *(_day_waits(instance, *pair) for pair in self.by_day.items()),
            *(_table_waits(instance, *pair) for pair in self.whole.items()),
        ]
        return min((since for since in waiting if since), default=None)

    def evaluate(self, instance: dg.DagsterInstance) -> dg.AssetCheckResult:
        """Publication as the result of a check."""
        since = self.waiting_since(instance)
        waits = datetime.now(UTC) - since if since else timedelta()
        told = f"{since:%Y-%m-%d %H:%M} UTC" if since else ""
        return dg.AssetCheckResult(
            passed=waits <= LIMIT,
            severity=dg.AssetCheckSeverity.ERROR,
            description=f"PostgreSQL lacks what was made at {told}" if since else RULE,
            metadata={"waiting_since": told or "nothing waits"},
        )


def publication_check(publication: Publication) -> dg.AssetChecksDefinition:
    """Publication as an asset check that anybody can run; a sensor evaluates it at an interval."""

    @dg.asset_check(
        asset=publication.asset,
        name=PUBLISHED,
        description=f"{RULE[0].upper()}{RULE[1:]}, of all tables of {publication.source}.",
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return publication.evaluate(context.instance)

    return check


class _Events(NamedTuple):
    """Of a day: storage ids of what happened last."""

    made: int
    published: int
    """0: never."""


def _waiting(
    instance: dg.DagsterInstance, model: dg.AssetKey, served: dg.AssetKey
) -> dict[str, _Events]:
    """The days that were made after they were published last."""
    published = _newest(instance, served)
    days = {
        day: _Events(event, published.get(day, 0))
        for day, event in _newest(instance, model).items()
    }
    return {day: events for day, events in days.items() if events.made > events.published}


def _newest(instance: dg.DagsterInstance, key: dg.AssetKey) -> Mapping[str, int]:
    return instance.event_log_storage.get_latest_storage_id_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION
    )


def _day_waits(
    instance: dg.DagsterInstance, model: dg.AssetKey, served: dg.AssetKey
) -> datetime | None:
    """Since when the day has waited that was left alone for the longest time."""
    waiting = _waiting(instance, model, served)
    if not waiting:
        return None
    day = min(waiting, key=lambda one: waiting[one].made)
    return _first_after(instance, model, waiting[day].published, day)


def _table_waits(
    instance: dg.DagsterInstance, model: dg.AssetKey, served: dg.AssetKey
) -> datetime | None:
    published = max(_newest(instance, served).values(), default=0)
    if published >= max(_newest(instance, model).values(), default=0):
        return None
    return _first_after(instance, model, published)


def _first_after(
    instance: dg.DagsterInstance, key: dg.AssetKey, event: int, day: str | None = None
) -> datetime | None:
    wanted = dg.AssetRecordsFilter(
        key, asset_partitions=[day] if day else None, after_storage_id=event
    )
    found = instance.fetch_materializations(wanted, limit=1, ascending=True).records
    return datetime.fromtimestamp(found[0].timestamp, UTC) if found else None
