"""Pandera schemas as asset checks: one factory, which the registry gives its targets.

The check `schema` of a table blocks what comes after it. Every rule of the table's schema that is
marked `raise_warning` becomes a check of its own, which only warns. Rows stay in the engine: only
counts, days and a few examples come out.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import dagster as dg
import ibis
import pandera.ibis as pa
from pandera.config import ValidationDepth, config_context

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema
from predictit_assets.instance.failures import (
    MAX_DAYS,
    MORE_DAYS,
    fail_on_expected_error,
    failing_days_metadata,
    listed_days,
)
from predictit_assets.instance.partitions import tagged_window

SCHEMA_CHECK = "schema"
WINDOW = "window"
"""The metadata that says which days were checked: the first and the last, as ISO dates."""
REASON, KEY = "quarantined_because", "key"
"""Columns of a manifest: why a payload is in quarantine, and which object it is."""
MAX_VIOLATIONS = 10
MAX_EXAMPLES = 3
MAX_TEXT = 300
"""Bounds of what a failed check says: a Pandera error can print hundreds of kilobytes."""

BUILT_IN_RULES: Mapping[str, Callable[..., ibis.Value]] = {
    "equal_to": lambda column, value: column == value,
    "not_equal_to": lambda column, value: column != value,
    "greater_than": lambda column, min_value: column > min_value,
    "greater_than_or_equal_to": lambda column, min_value: column >= min_value,
    "less_than": lambda column, max_value: column < max_value,
    "less_than_or_equal_to": lambda column, max_value: column <= max_value,
    "in_range": lambda column, min_value, max_value, include_min=True, include_max=True: (
        (column >= min_value if include_min else column > min_value)
        & (column <= max_value if include_max else column < max_value)
    ),
    "isin": lambda column, allowed_values: column.isin(list(allowed_values)),
    "notin": lambda column, forbidden_values: column.notin(list(forbidden_values)),
    "str_matches": lambda column, pattern: column.re_search(pattern),
}
"""Pandera's checks of one column, by name, as expressions over it; named as their statistics are.

Pandera gives the rule of a frame as an expression, but that of a column only with all its rows.
"""


class LazySchema(Protocol):
    """A schema that is made when it is needed, as that of a dbt model is."""

    def to_schema(self) -> pa.DataFrameSchema:
        """The Pandera schema."""
        ...


TableSchema = Schema | LazySchema


@dataclass(frozen=True)
class CheckTarget:
    """A table, the schema that it has to meet, and how a range of its days is opened."""

    key: Sequence[str]
    """The asset's key."""
    schema: TableSchema
    """Built while the definitions load only if `warnings` is set, to name the checks that warn."""
    open: Callable[[DayRange], AbstractContextManager[ibis.Table]]
    warnings: bool = True
    """Whether the rules that warn are checked too: once for the same rows is enough."""
    last_day_only: bool = False
    """Check only the last day: earlier rows were checked in the table that the view reads."""


@dataclass(frozen=True)
class CheckStep:
    """What is checked in one step: tables that are made together."""

    name: str
    targets: Sequence[CheckTarget]
    all_days: Callable[[], DayRange]
    """The days to check in a run that names none."""
    hold_open: Callable[[], AbstractContextManager[None]] = nullcontext
    """Entered once around all checks of the step."""


@dataclass(frozen=True)
class Violation:
    """One rule that a table breaks."""

    rule: str
    """What should hold."""
    rows: int | None
    """How many rows break it; None when it isn't about rows."""
    days: tuple[date, ...] = ()
    """Days with such rows, at most one more than MAX_DAYS."""
    examples: tuple[str, ...] = ()
    reason: str = ""
    """Why the newest of these rows is what it is, where the table says so."""

    def __str__(self) -> str:
        if self.rows is None:
            return self.rule
        broken = "1 row breaks" if self.rows == 1 else f"{self.rows} rows break"
        return f"{broken}: {self.rule}" + (f" ({self.reason})" if self.reason else "")


def asset_checks(steps: Iterable[CheckStep]) -> list[dg.AssetChecksDefinition]:
    """The Dagster checks of all targets: one definition a step."""
    return [_asset_checks(step) for step in steps]


def _asset_checks(step: CheckStep) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{step.name}",
        specs=[spec for target in step.targets for spec in _specs(target)],
        can_subset=True,
    )
    def run_checks(context: dg.AssetCheckExecutionContext) -> Iterable[dg.AssetCheckResult]:
        window = tagged_window(context.run.tags) or step.all_days()
        with fail_on_expected_error(context.op_execution_context), step.hold_open():
            for target in step.targets:
                yield from _results(target, window, context.selected_asset_check_keys)

    return run_checks


def _specs(target: CheckTarget) -> Iterator[dg.AssetCheckSpec]:
    asset = dg.AssetKey(list(target.key))
    yield dg.AssetCheckSpec(
        SCHEMA_CHECK,
        asset=asset,
        blocking=True,
        description="Pandera: columns, types, keys and ranges.",
    )
    if target.warnings:
        for check in warning_checks(target.schema):
            yield dg.AssetCheckSpec(
                check.name, asset=asset, description=f"Pandera: {check.description}."
            )


