"""Checks that no run evaluates in time: those that the clock can fail, and those of landing."""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import dagster as dg
import msgspec

from predictit_assets.checks.freshness import DataAge
from predictit_assets.checks.schema import SCHEMA_CHECK, CheckTarget, evaluate
from predictit_assets.contract.calendar import DayRange
from predictit_assets.instance.ticks import Clock, TickTime
from predictit_assets.storage.stream import Stream

REPEATED_AFTER = 3600.0
"""Seconds after which a result is reported again though it is the same."""


@dataclass(frozen=True)
class WatchedCheck:
    """A check, and how it is evaluated."""

    key: dg.AssetCheckKey
    evaluate: Callable[[dg.DagsterInstance], dg.AssetCheckResult | None]
    """None when there is nothing to look at."""
    timed: bool = True
    """Whether time alone can fail it; else it is evaluated after a materialization only."""


def landing_checks(stream: Stream, target: CheckTarget, age: DataAge | None) -> list[WatchedCheck]:
    """The checks of a stream's landing, about the newest day: payloads land there without a run."""

    def schema(instance: dg.DagsterInstance) -> dg.AssetCheckResult | None:
        days = stream.payloads.days()
        if not days:
            return None
        (result,) = evaluate(target, DayRange(days[-1], days[-1]), instance)
        return result

    checks = [
        WatchedCheck(
            dg.AssetCheckKey(dg.AssetKey(list(target.key)), SCHEMA_CHECK), schema, timed=False
        )
    ]
    return [*checks, WatchedCheck(age.check, age.evaluate)] if age else checks


def evaluations(
    checks: Iterable[WatchedCheck], instance: dg.DagsterInstance
) -> list[dg.AssetCheckEvaluation]:
    """What the checks find now, as events that a sensor may report."""
    found = ((check.key, check.evaluate(instance)) for check in checks)
    return [_event(key, result) for key, result in found if result]


def _event(key: dg.AssetCheckKey, result: dg.AssetCheckResult) -> dg.AssetCheckEvaluation:
    return dg.AssetCheckEvaluation(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=result.passed,
        severity=result.severity,
        description=result.description,
        metadata=result.metadata,
    )


class Reported(msgspec.Struct):
    """What was last reported of a check."""

    passed: bool
    severity: str
    at: float
    """Unix time."""


def check_sensor(
    checks: Sequence[WatchedCheck], interval: int, clock: Clock = time.monotonic
) -> dg.SensorDefinition:
    """Evaluate checks without a run, every `interval` seconds.

    What is unchanged is reported hourly, and when the asset was made anew: Dagster shows a check as
    not evaluated until it has looked at the newest materialization.
    """

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
            unseen = _unseen(check.key, context.instance)
            result = check.evaluate(context.instance) if check.timed or unseen else None
            if result is None:
                continue
            name = check.key.to_user_string()
            last = reported.pop(name, None)
            if (
                last
                and not unseen
                and (last.passed, last.severity) == (result.passed, result.severity.value)
                and now - last.at < REPEATED_AFTER
            ):
                reported[name] = last
                continue
            reported[name] = Reported(result.passed, result.severity.value, now)
            events.append(_event(check.key, result))
        return dg.SensorResult(
            asset_events=events,
            skip_reason=f"{len(events)} of {len(checks)} results are new",
            cursor=msgspec.json.encode(reported).decode(),
        )

    return watch


def _unseen(key: dg.AssetCheckKey, instance: dg.DagsterInstance) -> bool:
    """Whether the asset was made anew since the check looked at it last."""
    made = instance.fetch_materializations(key.asset_key, limit=1).records
    latest = instance.event_log_storage.get_latest_asset_check_execution_by_key([key]).get(key)
    seen = latest.event.timestamp if latest and latest.event else 0
    return bool(made) and seen < made[0].timestamp
