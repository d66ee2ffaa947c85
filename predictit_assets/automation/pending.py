"""Requests for each row of another asset: when it was made anew, missing answers are asked."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import dagster as dg

from predictit_assets.contract.arrival import PerEntity
from predictit_assets.storage.stream import Stream

MAX_SHOWN = 20
"""Rows that the log spells out."""


def fetch_job_name(stream: Stream) -> str:
    """The job that asks for what a dataset wants, a few calls a run."""
    return f"fetch_{stream.name}"


def pending_sensor(
    stream: Stream, way: PerEntity, pending: Callable[[], Sequence[Any]]
) -> dg.SensorDefinition:
    """Ask when the other asset was made anew and has rows without an answer."""
    after = dg.AssetKey(stream.names.key(*way.after))

    @dg.asset_sensor(
        asset_key=after,
        name=f"fetch_pending_{stream.name}",
        job_name=fetch_job_name(stream),
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"After {after.to_user_string()} was made: asks for what it holds and has no answer."
        ),
    )
    def fetch(
        context: dg.SensorEvaluationContext, event: dg.EventLogEntry
    ) -> Iterator[dg.RunRequest | dg.SkipReason]:
        # Should the warehouse be busy for long, the tick fails and the next one looks again.
        rows = pending()
        if not rows:
            yield dg.SkipReason("nothing is without an answer")
            return
        context.log.info(f"{len(rows)} have no answer: {list(rows[:MAX_SHOWN])}")
        yield dg.RunRequest(
            run_key=str(event.timestamp), partition_key=str(stream.calendar.today())
        )

    return fetch