def _results(
    target: CheckTarget, window: DayRange, selected: AbstractSet[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    asset = dg.AssetKey(list(target.key))
    names = {key.name for key in selected if key.asset_key == asset}
    if not names:
        return
    if target.last_day_only:
        window = DayRange(window.last, window.last)
    with target.open(window) as table:
        if SCHEMA_CHECK in names:
            found = violations(target.schema, table)
            yield _result(asset, SCHEMA_CHECK, dg.AssetCheckSeverity.ERROR, window, found)
        for check in warning_checks(target.schema) if target.warnings else ():
            if check.name in names:
                one = warning_violation(check, table)
                found = [one] if one else []
                yield _result(asset, check.name, dg.AssetCheckSeverity.WARN, window, found)


def warning_checks(schema: TableSchema) -> list[pa.Check]:
    """The rules of a schema that only warn."""
    return [check for check in schema.to_schema().checks if check.raise_warning]


def warning_violation(check: pa.Check, table: ibis.Table) -> Violation | None:
    """How a table breaks one of the rules that only warn; None when it doesn't."""
    return next(iter(_violations(table, {check.description: ~_holds(check, table)})), None)


def violations(schema: TableSchema, table: ibis.Table) -> list[Violation]:
    """The rules of a schema, other than those that only warn, that a table breaks.

    Pandera would fetch every bad row to report it. So it judges only columns and types, and the
    rules of the rows are turned into expressions, which the engine counts in one query.
    """
    pandera_schema = schema.to_schema()
    try:
        # Pandera takes either from the environment, where neither is ours to say.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_ONLY):
            pandera_schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        found = [Violation(str(error)[:MAX_TEXT], None) for error in errors.schema_errors]
        return found[:MAX_VIOLATIONS]
    return _violations(table, dict(_breaches(pandera_schema, table)))


def _breaches(schema: pa.DataFrameSchema, table: ibis.Table) -> Iterator[tuple[str, ibis.Value]]:
    """Each rule of the rows, and when a row breaks it."""
    for name, column in schema.columns.items():
        if not column.nullable:
            yield f"{name} is never NULL", table[name].isnull()
        for check in column.checks:
            breach = table[name].notnull() & ~_holds_of(check, table[name])
            yield f"{name} is {check.error or check.name}", breach
    for check in schema.checks:
        if not check.raise_warning:
            yield check.description, ~_holds(check, table)
    keys = [[name] for name, column in schema.columns.items() if column.unique]
    for key in [*keys, list(schema.unique or [])]:
        if key:
            yield f"one row for each {', '.join(key)}", table.count().over(group_by=key) > 1


def _holds(check: pa.Check, table: ibis.Table) -> ibis.Value:
    """A rule of the frame as a boolean expression over its rows."""
    return check(table).check_output


def _holds_of(check: pa.Check, column: ibis.Value) -> ibis.Value:
    """A rule of one column as a boolean expression over it."""
    rule = BUILT_IN_RULES.get(str(check.name))
    if rule is None:
        raise NotImplementedError(
            f"the rule {check.name} of column {column.get_name()} can't be turned into a query: "
            f"known are {', '.join(BUILT_IN_RULES)}; write it as a @pa.dataframe_check"
        )
    return rule(column, **check.statistics)


def _violations(table: ibis.Table, breaches: Mapping[str, ibis.Value]) -> list[Violation]:
    """The rules that are broken, at most MAX_VIOLATIONS. Unknown is not broken."""
    if not breaches:
        return []
    flags = table.select(**{f"rule_{n}": breach for n, breach in enumerate(breaches.values())})
    counts = flags.aggregate(**{name: flags[name].sum() for name in flags.columns})
    (broken,) = counts.to_pyarrow().to_pylist()
    return [
        _violation(rule, int(rows), table.filter(breaches[rule]))
        for rule, rows in zip(breaches, broken.values(), strict=True)
        if rows
    ][:MAX_VIOLATIONS]


def _violation(rule: str, rows: int, failing: ibis.Table) -> Violation:
    days: tuple[date, ...] = ()
    if "partition_date" in failing.columns:
        distinct = failing.select("partition_date").distinct().order_by("partition_date")
        days = tuple(distinct.limit(MAX_DAYS + 1).to_pyarrow()["partition_date"].to_pylist())
    if {REASON, KEY, "captured_at"} <= set(failing.columns):
        failing = failing.order_by(ibis.desc("captured_at"))
    examples = failing.limit(MAX_EXAMPLES).to_pyarrow().to_pylist()
    texts = tuple(json.dumps(row, default=str, ensure_ascii=False)[:MAX_TEXT] for row in examples)
    return Violation(rule, rows, days, texts, _reason(examples[0]) if examples else "")


def _reason(row: Mapping[str, Any]) -> str:
    return f"{row[REASON]}: {row[KEY]}" if row.get(REASON) else ""


def _result(
    asset: dg.AssetKey,
    name: str,
    severity: dg.AssetCheckSeverity,
    window: DayRange,
    found: Sequence[Violation],
) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {
        WINDOW: dg.MetadataValue.json([window.first.isoformat(), window.last.isoformat()]),
        "failing_rows": dg.MetadataValue.int(sum(one.rows or 0 for one in found)),
        **failing_days_metadata({day for one in found for day in one.days}),
    }
    if found:
        metadata["violations"] = dg.MetadataValue.md("\n".join(_markdown(one) for one in found))
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not found,
        severity=severity,
        metadata=metadata,
        description="; ".join(map(str, found))[:MAX_TEXT] or None,
    )


def days_judged(metadata: Mapping[str, dg.MetadataValue]) -> tuple[list[date], list[date]]:
    """By the metadata of a failed result: the days that were checked, and those that failed.

    All of them when the failing ones aren't all listed; none when it isn't about days.
    """
    window = metadata.get(WINDOW)
    if not isinstance(window, dg.JsonMetadataValue) or not isinstance(window.data, list):
        return [], []
    first, last = (date.fromisoformat(str(day)) for day in window.data)
    judged = DayRange(first, last).days
    failing = [] if MORE_DAYS in metadata else listed_days(metadata)
    return judged, failing or judged


def _markdown(violation: Violation) -> str:
    return "\n".join(
        [f"- **{violation}**", *(f"  - `{example}`" for example in violation.examples)]
    )
