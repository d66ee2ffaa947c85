"""Pandera schemas as asset checks: one factory, which the registry gives its targets.

The check `schema` of a table blocks what comes after it. Every rule of the table's schema that is
marked `raise_warning` becomes a check of its own, which only warns. Rows stay in the engine: only
counts, days and a few examples come out.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple, Protocol

import dagster as dg
import ibis
import pandera.ibis as pa
from pandera.config import ValidationDepth, config_context

from predictit_assets.checks.memory import Findings, Memory, remembered, result
from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.schema import Schema
from predictit_assets.instance.failures import MAX_DAYS, fail_on_expected_error
from predictit_assets.instance.partitions import tagged_window
from predictit_assets.text import in_markdown, printable

SCHEMA_CHECK = "schema"
PARTITION = "partition_date"
"""The column that tables by day have."""
REASONS = ("quarantined_because", "new_fields", "reason")
"""Columns that say what is wrong with their row: manifests and rejected rows have them."""
KEY = "key"
"""Column of a manifest: which object its row is about."""
HASH = re.compile(r"[0-9a-f]{64}")
MAX_VIOLATIONS = 10
MAX_EXAMPLES = 3
MAX_TEXT = 300
MAX_VALUE = 200
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

WORDS: Mapping[str, Callable[..., str]] = {
    "equal_to": lambda value: f"{value}",
    "not_equal_to": lambda value: f"other than {value}",
    "greater_than": lambda min_value: f"above {min_value}",
    "greater_than_or_equal_to": lambda min_value: f"at least {min_value}",
    "less_than": lambda max_value: f"below {max_value}",
    "less_than_or_equal_to": lambda max_value: f"at most {max_value}",
    "in_range": lambda min_value, max_value, include_min=True, include_max=True: (
        f"{'at least' if include_min else 'above'} {min_value} "
        f"and {'at most' if include_max else 'below'} {max_value}"
    ),
    "isin": lambda allowed_values: f"one of {', '.join(map(str, allowed_values))}",
    "notin": lambda forbidden_values: f"none of {', '.join(map(str, forbidden_values))}",
    "str_matches": lambda pattern: f"as the pattern {pattern} says",
}
"""The same in words, after "is" or "isn't"."""


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


class Rule(NamedTuple):
    """What should hold of each row, and what is so where it doesn't."""

    text: str
    broken: Callable[[int], str]
    """The sentence about so many rows that break it."""
    next_step: str = ""


@dataclass(frozen=True)
class Violation:
    """One rule that a table breaks."""

    rule: str
    """What should hold."""
    rows: int | None
    """How many rows break it; None when it isn't about rows."""
    sentence: str
    """What is so instead."""
    days: tuple[date, ...] = ()
    """Days with such rows, at most one more than MAX_DAYS."""
    examples: tuple[Mapping[str, Any], ...] = ()
    """A few of these rows."""
    next_step: str = ""

    def __str__(self) -> str:
        # Dagster shows descriptions as Markdown.
        reasons = "; ".join(
            dict.fromkeys(in_markdown(one) for one in map(_reason, self.examples) if one)
        )
        return self.sentence + (f": {reasons}" if reasons else "")


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
                yield from _results(
                    target, window, context.selected_asset_check_keys, context.instance
                )

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
    target: CheckTarget,
    window: DayRange,
    selected: AbstractSet[dg.AssetCheckKey],
    instance: dg.DagsterInstance,
) -> Iterator[dg.AssetCheckResult]:
    asset = dg.AssetKey(list(target.key))
    names = {key.name for key in selected if key.asset_key == asset}
    if not names:
        return
    if target.last_day_only:
        window = DayRange(window.last, window.last)
    by_day = PARTITION in target.schema.to_schema().columns

    def judged(
        name: str,
        severity: dg.AssetCheckSeverity,
        rule: str,
        found: Sequence[Violation],
        next_step: str = "",
    ) -> dg.AssetCheckResult:
        key = dg.AssetCheckKey(asset, name)
        memory = remembered(instance, key, window) if by_day else Memory()
        step = next_step or next((one.next_step for one in found if one.next_step), "")
        return result(key, severity, rule, window, _findings(found), memory, step)

    with target.open(window) as table:
        if SCHEMA_CHECK in names:
            found = violations(target.schema, table)
            sound = "columns, types, keys and ranges are as they should be"
            yield judged(SCHEMA_CHECK, dg.AssetCheckSeverity.ERROR, sound, found)
        for check in warning_checks(target.schema) if target.warnings else ():
            if check.name in names:
                one = warning_violation(check, table)
                rule, warn = rule_of(check), dg.AssetCheckSeverity.WARN
                found = [one] if one else []
                yield judged(check.name, warn, rule.text, found, rule.next_step)


def evaluate(
    target: CheckTarget, window: DayRange, instance: dg.DagsterInstance
) -> list[dg.AssetCheckResult]:
    """The results of all checks of a table, without a run."""
    keys = {spec.key for spec in _specs(target)}
    return list(_results(target, window, keys, instance))


def warning_checks(schema: TableSchema) -> list[pa.Check]:
    """The rules of a schema that only warn."""
    return [check for check in schema.to_schema().checks if check.raise_warning]


def warning_violation(check: pa.Check, table: ibis.Table) -> Violation | None:
    """How a table breaks one of the rules that only warn; None when it doesn't."""
    return next(iter(_violations(table, [(rule_of(check), ~_holds(check, table))])), None)


