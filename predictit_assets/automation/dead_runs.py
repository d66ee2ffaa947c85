"""A run whose process was killed keeps nobody from its days: it is ended, and begun again."""

import dagster as dg

from predictit_assets.instance.liveness import end_dead_runs
from predictit_assets.instance.location import location_of


def dead_runs_sensor() -> dg.SensorDefinition:
    """End the runs whose process is gone, which nothing else would notice."""

    @dg.sensor(
        name="end_dead_runs",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Ends runs whose process was killed, be it that of `predictit build` or a whole "
            "machine's: they would stay in progress for ever, and keep automation from their "
            "days. Dagster begins them again."
        ),
    )
    def end(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        ended = end_dead_runs(context.instance, location_of(context), repeat=True)
        return dg.SkipReason(f"ended: {', '.join(ended)}" if ended else "no run is dead")

    return end
