"""Whether an API may go on being asked: that it accepts the key, and that its calls last."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from predictit_assets.errors import KEY_ACCEPTED
from predictit_assets.fetch.rate_limit import HostRateLimit
from predictit_assets.storage.asked import RefusedKey

CALLS_LEFT = "calls_left"
"""The check that fails while the calls of the month don't last."""
NEAR_THE_END = 0.1
"""The share of the month's calls that is little, where nothing says what is needed of them."""
TOLERATED = 0.01
"""The share of the month's calls by which polls may fall short: a call that was repeated is none
of the things that anybody need look at."""


@dataclass(frozen=True)
class AccessCheck:
    """A check of an asset that nobody has to make for it to fail."""

    key: dg.AssetCheckKey
    description: str
    judge: Callable[[datetime], dg.AssetCheckResult]

    def evaluate(self, instance: dg.DagsterInstance | None = None) -> dg.AssetCheckResult:  # noqa: ARG002
        """How it stands now."""
        return self.judge(datetime.now(UTC))


def access_checks(
    asset: Sequence[str], key: RefusedKey | None, limit: HostRateLimit | None
) -> list[AccessCheck]:
    """The checks of a source, on the landing asset of what is asked of it.

    `key`: None where no key is shown; `limit`: None where nobody counts.
    """
    on = dg.AssetKey(list(asset))
    checks = []
    if key:
        checks.append(
            AccessCheck(
                dg.AssetCheckKey(on, KEY_ACCEPTED),
                "The API accepted the key when it was last asked.",
                lambda _now: key_accepted(key),
            )
        )
    if limit and limit.a_month is not None:
        checks.append(
            AccessCheck(
                dg.AssetCheckKey(on, CALLS_LEFT),
                "The calls that are left of the month cover the polls to come; without polls a "
                f"{NEAR_THE_END:.0%} is left.",
                lambda now: calls_left(limit, now),
            )
        )
    return checks


def key_accepted(key: RefusedKey) -> dg.AssetCheckResult:
    """Whether the API refused the key when it was last asked."""
    said = key.said()
    return dg.AssetCheckResult(
        passed=said is None,
        severity=dg.AssetCheckSeverity.ERROR,
        description=f"the key is refused: {said}" if said else "the key is accepted",
    )


def calls_left(limit: HostRateLimit, now: datetime) -> dg.AssetCheckResult:
    """Whether the calls of the month last until its end."""
    allowed = limit.a_month or 0
    left = max(0, allowed - limit.spent(now))
    needed = limit.polls_to_come(now)
    if limit.for_polls:
        passed = needed - left <= TOLERATED * allowed
        ends = now + timedelta(seconds=left / limit.for_polls)
        lack = f"; polls need {needed:,} more, and end on {ends:%Y-%m-%d %H:%M} UTC"
    else:
        passed = left > NEAR_THE_END * allowed
        lack = ""
    return dg.AssetCheckResult(
        passed=passed,
        severity=dg.AssetCheckSeverity.WARN if left else dg.AssetCheckSeverity.ERROR,
        description=f"{left:,} of the month's {allowed:,} calls are left{'' if passed else lack}",
        metadata={"spent": limit.spent(now), "left": left, "needed_by_polls": needed},
    )


def access_check_definitions(checks: Iterable[AccessCheck]) -> list[dg.AssetChecksDefinition]:
    """The checks as ones that anybody can run; a sensor evaluates them at an interval."""
    return [_definition(check) for check in checks]


def _definition(check: AccessCheck) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=check.key.asset_key, name=check.key.name, description=check.description)
    def evaluated() -> dg.AssetCheckResult:
        return check.evaluate()

    return evaluated
