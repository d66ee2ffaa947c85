"""Column lineage: which columns of its parents each column of a model is made of, by its SQL."""

from collections.abc import Mapping
from typing import Any

Lineage = dict[str, dict[str, list[tuple[str, str]]]]
"""By model and column, the parents (dbt's unique ids) and their columns that it is made of."""


def trace(
    manifest: Mapping[str, Any],
    compiled: Mapping[str, str],
    staged: Mapping[str, Mapping[str, str]],
) -> Lineage:
    """The lineage of compiled models. One whose SQL is beyond the parser is left out.

    `staged` are the columns of the tables that the manifest only names.
    """
    from sqlglot import exp
    from sqlglot.schema import MappingSchema

    dialect = str(manifest["metadata"]["adapter_type"])
    schema = MappingSchema(dialect=dialect)
    relations = {}
    for unique_id, node in {**manifest["sources"], **manifest["nodes"]}.items():
        if node.get("relation_name"):
            table = exp.to_table(node["relation_name"], dialect=dialect)
            relations[_name(table)] = unique_id
            types = {name: one["data_type"] for name, one in node["columns"].items()}
            if types := types or dict(staged.get(node["name"], {})):
                schema.add_table(table, types, dialect=dialect)
    found: Lineage = {}
    for unique_id, sql in compiled.items():
        columns = manifest["nodes"][unique_id]["columns"]
        try:
            found[unique_id] = _origins(sql, columns, schema, relations, dialect)
        except Exception:  # noqa: S112  # of whatever kind: it is a picture, no more
            continue
    return found


def _origins(
    sql: str, columns: Mapping[str, Any], schema: Any, relations: Mapping[str, str], dialect: str
) -> dict[str, list[tuple[str, str]]]:
    """What each column is made of; of nothing, where it is a count or a constant."""
    from sqlglot import exp, parse_one
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope

    query: Any = qualify(
        parse_one(sql, dialect=dialect),
        schema=schema,
        dialect=dialect,
        validate_qualify_columns=False,
    )
    scope = build_scope(query)
    # Trimming copies a whole query for each column that a column is made of.
    quick = {"copy": False, "trim_selects": False}
    roots = lineage(None, query, schema=schema, dialect=dialect, scope=scope, **quick)
    made = {name.lower(): root for name, root in roots.items()}
    found = {}
    for column in columns:
        origins = set()
        for node in made[column].walk():
            if isinstance(node.source, exp.Table) and (parent := relations.get(_name(node.source))):
                origins.add((parent, exp.to_column(node.name).name.lower()))
        found[column] = sorted(origins)
    return found


def _name(table: Any) -> str:
    return ".".join(part.name.lower() for part in table.parts)
