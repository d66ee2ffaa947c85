"""Whether what a collector took is landed in time, where its spool is at hand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from predictit_assets.contract.calendar import age_text
from predictit_assets.fetch.spool import waiting_since

LANDED_IN_TIME = "landed_in_time"
"""The check's name, on landing."""
LONGEST_WAIT = timedelta(minutes=10)
"""A segment is closed after a minute and landed then; more is a store that is away."""


@dataclass(frozen=True)
class SpoolAge:
    """How long the oldest segment of a spool waits."""

    asset: dg.AssetKey
    """What it is landed into."""
    folder: Path

    @property
    def check(self) -> dg.AssetCheckKey:
        """The check that tells it."""
        return dg.AssetCheckKey(self.asset, LANDED_IN_TIME)

    def evaluate(self, instance: dg.DagsterInstance | None = None) -> dg.AssetCheckResult | None:  # noqa: ARG002
        """Whether it waits for too long; None where no collector keeps its spool."""
        return self.result() if self.folder.is_dir() else None

    def result(self) -> dg.AssetCheckResult:
        """The same, also where there is no spool."""
        since = waiting_since(self.folder)
        age = datetime.now(UTC) - since if since else timedelta()
        return dg.AssetCheckResult(
            passed=age <= LONGEST_WAIT,
            severity=dg.AssetCheckSeverity.WARN,
            description=(
                f"the oldest segment that waits is {age_text(age)}: see the collector's log"
                if age > LONGEST_WAIT
                else "nothing waits for long"
            ),
            metadata={"oldest": str(since)},
        )


def spool_check(age: SpoolAge) -> dg.AssetChecksDefinition:
    """The age as a check that anybody can run; a sensor evaluates it at an interval."""

    @dg.asset_check(
        asset=age.asset,
        name=LANDED_IN_TIME,
        description=(
            "No segment of the collector waits to be landed for more than "
            f"{LONGEST_WAIT // timedelta(minutes=1)} minutes, where its spool is at hand."
        ),
    )
    def check() -> dg.AssetCheckResult:
        return age.result()

    return check
