"""Days as Dagster's partitions, and the days that a run is about."""

from collections.abc import Mapping
from datetime import date, tzinfo

import dagster as dg

from predictit_assets.contract.calendar import DayRange

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"


def daily_partitions(start: date, zone: str | tzinfo) -> dg.DailyPartitionsDefinition:
    """One partition for each day of a time zone since `start`, today included."""
    return dg.DailyPartitionsDefinition(
        start_date=start.isoformat(), timezone=str(zone), end_offset=1
    )


def backfill_policy(days_a_run: int) -> dg.BackfillPolicy:
    """How a range of days becomes runs: one, or one for each `days_a_run` days (0: no limit)."""
    return dg.BackfillPolicy.multi_run(days_a_run) if days_a_run else dg.BackfillPolicy.single_run()


def days_of_context(context: dg.AssetExecutionContext) -> DayRange:
    """The days that a step has to make: one partition or a range."""
    asked = context.partition_key_range
    return DayRange(date.fromisoformat(asked.start), date.fromisoformat(asked.end))


def tagged_window(tags: Mapping[str, str]) -> DayRange | None:
    """The days of a run with these tags; None when they name none."""
    first = tags.get(RANGE_START_TAG) or tags.get(PARTITION_TAG)
    last = tags.get(RANGE_END_TAG) or tags.get(PARTITION_TAG)
    if not first or not last:
        return None
    return DayRange(date.fromisoformat(first), date.fromisoformat(last))


def window_tags(window: DayRange) -> dict[str, str]:
    """The tags of a run about these days."""
    if window.first == window.last:
        return {PARTITION_TAG: str(window.first)}
    return {RANGE_START_TAG: str(window.first), RANGE_END_TAG: str(window.last)}