def violations(schema: TableSchema, table: ibis.Table) -> list[Violation]:
    """The rules of a schema, other than those that only warn, that a table breaks.

    Pandera would fetch every bad row to report it. So it judges only columns and types, and the
    rules of the rows are turned into expressions, which the engine counts in one query.
    """
    pandera_schema = schema.to_schema()
    # For what is semi-structured it has no type.
    table = table.drop(*(name for name, kind in table.schema().items() if kind.is_json()))
    try:
        # Pandera takes either from the environment, where neither is ours to say.
        with config_context(validation_enabled=True, validation_depth=ValidationDepth.SCHEMA_ONLY):
            pandera_schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        texts = [printable(str(error))[:MAX_TEXT] for error in errors.schema_errors]
        return [Violation(text, None, text) for text in texts[:MAX_VIOLATIONS]]
    return _violations(table, list(_breaches(pandera_schema, table)))


def rule_of(check: pa.Check) -> Rule:
    """A rule of the frame in words.

    Its `description` says what should hold, its `error` what is so otherwise, of one row and of
    more, with a | between ("{} row is odd|{} rows are odd"), and its `title` what to do then.
    """
    text = check.description or check.name
    one, divided, many = (check.error or "").partition("|")

    def broken(rows: int) -> str:
        if not divided:
            return f"not so of {_rows(rows)}: {text}"
        return (one if rows == 1 else many).replace("{}", f"{rows:,}")

    return Rule(text, broken, check.title or "")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count:,} rows"


def _breaches(schema: pa.DataFrameSchema, table: ibis.Table) -> Iterator[tuple[Rule, ibis.Value]]:
    """Each rule of the rows, and when a row breaks it."""
    for name, column in schema.columns.items():
        if not column.nullable:
            yield _never_null(name), table[name].isnull()
        for check in column.checks:
            breach = table[name].notnull() & ~_holds_of(check, table[name])
            yield _rule_of_column(name, check), breach
    for check in schema.checks:
        if not check.raise_warning:
            yield rule_of(check), ~_holds(check, table)
    keys = [[name] for name, column in schema.columns.items() if column.unique]
    for key in [*keys, list(schema.unique or [])]:
        if key:
            yield _one_row_for_each(", ".join(key)), table.count().over(group_by=key) > 1


def _never_null(name: str) -> Rule:
    return Rule(f"{name} is never NULL", lambda rows: f"{name} is NULL in {_rows(rows)}")


def _one_row_for_each(columns: str) -> Rule:
    return Rule(f"one row for each {columns}", lambda rows: f"{_rows(rows)} share their {columns}")


def _rule_of_column(name: str, check: pa.Check) -> Rule:
    words = WORDS[str(check.name)](**check.statistics)
    text = f"{name} is {check.error or check.name}"
    return Rule(text, lambda rows: f"{name} isn't {words} in {_rows(rows)}")


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


def _violations(table: ibis.Table, breaches: Sequence[tuple[Rule, ibis.Value]]) -> list[Violation]:
    """The rules that are broken, at most MAX_VIOLATIONS. Unknown is not broken."""
    if not breaches:
        return []
    flags = table.select(**{f"rule_{n}": breach for n, (_, breach) in enumerate(breaches)})
    counts = flags.aggregate(**{name: flags[name].sum() for name in flags.columns})
    (broken,) = counts.to_pyarrow().to_pylist()
    return [
        _violation(rule, int(rows), table.filter(breach))
        for (rule, breach), rows in zip(breaches, broken.values(), strict=True)
        if rows
    ][:MAX_VIOLATIONS]


def _violation(rule: Rule, rows: int, failing: ibis.Table) -> Violation:
    days: tuple[date, ...] = ()
    if PARTITION in failing.columns:
        distinct = failing.select(PARTITION).distinct().order_by(PARTITION)
        days = tuple(distinct.limit(MAX_DAYS + 1).to_pyarrow()[PARTITION].to_pylist())
    if {*REASONS, "captured_at"} & set(failing.columns) > {"captured_at"}:
        failing = failing.order_by(ibis.desc("captured_at"))
    examples = tuple(failing.limit(MAX_EXAMPLES).to_pyarrow().to_pylist())
    return Violation(rule.text, rows, rule.broken(rows), days, examples, rule.next_step)


def _reason(row: Mapping[str, Any]) -> str:
    return next((printable(str(row[name])) for name in REASONS if row.get(name)), "")


def _findings(found: Sequence[Violation]) -> Findings:
    return Findings(
        sentences=[str(one) for one in found],
        rows=sum(one.rows or 0 for one in found),
        days={day for one in found for day in one.days},
        newest=next((str(row[KEY]) for one in found for row in one.examples if row.get(KEY)), ""),
        faults=[fault for one in found for fault in _faults(one)],
    )


def _faults(violation: Violation) -> Iterator[Mapping[str, str]]:
    """The examples of a violation for people: what is wrong comes first, and no hash is shown."""
    for row in violation.examples:
        shown = {
            name: f"{value} UTC" if isinstance(value, datetime) else HASH.sub("*", str(value))
            for name, value in row.items()
            if value not in (None, "") and name not in (*REASONS, PARTITION, "sha256")
        }
        where = printable(", ".join(f"{name} {_short(value)}" for name, value in shown.items()))
        reason = _reason(row) or violation.sentence
        yield {"reason": reason, "day": str(row.get(PARTITION, "")), "where": where}
    if not violation.examples:
        yield {"reason": violation.sentence, "day": "", "where": ""}


def _short(value: str) -> str:
    return value if len(value) <= MAX_VALUE else f"{value[:MAX_VALUE]}…"
