"""A check looks at the days of its run; what it found on other days stays in its result.

Dagster shows the newest result of a check. Without this memory the next run of another day, an
hour later, would clear a warning that nobody has looked at. After a month it is forgotten, as some
of it nobody can mend; what is in quarantine or failed, the check `completeness` tells for ever.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

import dagster as dg

from predictit_assets.contract.calendar import DayRange, consecutive, spelt
from predictit_assets.instance.failures import MORE_DAYS, failing_days_metadata, listed_days
from predictit_assets.text import in_markdown

WINDOW = "window"
"""The metadata that says which days were checked: the first and the last, as ISO dates."""
STILL_FAILING = "still_failing"
"""The metadata that lists other days which failed and weren't found sound since: ranges, and when
that was found."""
FORGOTTEN_AFTER = timedelta(days=30)
NEWEST = "newest_object"
"""The metadata that names the newest object at fault, to be copied."""
FAULTS = "faults"
"""The metadata with a few of the rows at fault, the reason first."""
FAULT_COLUMNS = ("reason", "day", "where")
NEXT = ". Next: "
"""Stands before the next step in a description."""
MAX_FAULTS = 30
"""Faults that a result lists, those that it remembers among them."""
MAX_TEXT = 300
"""Characters of the description of a result."""
MAX_RANGES = 3
"""Ranges of days that a description lists."""
LOOKED_BACK = 5
"""Results that are read of a check: two runs at once don't know of each other's."""


@dataclass(frozen=True)
class Findings:
    """What a check found on the days of its run."""

    sentences: Sequence[str] = ()
    """What is wrong, a sentence each; none when nothing is."""
    rows: int = 0
    """How many rows are at fault."""
    days: Iterable[date] = ()
    """The days at fault, where they are known."""
    faults: Sequence[Mapping[str, str]] = ()
    """A few of the rows, by FAULT_COLUMNS."""
    newest: str = ""
    """The key of the newest object at fault, where the rows are objects."""


@dataclass(frozen=True)
class Memory:
    """What was found on other days, and not found sound since."""

    days: Mapping[date, date] = field(default_factory=dict)
    """By day that failed, when that was found (UTC)."""
    faults: Sequence[Mapping[str, str]] = ()

    def __str__(self) -> str:
        listed = spelt(self.days, MAX_RANGES)
        reasons = "; ".join(dict.fromkeys(in_markdown(fault["reason"]) for fault in self.faults))
        return f"{listed} still to be mended" + (f" ({reasons})" if reasons else "")


def remembered(instance: dg.DagsterInstance, key: dg.AssetCheckKey, window: DayRange) -> Memory:
    """What the newest results of a check know of days outside the window."""
    failing: dict[date, date] = {}
    faults: dict[tuple[str, ...], Mapping[str, str]] = {}
    history = instance.event_log_storage.get_asset_check_execution_history(key, limit=LOOKED_BACK)
    for record in reversed(history):
        result = record.evaluation
        if not isinstance(result, dg.AssetCheckEvaluation):  # it was only planned so far
            continue
        judged, failed = days_judged(result.metadata)
        failing = {day: on for day, on in failing.items() if day not in set(judged)}
        if result.passed:
            continue
        now = datetime.fromtimestamp(record.create_timestamp, UTC).date()
        failing |= {day: failing.get(day, now) for day in failed}
        failing |= still_failing(result.metadata)
        table = result.metadata.get(FAULTS)
        if isinstance(table, dg.TableMetadataValue):
            for row in table.records:
                fault = {name: str(row.data[name]) for name in FAULT_COLUMNS}
                faults[tuple(fault.values())] = fault
    since = datetime.now(UTC).date() - FORGOTTEN_AFTER
    failing = {day: on for day, on in failing.items() if day not in window and on > since}
    days = {str(day) for day in failing}
    return Memory(failing, [one for one in faults.values() if one["day"] in days])


def result(
    key: dg.AssetCheckKey,
    severity: dg.AssetCheckSeverity,
    rule: str,
    window: DayRange | None,
    found: Findings,
    memory: Memory,
    next_step: str = "",
) -> dg.AssetCheckResult:
    """The result of a check. `rule` says what is so where nothing is wrong, `next_step` what to do.

    What is only remembered warns: it stops no run that isn't about it.
    """
    metadata: dict[str, dg.MetadataValue] = {"failing_rows": dg.MetadataValue.int(found.rows)}
    if window:
        metadata[WINDOW] = dg.MetadataValue.json(_plain(window))
    if found.sentences:
        # Beside what is remembered it has to be clear that these days failed too.
        unknown = window.days if window and memory.days else ()
        metadata |= failing_days_metadata(list(found.days) or unknown)
    if found.newest:
        metadata[NEWEST] = dg.MetadataValue.path(found.newest)
    if memory.days:
        metadata[STILL_FAILING] = dg.MetadataValue.json(
            [
                [*_plain(one), on.isoformat()]
                for on in sorted(set(memory.days.values()))
                for one in consecutive(day for day, found in memory.days.items() if found == on)
            ]
        )
    if faults := [*found.faults, *memory.faults][:MAX_FAULTS]:
        metadata[FAULTS] = dg.MetadataValue.table(
            [dg.TableRecord(dict(fault)) for fault in faults],
            schema=dg.TableSchema([dg.TableColumn(name) for name in FAULT_COLUMNS]),
        )
    return dg.AssetCheckResult(
        asset_key=key.asset_key,
        check_name=key.name,
        passed=not (found.sentences or memory.days),
        severity=severity if found.sentences else dg.AssetCheckSeverity.WARN,
        metadata=metadata,
        description=_description(rule, found, memory, next_step),
    )


def _description(rule: str, found: Findings, memory: Memory, next_step: str) -> str:
    sentences = [*found.sentences, *([str(memory)] if memory.days else [])]
    if not sentences:
        return rule
    if memory.days and not next_step:
        next_step = "mend what is wrong and build the day"
    step = NEXT + next_step if next_step else ""
    text = textwrap.shorten("; ".join(sentences), MAX_TEXT - len(step))
    # A code span that is cut would be none any more.
    return text + "`" * (text.count("`") % 2) + step


def _plain(window: DayRange) -> list[str]:
    return [window.first.isoformat(), window.last.isoformat()]


def days_judged(metadata: Mapping[str, dg.MetadataValue]) -> tuple[list[date], list[date]]:
    """By the metadata of a failed result: the days that were checked, and those that failed.

    All of them when the failing ones aren't all listed; none when it isn't about days.
    """
    window = metadata.get(WINDOW)
    if not isinstance(window, dg.JsonMetadataValue) or not isinstance(window.data, list):
        return [], []
    judged = _range(window.data).days
    failing = [] if MORE_DAYS in metadata else listed_days(metadata)
    # What is remembered is of other days.
    only_remembered = STILL_FAILING in metadata and not failing and MORE_DAYS not in metadata
    return judged, [] if only_remembered else failing or judged


def still_failing(metadata: Mapping[str, dg.MetadataValue]) -> dict[date, date]:
    """The days of other runs that a result remembers, and when each was found."""
    listed = metadata.get(STILL_FAILING)
    if not isinstance(listed, dg.JsonMetadataValue) or not isinstance(listed.data, list):
        return {}
    return {
        day: date.fromisoformat(on)
        for first, last, on in listed.data
        for day in _range((first, last)).days
    }


def _range(ends: Any) -> DayRange:
    first, last = ends
    return DayRange(date.fromisoformat(first), date.fromisoformat(last))
