"""Once a day what may go goes: expired objects, and what the Dagster instance needn't remember."""

from collections.abc import Collection, Sequence

import dagster as dg

from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.location import LOCATION
from predictit_assets.instance.names import LOCATION_TAG
from predictit_assets.settings import Settings
from predictit_assets.storage import retention
from predictit_assets.storage.stream import Stream

HOUSEKEEPING = "housekeeping"
"""The job, and its schedule."""


def housekeeping(
    streams: Sequence[Stream], settings: Settings, keys: Collection[dg.AssetKey]
) -> dg.ScheduleDefinition:
    """Every night: delete what the settings let expire, and tell what it was.

    `keys` are those of all assets of this code location.
    """

    @dg.op(name="tidy_up", out=dg.Out(dg.Nothing))
    def tidy_up(context: dg.OpExecutionContext) -> None:
        gone: list[retention.Expired] = []

        def note(expired: retention.Expired) -> None:
            context.log.info(str(expired))
            if not expired.stays:
                gone.append(expired)

        with fail_on_expected_error(context):
            retention.expire(streams, settings, note, dry_run=False)
        context.add_output_metadata(
            {
                "expired_objects": sum(len(expired.keys) for expired in gone),
                "expired_bytes": sum(expired.size for expired in gone),
            }
        )
        if settings.runs_kept_days:
            from predictit_assets.instance import (
                cleanup as pruning,  # its SQLAlchemy is a tenth of a load
            )

            location = context.run.tags.get(LOCATION_TAG, LOCATION)
            pruned = pruning.prune(
                context.instance, settings.runs_kept_days, keys, location=location
            )
            context.log.info(f"Dagster forgot: {pruned}")
            context.add_output_metadata({"forgotten": str(pruned)})

    @dg.job(
        name=HOUSEKEEPING,
        description="Deletes what the settings let expire: payloads, and the memory of old runs.",
    )
    def tidy() -> None:
        tidy_up()

    return dg.ScheduleDefinition(
        name=HOUSEKEEPING,
        job=tidy,
        cron_schedule="20 4 * * *",
        execution_timezone=streams[0].calendar.zone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="At night: what the settings let expire goes.",
    )


def is_wanted(settings: Settings) -> bool:
    """Whether anything may ever go."""
    return bool(retention.limits(settings) or settings.runs_kept_days)
