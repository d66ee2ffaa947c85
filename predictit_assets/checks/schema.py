"""Pandera schemas as asset checks: one factory, from a registry of audits.

Of each audited table, `schema` blocks what comes after it; every rule of the schema that is
marked `raise_warning` is a check of its own name that warns. Rows stay in the engine: only counts,
days and a few examples come out.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date

import dagster as dg
import ibis
import pandera.ibis as pa
from pandera.api.ibis.types import IbisData
from pandera.config import ValidationDepth, config_context

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema
from predictit_assets.instance.failures import (
    FAILING_DAYS,
    MAX_DAYS,
    fail_on_expected_error,
    list_days,
    named_days,
)
from predictit_assets.instance.partitions import window_of_tags

SCHEMA_CHECK = "schema"
MAX_FAULTS = 10
MAX_EXAMPLES = 3
MAX_TEXT = 300
"""Bounds of what a failure tells: a Pandera error can print hundreds of kilobytes."""


@dataclass(frozen=True)
class CheckTarget:
    """A table, the schema that it has to meet, and how a window of it is opened."""

    key: Sequence[str]
    """The asset's key."""
    schema: Schema
    open: Callable[[DayRange], AbstractContextManager[ibis.Table]]
    warning_checks: bool = True
    """Whether the warnings are looked for too: once on the road is enough."""
    last_day_only: bool = False
    """Of a view: its earlier days repeat what is checked where it is kept."""


@dataclass(frozen=True)
class Fault:
    """One rule that a table breaks."""

    rule: str
    rows: int | None
    """How many rows break it; None when it isn't about rows."""
    days: tuple[date, ...]
    examples: tuple[str, ...]


@dataclass(frozen=True)
class CheckStep:
    """What is checked in one step: tables that are made together."""

    name: str
    audits: Sequence[CheckTarget]
    hold_open: Callable[[], AbstractContextManager[None]] = nullcontext
    """What all of them are in."""


def asset_checks(of: Iterable[CheckStep], start: date) -> list[dg.AssetChecksDefinition]:
    """The Dagster checks of all audits; `start` bounds a run that names no partitions."""
    return [_asset_checks(audits, start) for audits in of]


def _asset_checks(of: CheckStep, start: date) -> dg.AssetChecksDefinition:
    @dg.multi_asset_check(
        name=f"check_{of.name}",
        specs=[spec for audit in of.audits for spec in _specs(audit)],
        can_subset=True,
    )
    def run_checks(context: dg.AssetCheckExecutionContext) -> Iterable[dg.AssetCheckResult]:
        window = window_of_tags(context.run.tags, start)
        with fail_on_expected_error(context.op_execution_context), of.hold_open():
            for audit in of.audits:
                yield from _results(audit, window, context.selected_asset_check_keys)

    return run_checks


def _specs(audit: CheckTarget) -> Iterator[dg.AssetCheckSpec]:
    asset = dg.AssetKey(list(audit.key))
    yield dg.AssetCheckSpec(
        SCHEMA_CHECK,
        asset=asset,
        blocking=True,
        description=f"Pandera: columns, types, keys and ranges of {audit.schema.__name__}.",
    )
    if audit.warning_checks:
        for check in warning_checks(audit.schema):
            yield dg.AssetCheckSpec(
                check.name, asset=asset, description=f"Pandera: {check.description}."
            )


