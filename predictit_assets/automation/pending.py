"""Markets that left the feed: when the dimensions show some, PredictIt is asked how they ended."""

from collections.abc import Callable, Iterator

import dagster as dg

from predictit_assets.contract.calendar import today

RESOLVE_JOB = "resolve"
"""Asks about some of the markets that left."""


def pending_sensor(unasked: Callable[[], list[int]]) -> dg.SensorDefinition:
    """Ask about markets when the dimensions were made anew and show some that left."""

    @dg.asset_sensor(
        asset_key=dg.AssetKey(["core", "predictit", "dim_markets"]),
        name="resolve_departed_markets",
        job_name=RESOLVE_JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="After core/dim_markets was made: asks about the markets that left the feed.",
    )
    def resolve(
        context: dg.SensorEvaluationContext, event: dg.EventLogEntry
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # Should the warehouse be busy for long, the tick fails and the next one looks again.
        markets = unasked()
        if not markets:
            yield dg.SkipReason("no market left that nobody asked about")
            return
        context.log.info(f"{len(markets)} markets left and nobody asked: {markets[:20]}")
        yield dg.RunRequest(run_key=str(event.timestamp), partition_key=str(today()))

    return resolve
