"""Pandera schemas as asset checks: one factory, from a registry of audits.

Of each audited table, `schema` blocks what comes after it; every rule of the schema that is
marked `raise_warning` is a check of its own name that warns. Rows stay in the engine: only counts,
days and a few examples come out.
"""

import copy
import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date

import dagster as dg
import ibis
import pandera.ibis as pa
from pandera.errors import SchemaError, SchemaErrorReason

from predictit_assets.failures import expected_failures
from predictit_assets.partitions import window_of_tags
from predictit_assets.schemas.types import Schema
from predictit_assets.trading_day import Window

SCHEMA_CHECK = "schema"
MOST_FAULTS = 10
MOST_EXAMPLES = 3
MOST_DAYS = 30
MOST_TEXT = 300
"""Bounds of what a failure tells: a Pandera error can print hundreds of kilobytes."""


@dataclass(frozen=True)
class Audit:
    """A table, the schema that it has to meet, and how a window of it is opened."""

    key: Sequence[str]
    """The asset's key."""
    schema: Schema
    open: Callable[[Window], AbstractContextManager[ibis.Table]]
    suspicions: bool = True
    """Whether the warnings are looked for too: once on the road is enough."""


@dataclass(frozen=True)
class Fault:
    """One rule that a table breaks."""

    rule: str
    rows: int | None
    """How many rows break it; None when it isn't about rows."""
    days: tuple[date, ...]
    examples: tuple[str, ...]


def asset_checks(audits: Iterable[Audit], start: date) -> list[dg.AssetChecksDefinition]:
    """The Dagster checks of all audits; `start` bounds a run that names no partitions."""
    return [_asset_checks(audit, start) for audit in audits]


def _asset_checks(audit: Audit, start: date) -> dg.AssetChecksDefinition:
    asset = dg.AssetKey(list(audit.key))
    specs = [
        dg.AssetCheckSpec(
            SCHEMA_CHECK,
            asset=asset,
            blocking=True,
            description=f"Pandera: columns, types, keys and ranges of {audit.schema.__name__}.",
        )
    ]
    if audit.suspicions:
        specs += [
            dg.AssetCheckSpec(check.name, asset=asset, description=f"Pandera: {check.description}.")
            for check in suspicions(audit.schema)
        ]

    @dg.multi_asset_check(name="check_" + "_".join(audit.key), specs=specs, can_subset=True)
    def run_checks(context: dg.AssetCheckExecutionContext) -> Iterable[dg.AssetCheckResult]:
        window = window_of_tags(context.run.tags, start)
        selected = {key.name for key in context.selected_asset_check_keys}
        with expected_failures(), audit.open(window) as table:
            if SCHEMA_CHECK in selected:
                faults = broken_rules(audit.schema, table)
                yield _result(asset, SCHEMA_CHECK, dg.AssetCheckSeverity.ERROR, window, faults)
            for check in suspicions(audit.schema):
                if check.name in selected:
                    fault = suspicion(check, table)
                    faults = [fault] if fault else []
                    yield _result(asset, check.name, dg.AssetCheckSeverity.WARN, window, faults)

    return run_checks


def suspicions(schema: Schema) -> list[pa.Check]:
    """The rules of a schema that warn."""
    return [check for check in schema.to_schema().checks if check.raise_warning]


def suspicion(check: pa.Check, table: ibis.Table) -> Fault | None:
    """What is suspicious about a table by one of its rules that warn."""
    failing = table.filter(~check(table).check_output)
    return _fault(check.description, failing) if failing.count().execute() else None


def broken_rules(schema: Schema, table: ibis.Table) -> list[Fault]:
    """The rules of a schema, other than those that warn, that a table breaks."""
    strict = copy.deepcopy(schema.to_schema())
    strict.checks = [check for check in strict.checks if not check.raise_warning]
    try:
        strict.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return [_broken(error, table) for error in errors.schema_errors[:MOST_FAULTS]]
    return []


def _broken(error: SchemaError, table: ibis.Table) -> Fault:
    column = error.schema.name if error.schema.name in table.columns else None
    match error.reason_code:
        case SchemaErrorReason.SERIES_CONTAINS_NULLS:
            return _fault(f"{column} is NULL", table.filter(table[column].isnull()))
        case SchemaErrorReason.DUPLICATES:
            return _fault("rows of the same key", error.failure_cases)
        case SchemaErrorReason.DATAFRAME_CHECK:
            rule = f"{column}: {error.check.error or error.check.name}" if column else None
            failing = table.filter(~error.check(table, column).check_output)
            return _fault(rule or error.check.description, failing)
        case _:
            return Fault(str(error)[:MOST_TEXT], None, (), ())


def _fault(rule: str, failing: ibis.Table) -> Fault:
    days: tuple[date, ...] = ()
    if "snapshot_date" in failing.columns:
        distinct = failing.select("snapshot_date").distinct().order_by("snapshot_date")
        days = tuple(distinct.limit(MOST_DAYS + 1).to_pyarrow()["snapshot_date"].to_pylist())
    examples = failing.limit(MOST_EXAMPLES).to_pyarrow().to_pylist()
    texts = tuple(json.dumps(row, default=str, ensure_ascii=False)[:MOST_TEXT] for row in examples)
    return Fault(rule, int(failing.count().execute()), days, texts)


def _result(
    asset: dg.AssetKey,
    name: str,
    severity: dg.AssetCheckSeverity,
    window: Window,
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
            more = " and more" if len(days) > MOST_DAYS else ""
            listed = ", ".join(map(str, days[:MOST_DAYS])) + more
            metadata["failing_days"] = dg.MetadataValue.text(listed)
    return dg.AssetCheckResult(
        asset_key=asset,
        check_name=name,
        passed=not faults,
        severity=severity,
        metadata=metadata,
        description="; ".join(_sentence(fault) for fault in faults)[:MOST_TEXT] or None,
    )


def _sentence(fault: Fault) -> str:
    return fault.rule if fault.rows is None else f"{fault.rule}: {fault.rows} rows"


def _markdown(fault: Fault) -> str:
    return "\n".join(
        [f"- **{_sentence(fault)}**", *(f"  - `{example}`" for example in fault.examples)]
    )
