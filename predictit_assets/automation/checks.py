"""Checks that time alone can fail: evaluated at an interval, though nothing ran."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import dagster as dg
import msgspec

from predictit_assets.instance.ticks import Clock, TickTime

REPEATED_AFTER = 3600.0
"""Seconds after which a result is reported again though it is the same."""


@dataclass(frozen=True)
class WatchedCheck:
    """A check, and how it is evaluated."""

    key: dg.AssetCheckKey
    evaluate: Callable[[dg.DagsterInstance], dg.AssetCheckResult]


class Reported(msgspec.Struct):
    """What was last reported of a check."""

    passed: bool
    severity: str
    at: float
    """Unix time."""


def check_sensor(
    checks: Sequence[WatchedCheck], interval: int, clock: Clock = time.monotonic
) -> dg.SensorDefinition:
    """Evaluate checks without a run, every `interval` seconds; report what is unchanged hourly."""

    @dg.sensor(
        name="watch",
        minimum_interval_seconds=interval,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Evaluates the checks on the age of the data and on completeness, so that a feed "
            "that died at night is noticed though nothing ran."
        ),
    )
    def watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        reported = msgspec.json.decode(context.cursor or "{}", type=dict[str, Reported])
        now = time.time()
        time_of_tick = TickTime(clock)
        events = []
        # Those evaluated longest ago come first.
        turn = {name: place for place, name in enumerate(reported, start=1)}
        for check in sorted(checks, key=lambda one: turn.get(one.key.to_user_string(), 0)):
            if time_of_tick.is_up():
                break
            result = check.evaluate(context.instance)
            name = check.key.to_user_string()
            last = reported.pop(name, None)
            if (
                last
                and (last.passed, last.severity) == (result.passed, result.severity.value)
                and now - last.at < REPEATED_AFTER
            ):
                reported[name] = last
                continue
            reported[name] = Reported(result.passed, result.severity.value, now)
            events.append(
                dg.AssetCheckEvaluation(
                    asset_key=check.key.asset_key,
                    check_name=check.key.name,
                    passed=result.passed,
                    severity=result.severity,
                    description=result.description,
                    metadata=result.metadata,
                )
            )
        return dg.SensorResult(
            asset_events=events,
            skip_reason=f"{len(events)} of {len(checks)} results are new",
            cursor=msgspec.json.encode(reported).decode(),
        )

    return watch
