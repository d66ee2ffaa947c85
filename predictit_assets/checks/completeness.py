"""The inventory: which days are held and yet not published, or failed, and how to mend them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import dagster as dg

from predictit_assets.contract.calendar import consecutive, today
from predictit_assets.errors import NothingPublished
from predictit_assets.storage.payloads import PayloadStore, Zone
from predictit_assets.storage.warehouse import Warehouse

FACT = dg.AssetKey(["core", "predictit", "fact_prices"])
COMPLETENESS = "inventory"
"""The check's name."""
MAX_STRETCHES = 20
PUBLISHED_DAYS = "select distinct partition_date from core.market_attribute_runs"


@dataclass(frozen=True)
class Completeness:
    """What is held and what became of it."""

    payloads: PayloadStore
    warehouse: Warehouse
    partitions: dg.DailyPartitionsDefinition

    @property
    def check(self) -> dg.AssetCheckKey:
        """The check that tells it."""
        return dg.AssetCheckKey(FACT, COMPLETENESS)

    def faults(self, instance: dg.DagsterInstance) -> Mapping[str, list[date]]:
        """The days that somebody should look at, by what is the matter with them. Not today."""
        held = {day for day in self.payloads.days(Zone.RAW) if day < today()}
        waiting = {
            day
            for day in self.payloads.days(Zone.LANDING)
            if day < today() and self.payloads.held(Zone.LANDING, day)
        }
        keys = self.partitions.get_partition_keys()
        status = instance.get_status_by_partition(FACT, keys, self.partitions) or {}
        failed = {
            date.fromisoformat(day)
            for day, what in status.items()
            if what and what.value == "FAILED"
        }
        return {
            "failed in their last run": sorted(failed),
            "waiting in landing to be proven": sorted(waiting - failed),
            "proven but not published": sorted(held - self._published() - failed - waiting),
        }

    def _published(self) -> set[date]:
        try:
            with self.warehouse.reading() as ask:
                return {day for (day,) in ask(PUBLISHED_DAYS)}
        except NothingPublished:
            return set()

    def evaluate(self, instance: dg.DagsterInstance) -> dg.AssetCheckResult:
        """The inventory as the result of a check."""
        faults = {what: days for what, days in self.faults(instance).items() if days}
        listed = [
            f"- {len(days)} days {what}: "
            + ", ".join(
                f"`predictit build --from {stretch.first} --to {stretch.last}`"
                for stretch in consecutive(days)[:MAX_STRETCHES]
            )
            for what, days in faults.items()
        ]
        return dg.AssetCheckResult(
            passed=not faults,
            severity=dg.AssetCheckSeverity.WARN,
            description="; ".join(f"{len(days)} days {what}" for what, days in faults.items())
            or None,
            metadata={
                "days": dg.MetadataValue.int(sum(map(len, faults.values()))),
                **({"how_to_mend": dg.MetadataValue.md("\n".join(listed))} if faults else {}),
            },
        )


def completeness_check(inventory: Completeness) -> dg.AssetChecksDefinition:
    """The inventory as an asset check that anybody can run; a sensor does so on its own beat."""

    @dg.asset_check(
        asset=FACT,
        name=COMPLETENESS,
        description="Each day of which payloads are held is published, and none failed last.",
    )
    def check(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        return inventory.evaluate(context.instance)

    return check
