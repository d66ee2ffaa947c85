"""Serving: published tables in PostgreSQL, which applications read while the warehouse is written.

All served tables of a source are one step, since they are one transaction.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg

from predictit_assets.checks.memory import Findings, Memory, result
from predictit_assets.checks.publication import Publication, unpublished
from predictit_assets.contract.calendar import spelt
from predictit_assets.contract.names import AssetNames
from predictit_assets.instance.failures import fail_on_expected_error
from predictit_assets.instance.partitions import days_of_context, mark_days
from predictit_assets.layers.models import column_schema
from predictit_assets.layers.specs import group_of, layer_asset
from predictit_assets.storage.serving import Counts, Served, Serving, warehouse_counts
from predictit_assets.storage.stream import HeldDays
from predictit_assets.storage.warehouse import Warehouse

LAYER = "serving"
CHECK = "rows"
RULE = "PostgreSQL holds as many rows as the warehouse, of each day"
READABLE = "the view can be read"
MAX_RANGES = 3
"""Ranges of days that a description lists."""


def serving_key(names: AssetNames, served: Served) -> dg.AssetKey:
    """The asset of a served table."""
    return dg.AssetKey(names.key(LAYER, served.model.source, served.table))


def serving_assets(
    source: str,
    tables: Sequence[Served],
    serving: Serving,
    warehouse: Warehouse,
    partitions: dg.DailyPartitionsDefinition,
    held: HeldDays,
    *,
    whole: bool,
    owner: str,
    names: AssetNames,
    pool: str,
) -> dg.AssetsDefinition:
    """The served tables of a source: a range of days is one transaction.

    `pool` is of what writes to the warehouse: nothing is to change while its tables are read.
    """
    models = {
        one.table: dg.AssetKey(names.key(one.model.layer, source, one.table)) for one in tables
    }

    @layer_asset(
        f"{LAYER}_{source}",
        [_spec(one, tables, models, names, owner) for one in tables],
        partitions,
        pool=pool,
    )
    def publish(context: dg.AssetExecutionContext) -> Iterator[Any]:
        window = days_of_context(context)
        late = {
            one.table: unpublished(context.instance, models[one.table], serving_key(names, one))
            for one in tables
            if one.by_day
        }
        for one in tables:
            if one.is_view:
                late[one.table] = set().union(*(late.get(table, ()) for table in one.reads))
        with fail_on_expected_error(context.op_execution_context):
            done = serving.publish(
                source, tables, warehouse, {*window.days, *set().union(*late.values())}, whole=whole
            )
        for one in tables:
            key = serving_key(names, one)
            metadata: dict[str, Any] = {"database": serving.place}
            if one.table in done.rows:
                days = done.days[one.table]
                metadata |= {
                    "rows_written": done.rows[one.table],
                    "days_written": "all" if days is None else spelt(days, MAX_RANGES),
                    "made_anew": one.table in done.made,
                }
            # Days before this run that nobody had published are published now.
            for day in sorted(late.get(one.table, set()) - set(window.days)):
                yield dg.AssetMaterialization(key, partition=str(day), metadata=metadata)
            told: dg.MaterializeResult[None] = dg.MaterializeResult(
                asset_key=key, metadata=metadata
            )
            yield from mark_days(context, [told], held(window))

    return publish


def _spec(
    one: Served,
    tables: Sequence[Served],
    models: Mapping[str, dg.AssetKey],
    names: AssetNames,
    owner: str,
) -> dg.AssetSpec:
    source = one.model.source
    if one.is_view:
        deps = [serving_key(names, other) for other in tables if other.table in one.reads]
        lineage = {}
    else:
        deps = [models[one.table]]
        lineage = {
            "dagster/column_lineage": dg.TableColumnLineage(
                {name: [dg.TableColumnDep(deps[0], name)] for name in one.model.types}
            )
        }
    hidden = f" Readers don't get {', '.join(sorted(one.private))}." if one.private else ""
    return dg.AssetSpec(
        key=serving_key(names, one),
        deps=deps,
        description=(
            f"{one.model.description} In PostgreSQL, replaced in one transaction with the other "
            f"served tables of the source.{hidden}"
        ),
        group_name=group_of(LAYER, source),
        owners=[owner],
        kinds={"postgres", "view" if one.is_view else "table"},
        tags={"source": source, "layer": LAYER},
        metadata={
            "dagster/table_name": f"{one.model.layer}.{one.table}",
            "dagster/column_schema": column_schema(one.model),
            **lineage,
        },
    )


def publication(source: str, tables: Sequence[Served], names: AssetNames) -> Publication:
    """What of a source is served, of which model each."""
    by_day: dict[dg.AssetKey, dg.AssetKey] = {}
    whole: dict[dg.AssetKey, dg.AssetKey] = {}
    for one in tables:
        if not one.is_view:
            model = dg.AssetKey(names.key(one.model.layer, source, one.table))
            (by_day if one.by_day else whole)[model] = serving_key(names, one)
    return Publication(source, by_day, whole)


def serving_checks(
    source: str,
    tables: Sequence[Served],
    serving: Serving,
    warehouse: Warehouse,
    names: AssetNames,
) -> dg.AssetChecksDefinition:
    """Whether what is served is what is published."""
    by_key = {serving_key(names, one): one for one in tables}

    @dg.multi_asset_check(
        name=f"check_{LAYER}_{source}",
        specs=[
            dg.AssetCheckSpec(CHECK, asset=key, blocking=True, description=f"{_rule(one)}.")
            for key, one in by_key.items()
        ],
        can_subset=True,
    )
    def compare(context: dg.AssetCheckExecutionContext) -> Iterable[dg.AssetCheckResult]:
        selected = {key: by_key[key.asset_key] for key in sorted(context.selected_asset_check_keys)}
        with fail_on_expected_error(context.op_execution_context):
            found = serving.counts(list(selected.values()))
            with warehouse.read_connection() as query:
                for key, one in selected.items():
                    # A copy of a view is of the moment when it was made: the view has moved on.
                    wanted = found[one.table] if one.is_copy else Counts()
                    if not (one.is_view or one.is_copy):
                        wanted = warehouse_counts(query, one, None, sums=False)
                    yield result(
                        key,
                        dg.AssetCheckSeverity.ERROR,
                        _rule(one),
                        None,
                        compared(wanted, found[one.table]),
                        Memory(),
                    )

    return compare


def _rule(one: Served) -> str:
    rule = READABLE if one.is_view or one.is_copy else RULE
    return rule[0].upper() + rule[1:]


def compared(wanted: Counts, found: Counts) -> Findings:
    """What differs between the warehouse and PostgreSQL."""
    differing = [day for day in {*wanted, *found} if wanted.get(day) != found.get(day)]
    if not differing:
        return Findings()
    days = sorted(day for day in differing if day)
    rows = sum(_rows(found, day) for day in differing), sum(_rows(wanted, day) for day in differing)
    of = f" of {spelt(days, MAX_RANGES)}" if days else ""
    sentence = f"PostgreSQL holds {rows[0]:,} rows{of}, and the warehouse {rows[1]:,}"
    return Findings([sentence], rows=abs(rows[1] - rows[0]), days=days)


def _rows(counts: Counts, day: date | None) -> int:
    return int(counts[day][0]) if day in counts else 0
