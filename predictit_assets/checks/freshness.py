"""How old things may be: of each layer its newest materialization, and of the odds themselves.

Dagster's policies see when an asset was last made, be it for a day of last year. So the age of the
newest payload and of the newest published poll is checked beside them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.source import Source
from predictit_assets.errors import NothingPublished
from predictit_assets.layers.landing import held_in, landing_key
from predictit_assets.storage.payloads import PayloadStore
from predictit_assets.storage.warehouse import Warehouse

FRESH = "fresh"
"""The check's name, on each asset that it is about."""


@dataclass(frozen=True)
class Limits:
    """From what age on it is told, and from what age on it is wrong."""

    warn: timedelta
    fail: timedelta

    def policy(self) -> dg.FreshnessPolicy:
        """As Dagster's policy."""
        return dg.FreshnessPolicy.time_window(fail_window=self.fail, warn_window=self.warn)


POLLED = Limits(warn=timedelta(minutes=10), fail=timedelta(minutes=30))
"""What is asked for every minute."""
HOURLY = Limits(warn=timedelta(minutes=90), fail=timedelta(hours=3))
"""What is made anew every hour."""

BY_LAYER = {
    "landing": POLLED,
    **dict.fromkeys(("raw", "curated", "staging", "core", "marts", "live", "report"), HOURLY),
}


@dataclass(frozen=True)
class DataAge:
    """Of which asset's data the newest moment is known, and how old it may be."""

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
        old = datetime.now(UTC) - newest if newest else None
        passed = old is not None and old <= self.limits.warn
        failed = old is None or old > self.limits.fail
        told = "the newest data is " + (f"{_span(old)} old" if old else "none at all")
        return dg.AssetCheckResult(
            passed=passed,
            severity=dg.AssetCheckSeverity.ERROR if failed else dg.AssetCheckSeverity.WARN,
            description=told,
            metadata={"newest": str(newest)},
        )


def ages(source: Source, payloads: PayloadStore, warehouse: Warehouse) -> list[DataAge]:
    """What is as old as its data: the payloads received, and the odds published."""

    def newest_payload() -> datetime | None:
        days = payloads.days()
        held = held_in(payloads, DayRange(days[-1], days[-1])) if days else []
        return held[-1].captured_at if held else None

    def newest_poll() -> datetime | None:
        try:
            with warehouse.reading() as ask:
                ((newest,),) = ask("select max(last_seen_ts) as newest from core.dim_markets")
        except NothingPublished:
            return None
        return newest.replace(tzinfo=UTC) if newest else None

    return [
        DataAge(dg.AssetKey(landing_key(source)), newest_payload, POLLED),
        DataAge(dg.AssetKey(["core", "predictit", "fact_prices"]), newest_poll, HOURLY),
    ]


def fresh_checks(watched: Iterable[DataAge]) -> list[dg.AssetChecksDefinition]:
    """The ages as asset checks that anybody can run; a sensor does so on its own beat."""
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
