"""A calendar day as Dagster's partition, and the range of days that a run is about."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.definitions.source_asset import SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION

from predictit_assets.contract.calendar import Calendar, DayRange

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
PARTITION_TAG = "dagster/partition"


def daily_partitions(calendar: Calendar, start: date) -> dg.DailyPartitionsDefinition:
    """One partition a day of the calendar, today's among them."""
    return dg.DailyPartitionsDefinition(
        start_date=start.isoformat(), timezone=calendar.zone, end_offset=1
    )


def backfill_policy(days_a_run: int) -> dg.BackfillPolicy:
    """How a range of days becomes runs: one, or one for so many days each (0: any number)."""
    return dg.BackfillPolicy.multi_run(days_a_run) if days_a_run else dg.BackfillPolicy.single_run()


def days_of_context(context: dg.AssetExecutionContext) -> DayRange:
    """The days that an asset's step is to make: one partition or a range."""
    asked = context.partition_key_range
    return DayRange(date.fromisoformat(asked.start), date.fromisoformat(asked.end))


def mark_days(
    context: dg.AssetExecutionContext, events: Iterable[Any], days: Collection[date]
) -> Iterator[Any]:
    """The events of a step, with each asset marked as made of these days of its run alone.

    Dagster marks every partition of a range. Where some hold nothing, the others are reported one
    by one, and Dagster is kept from adding all by what it does so for its own observations;
    tests/instance/test_upstream.py holds it to that.
    """
    holes = not set(days_of_context(context).days) <= set(days)
    metadata_of = context.get_step_execution_context().get_asset_metadata
    for event in events:
        if not holes or not isinstance(event, dg.MaterializeResult | dg.Output):
            yield event
            continue
        if isinstance(event, dg.Output):
            key = context.asset_key_for_output(event.output_name)
        else:
            key = event.asset_key or context.asset_key
        if context.assets_def.specs_by_key[key].partitions_def is None:
            yield event
            continue
        told = {**(event.metadata or {}), **(metadata_of(key) or {})}
        for day in days:
            metadata = {**told, **(metadata_of(key, str(day)) or {})}
            yield dg.AssetMaterialization(key, partition=str(day), metadata=metadata)
        yield dg.MaterializeResult(
            asset_key=key, metadata={SYSTEM_METADATA_KEY_SOURCE_ASSET_OBSERVATION: True}
        )


def tagged_window(tags: Mapping[str, str]) -> DayRange | None:
    """The days of the run that bears these tags; None when it names none."""
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
