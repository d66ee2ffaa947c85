"""How old things may be: of each layer its newest materialization, and of the data itself.

Dagster's policies see when an asset was last made, even if it was for a day of last year. So the
age of the newest payload and of the newest published data is checked beside them.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from predictit_assets.contract.payload import is_in_the_future
from predictit_assets.contract.settings import SourceSettings
from predictit_assets.contract.source import Limits, Source
from predictit_assets.errors import NothingPublished
from predictit_assets.layers.landing import held_in
from predictit_assets.storage.stream import Stream
from predictit_assets.storage.warehouse import Warehouse

FRESH = "fresh"
"""The check's name, on each asset that it is about."""


def policy(limits: Limits) -> dg.FreshnessPolicy:
    """Limits as Dagster's policy."""
    return dg.FreshnessPolicy.time_window(fail_window=limits.fail, warn_window=limits.warn)


@dataclass(frozen=True)
class DataAge:
    """The newest moment in an asset's data, and how old it may be."""

    asset: dg.AssetKey
    newest: Callable[[], datetime | None]
    """Aware UTC; None when there is nothing."""
    limits: Limits

    @property
    def check(self) -> dg.AssetCheckKey:
        """The check that tells it."""
        return dg.AssetCheckKey(self.asset, FRESH)

    def evaluate(self, instance: dg.DagsterInstance | None = None) -> dg.AssetCheckResult:  # noqa: ARG002
        """Whether the data is young enough now."""
        newest = self.newest()
        age = datetime.now(UTC) - newest if newest else None
        passed = age is not None and age <= self.limits.warn
        failed = age is None or age > self.limits.fail
        return dg.AssetCheckResult(
            passed=passed,
            severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
            description=f"the newest data is {_span(age)} old" if age else "there is no data",
            metadata={"newest": str(newest)},
        )


def ages(
    source: Source, settings: SourceSettings, streams: Sequence[Stream], warehouse: Warehouse
) -> list[DataAge]:
    """What is as old as its data: the payloads received, and what is published of them."""
    found = [
        DataAge(dg.AssetKey(stream.key("landing")), _newest_payload(stream), limits)
        for stream in streams
        if (limits := stream.dataset.age_of_newest(settings))
    ]
    published = source.published
    if published and found and source.max_age:
        key = dg.AssetKey(streams[0].key("core", published.table))
        found.append(DataAge(key, _newest_published(published.newest, warehouse), source.max_age))
    return found


def _newest_payload(stream: Stream) -> Callable[[], datetime | None]:
    def newest() -> datetime | None:
        # What a clock made up that was ahead makes nothing look fresh.
        days = [day for day in stream.payloads.days() if day <= stream.calendar.today()]
        held = held_in(stream.payloads, days[-1:])
        times = [stored.captured_at for stored in held if not is_in_the_future(stored.captured_at)]
        return times[-1] if times else None

    return newest


def _newest_published(sql: str, warehouse: Warehouse) -> Callable[[], datetime | None]:
    def newest() -> datetime | None:
        try:
            with warehouse.read_connection() as query:
                ((moment,),) = query(sql)
        except NothingPublished:
            return None
        return moment.replace(tzinfo=UTC) if moment else None

    return newest


def fresh_checks(watched: Iterable[DataAge]) -> list[dg.AssetChecksDefinition]:
    """The ages as asset checks that anybody can run; a sensor evaluates them at an interval."""
    return [_fresh_check(age) for age in watched]


def _fresh_check(age: DataAge) -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=age.asset,
        name=FRESH,
        description=(
            f"The newest data is at most {_span(age.limits.warn)} old; from "
            f"{_span(age.limits.fail)} on it is an error."
        ),
    )
    def check() -> dg.AssetCheckResult:
        return age.evaluate()

    return check


def _span(span: timedelta) -> str:
    minutes = span // timedelta(minutes=1)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h"