def _results(
    audit: CheckTarget, window: DayRange, selected: AbstractSet[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    asset = dg.AssetKey(list(audit.key))
    names = {key.name for key in selected if key.asset_key == asset}
    if not names:
        return
    if audit.last_day_only:
        window = DayRange(window.last, window.last)
    with audit.open(window) as table:
        if SCHEMA_CHECK in names:
            faults = violations(audit.schema, table)
            yield _result(asset, SCHEMA_CHECK, dg.AssetCheckSeverity.ERROR, window, faults)
        for check in warning_checks(audit.schema):
            if check.name in names:
                fault = warning_violation(check, table)
                faults = [fault] if fault else []
                yield _result(asset, check.name, dg.AssetCheckSeverity.WARN, window, faults)


def warning_checks(schema: Schema) -> list[pa.Check]:
    """The rules of a schema that warn."""
    return [check for check in schema.to_schema().checks if check.raise_warning]


def warning_violation(check: pa.Check, table: ibis.Table) -> Fault | None:
    """What is suspicious about a table by one of its rules that warn."""
    return next(iter(_faults(table, {check.description: ~_holds(check, table)})), None)


def violations(schema: Schema, table: ibis.Table) -> list[Fault]:
    """The rules of a schema, other than those that warn, that a table breaks.

    Pandera would fetch every faulty row to tell of it. So it judges columns and types, and gives
    the rules of the rows as expressions, which the engine counts in one query.
    """
    strict = schema.to_schema()
    try:
        with config_context(validation_depth=ValidationDepth.SCHEMA_ONLY):
            strict.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return [Fault(str(error)[:MAX_TEXT], None, (), ()) for error in errors.schema_errors]
    return _faults(table, dict(_breaches(strict, table)))


def _breaches(schema: pa.DataFrameSchema, table: ibis.Table) -> Iterator[tuple[str, ibis.Value]]:
    """Each rule of the rows, and when a row breaks it."""
    for name, column in schema.columns.items():
        if not column.nullable:
            yield f"{name} is NULL", table[name].isnull()
        for check in column.checks:
            breach = table[name].notnull() & ~_holds(check, table, name)
            yield f"{name}: {check.error or check.name}", breach
    for check in schema.checks:
        if not check.raise_warning:
            yield check.description, ~_holds(check, table)
    keys = [[name] for name, column in schema.columns.items() if column.unique]
    for key in [*keys, list(schema.unique or [])]:
        if key:
            yield f"rows of the same {', '.join(key)}", table.count().over(group_by=key) > 1


def _holds(check: pa.Check, table: ibis.Table, column: str | None = None) -> ibis.Value:
    """A Pandera check as a boolean expression over the rows of the table."""
    name = getattr(check._check_fn, "__name__", "")
    if check.is_builtin_check(name):  # Pandera's own get their Ibis form late; so does its __call__
        check._check_fn = check.get_builtin_check_fn(name)
    holds = check.get_backend(table)(check).check_fn(IbisData(table, column))
    if isinstance(holds, ibis.Table):  # Pandera's own checks select it into a table of one column
        (holds,) = (value.to_expr() for value in holds.op().values.values())
    return holds


def _faults(table: ibis.Table, breaches: Mapping[str, ibis.Value]) -> list[Fault]:
    """The rules that are broken, the most faults that are told of. Unknown is not broken."""
    flags = table.select(**{f"rule_{n}": breach for n, breach in enumerate(breaches.values())})
    counts = flags.aggregate(**{name: flags[name].sum() for name in flags.columns})
    (broken,) = counts.to_pyarrow().to_pylist()
    return [
        _fault(rule, int(rows), table.filter(breaches[rule]))
        for rule, rows in zip(breaches, broken.values(), strict=True)
        if rows
    ][:MAX_FAULTS]


def _fault(rule: str, rows: int, failing: ibis.Table) -> Fault:
    days: tuple[date, ...] = ()
    if "partition_date" in failing.columns:
        distinct = failing.select("partition_date").distinct().order_by("partition_date")
        days = tuple(distinct.limit(MAX_DAYS + 1).to_pyarrow()["partition_date"].to_pylist())
    examples = failing.limit(MAX_EXAMPLES).to_pyarrow().to_pylist()
    texts = tuple(json.dumps(row, default=str, ensure_ascii=False)[:MAX_TEXT] for row in examples)
    return Fault(rule, rows, days, texts)


def _result(
    asset: dg.AssetKey,
    name: str,
    severity: dg.AssetCheckSeverity,
    window: DayRange,
    faults: Sequence[Fault],
) -> dg.AssetCheckResult:
    metadata: dict[str, dg.MetadataValue] = {
        "window": dg.MetadataValue.text(str(window)),
        "failing_rows": dg.MetadataValue.int(sum(fault.rows or 0 for fault in faults)),
    }
    if faults:
        metadata["faults"] = dg.MetadataValue.md("\n".join(_markdown(fault) for fault in faults))
        days = sorted({day for fault in faults for day in fault.days})
        if days:
            metadata[FAILING_DAYS] = dg.MetadataValue.text(list_days(days))
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not faults,
        severity=severity,
        metadata=metadata,
        description="; ".join(_sentence(fault) for fault in faults)[:MAX_TEXT] or None,
    )


def days_judged(metadata: Mapping[str, dg.MetadataValue]) -> tuple[list[date], list[date]]:
    """Of a result's metadata: the days that were judged, and those of them that failed.

    All of them when the failing ones aren't all listed; none when it isn't about days.
    """
    ends = named_days(metadata.get("window")) or []
    judged = DayRange(ends[0], ends[-1]).days if ends else []
    return judged, named_days(metadata.get(FAILING_DAYS)) or judged


def _sentence(fault: Fault) -> str:
    return fault.rule if fault.rows is None else f"{fault.rule}: {fault.rows} rows"


def _markdown(fault: Fault) -> str:
    return "\n".join(
        [f"- **{_sentence(fault)}**", *(f"  - `{example}`" for example in fault.examples)]
    )
