"""What of a source is served, by its declaration and the models of dbt."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictit_assets.contract.source import Reference, Serving
from predictit_assets.errors import ExpectedError
from predictit_assets.paths import DBT_DIR
from predictit_assets.storage.serving import ForeignKey, Served, in_order

if TYPE_CHECKING:
    from jinja2.runtime import Context

    from predictit_assets.checks.model_schema import Key, ModelSchema

DIALECTS = ("postgres", "default")
"""Whose macros a view takes where there is one for each engine."""


def served_tables(
    source: str, serving: Serving, models: "Mapping[Key, ModelSchema]", project: Path = DBT_DIR
) -> list[Served]:
    """The tables and views of a source that are served, each after what it refers to.

    Raises ExpectedError where the declaration doesn't fit the models.
    """
    own = [model for (owner, _, _), model in models.items() if owner == source]
    chosen = [one for one in own if one.layer in serving.tables or one.table in serving.tables]
    named = {name for one in chosen for name in (one.layer, one.table)}
    _refuse(source, "tables", set(serving.tables) - named)
    views = {one.table for one in chosen if one.is_view}
    _refuse(source, "copies", set(serving.copies) - views)
    views -= set(serving.copies)
    tables = {one.table: one for one in chosen if one.table not in views}
    for what, by_table in (("private", serving.private), ("references", serving.references)):
        _refuse(source, what, by_table.keys() - {one.table for one in chosen})

    served: dict[str, Served] = {}

    def serve(table: str, waiting: tuple[str, ...] = ()) -> Served:
        if table not in tables or table in waiting:
            raise ExpectedError(f"{source} serves no {table} that {waiting[-1]} could refer to")
        if table not in served:
            references = serving.references.get(table, ())
            keys = [
                ForeignKey(one.columns, serve(one.table, (*waiting, table))) for one in references
            ]
            served[table] = _checked(source, serving, tables[table], references, keys)
        return served[table]

    for table in tables:
        serve(table)
    for view in (one for one in chosen if one.table in views):
        sql, reads = view_sql(source, view.table, served, project)
        private = frozenset(serving.private.get(view.table, ()))
        _refuse(source, f"private {view.table}", private - view.types.keys())
        served[view.table] = Served(view, private, (), sql, reads)
    return in_order(served.values())


def _checked(
    source: str,
    serving: Serving,
    model: "ModelSchema",
    references: Sequence[Reference],
    keys: Sequence[ForeignKey],
) -> Served:
    private = frozenset(serving.private.get(model.table, ()))
    _refuse(source, f"private {model.table}", private - model.types.keys())
    for reference, key in zip(references, keys, strict=True):
        _refuse(source, f"references {model.table}", set(reference.columns) - model.types.keys())
        if set(reference.columns) != set(key.of.key):
            raise ExpectedError(
                f"{source} declares that {model.table} refers to {reference.table} by "
                f"{', '.join(reference.columns)}, and its key is {', '.join(key.of.key)}"
            )
    return Served(model, private, tuple(keys), is_copy=model.is_view)


def _refuse(source: str, what: str, unknown: Collection[str]) -> None:
    if unknown:
        raise ExpectedError(
            f"{source} declares as served ({what}) what it has no model of: "
            + ", ".join(sorted(unknown))
        )


def view_sql(
    source: str, view: str, tables: Mapping[str, Served], project: Path = DBT_DIR
) -> tuple[str, frozenset[str]]:
    """The query of a served view, and the served tables that it reads.

    `serving/<source>/<view>.sql` is written as a model is, with `ref` for served tables and the
    macros of the project, so that a measure is defined once. Where a macro has a variant for each
    engine, the one of `postgres` counts, else the one of `default`. Raises ExpectedError.
    """
    from jinja2 import Environment, StrictUndefined, TemplateError, pass_context

    name = f"serving/{source}/{view}.sql"
    file = project / name
    if not file.is_file():
        raise ExpectedError(f"{source} serves the view {view}, and there is no dbt_project/{name}")
    macros = [
        *sorted((project / "macros").glob("*.sql")),
        *sorted((project / "macros" / source).glob("*.sql")),
    ]
    reads: set[str] = set()

    def ref(table: str) -> str:
        if table not in tables:
            raise ExpectedError(f"dbt_project/{name} refers to {table}, which isn't served")
        reads.add(table)
        return tables[table].name

    class Adapter:
        @pass_context
        def dispatch(self, context: "Context", macro: str, *_: str) -> Callable[..., Any]:
            for dialect in DIALECTS:
                if found := context.get(f"{dialect}__{macro}"):
                    return found  # type: ignore[no-any-return]
            raise ExpectedError(
                f"dbt_project/{name} needs the macro {macro}, which has no variant for PostgreSQL: "
                f"write postgres__{macro}"
            )

    # What is made is SQL, and no page.
    environment = Environment(undefined=StrictUndefined, extensions=["jinja2.ext.do"])  # noqa: S701
    environment.globals |= {"ref": ref, "adapter": Adapter()}
    try:
        template = environment.from_string("\n".join(one.read_text() for one in [*macros, file]))
        return template.render().strip(), frozenset(reads)
    except TemplateError as error:
        raise ExpectedError(f"dbt_project/{name} can't be rendered: {error.message}") from None
