"""The Pandera schemas of what dbt builds, made from the YAML of the models.

The YAML says everything about a column once: its type (the contract) and what it means. A column is
NOT NULL and may hold any value, unless its `config: meta:` says otherwise by one of META. What is
unique is said by the dbt tests of the model.
"""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from predictit_assets.contract.calendar import DayRange
from predictit_assets.storage.warehouse import MODEL_LAYERS, STAGING

# Loading the code location reads the schemas and makes no Pandera object of them.
if TYPE_CHECKING:
    import ibis.expr.datatypes as dt
    import pandera.ibis as pa

META = ("nullable", "gt", "ge", "lt", "le", "isin", "str_matches")
"""What `meta` may say of a column: all but the first are named as Pandera's checks are."""
PARTITION = "partition_date"
"""The column that tables by day have."""
TYPES = {
    "bigint": "int64",
    "boolean": "boolean",
    "date": "date",
    "double": "float64",
    "integer": "int32",
    "timestamp": "timestamp(6)",
    "varchar": "string",
}
"""The types of the YAML as Ibis names them, beside `decimal(p, s)`, which both have."""
VARIANT = "variant"
"""The type of what is semi-structured. Pandera has none for it: that such a column is there is said
by dbt's contract, and that it isn't NULL by a test of dbt."""
DAYS_AROUND = ("days_before", "days_after")
"""What `meta` may say of a model: how many days around those of a build it replaces too."""
DECIMAL = re.compile(r"decimal\(\d+, ?\d+\)")

Key = tuple[str, str, str]
"""Source, layer, table."""


@dataclass(frozen=True)
class ModelColumn:
    """A column of a model."""

    name: str
    data_type: str
    description: str
    nullable: bool = False
    unique: bool = False
    checks: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelSchema:
    """A model or seed as its YAML describes it. Where a Pandera class is asked for, it will do."""

    source: str
    layer: str
    table: str
    description: str
    columns: tuple[ModelColumn, ...]
    unique: tuple[str, ...] = ()
    """The columns that are unique together, when no single one is."""
    materialized: str = "table"
    days_before: int = 0
    """So many days before those of a build are replaced with them."""
    days_after: int = 0
    """So many days after them are."""
    parents: frozenset[Key] = frozenset()
    """The models, seeds and staging tables that it is made of, of whichever source."""

    def __post_init__(self) -> None:
        # As classes have it, for what tells people about a schema.
        object.__setattr__(self, "__doc__", self.description)

    @property
    def by_day(self) -> bool:
        """Whether its rows belong to days."""
        return any(column.name == PARTITION for column in self.columns)

    @property
    def is_kept(self) -> bool:
        """Whether a build leaves the table in place, with the days that it isn't about."""
        return self.materialized == "incremental"

    def replaced(self, window: DayRange) -> DayRange:
        """The days that a build of these replaces."""
        return DayRange(
            window.first - timedelta(days=self.days_before),
            window.last + timedelta(days=self.days_after),
        )

    @property
    def is_view(self) -> bool:
        """Whether it holds no rows of its own."""
        return self.materialized == "view"

    @property
    def is_seed(self) -> bool:
        """Whether it is a file of the dbt project, made of nothing else."""
        return self.materialized == "seed"

    @property
    def types(self) -> dict[str, str]:
        """The SQL type of each column, in order."""
        return {column.name: column.data_type for column in self.columns}

    def to_schema(self) -> "pa.DataFrameSchema":
        """The Pandera schema."""
        return self._schema

    @cached_property
    def _schema(self) -> "pa.DataFrameSchema":
        import pandera.ibis as pa

        return pa.DataFrameSchema(
            {
                column.name: pa.Column(
                    ibis_type(column.data_type),
                    checks=[getattr(pa.Check, name)(of) for name, of in column.checks.items()],
                    nullable=column.nullable,
                    unique=column.unique,
                    description=column.description,
                )
                for column in self.columns
                if column.data_type != VARIANT
            },
            name=f"{self.layer}.{self.table}",
            description=self.description,
            # A column that the YAML doesn't list is a fault.
            strict=True,
            unique=list(self.unique) or None,
        )


def ibis_type(data_type: str) -> "dt.DataType":
    """A type of the YAML as Ibis's."""
    import ibis.expr.datatypes as dt

    if DECIMAL.fullmatch(data_type):
        return dt.dtype(data_type)
    return dt.dtype(TYPES[data_type])


def model_schemas(manifest: Mapping[str, Any]) -> dict[Key, ModelSchema]:
    """Every model and seed of the dbt project, by source, layer and table."""
    tests: dict[str, list[Mapping[str, Any]]] = {}
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node"):
            tests.setdefault(node["attached_node"], []).append(node)
    keys = {
        name: (*source_and_layer(node), str(node["name"]))
        for name, node in {**manifest["sources"], **manifest["nodes"]}.items()
        if node["resource_type"] in {"source", "model", "seed"}
    }
    schemas = (
        _model_schema(node, tests.get(name, ()), keys)
        for name, node in manifest["nodes"].items()
        if node["resource_type"] in {"model", "seed"}
    )
    in_order = sorted(
        schemas, key=lambda one: (one.source, MODEL_LAYERS.index(one.layer), one.table)
    )
    return {(one.source, one.layer, one.table): one for one in in_order}


def source_and_layer(node: Mapping[str, Any]) -> tuple[str, str]:
    """Where a node of the manifest lies: <source>/<layer>/, or declared in <source>/."""
    _, source, layer, *_ = node["fqn"]
    if node["resource_type"] == "source":
        return source, STAGING
    if layer not in MODEL_LAYERS:
        raise ValueError(f"{node['name']} lies in the folder {layer}: known are {MODEL_LAYERS}")
    return source, layer


def _model_schema(
    node: Mapping[str, Any], tests: Iterable[Mapping[str, Any]], keys: Mapping[str, Key]
) -> ModelSchema:
    source, layer = source_and_layer(node)
    names = list(node["columns"])
    alone, together, accepted = _tested(tests, set(names))
    meta_of_model = node["config"].get("meta", {})
    if unknown := meta_of_model.keys() - set(DAYS_AROUND):
        where = f"the dbt model {layer}.{node['name']}"
        raise ValueError(f"{where} has the meta {sorted(unknown)}: known are {list(DAYS_AROUND)}")
    columns = []
    for name, column in node["columns"].items():
        meta = column["config"]["meta"]
        where = f"column {name} of the dbt model {layer}.{node['name']}"
        if unknown := meta.keys() - set(META):
            raise ValueError(f"{where} has the meta {sorted(unknown)}: known are {list(META)}")
        data_type = (column["data_type"] or "").lower()
        if data_type not in (*TYPES, VARIANT) and not DECIMAL.fullmatch(data_type):
            known = [*TYPES, VARIANT, "decimal(p, s)"]
            raise ValueError(f"{where} has the type {data_type!r}: known are {known}")
        checks = {key: value for key, value in meta.items() if key != "nullable"}
        if name in accepted:
            checks["isin"] = accepted[name]
        columns.append(
            ModelColumn(
                name,
                data_type,
                " ".join(column["description"].split()),
                nullable=bool(meta.get("nullable", False)),
                unique=name in alone,
                checks=checks,
            )
        )
    return ModelSchema(
        source,
        layer,
        node["name"],
        " ".join(node["description"].split()),
        tuple(columns),
        next((key for key in together if not alone & set(key)), ()),
        node["config"]["materialized"],
        days_before=int(meta_of_model.get("days_before", 0)),
        days_after=int(meta_of_model.get("days_after", 0)),
        # Seeds are made of nothing, and dbt says so by saying nothing.
        parents=frozenset(
            keys[parent] for parent in node["depends_on"].get("nodes", ()) if parent in keys
        ),
    )


def _tested(
    tests: Iterable[Mapping[str, Any]], names: set[str]
) -> tuple[set[str], list[tuple[str, ...]], dict[str, list[Any]]]:
    """What dbt tests: columns that are unique alone, together, and the values that are accepted."""
    alone: set[str] = set()
    together: list[tuple[str, ...]] = []
    accepted: dict[str, list[Any]] = {}
    for test in tests:
        if test["config"]["severity"].lower() != "error":
            continue
        name, arguments = test["test_metadata"]["name"], test["test_metadata"]["kwargs"]
        if name in {"unique", "unique_in_window", "unique_together"}:
            key = tuple(arguments.get("columns") or [arguments["column_name"]])
            if not names.issuperset(key):  # an expression
                continue
            if len(key) == 1:
                alone.update(key)
            else:
                together.append(key)
        elif name == "accepted_values":
            accepted[arguments["column_name"]] = arguments["values"]
    return alone, sorted(together), accepted


def buildable(
    models: Mapping[Key, ModelSchema], sources: Collection[str], staged: Collection[str]
) -> dict[Key, ModelSchema]:
    """The models of these sources that can be made while these staging tables are loaded.

    A model that reads another source's tables exists only while both are on.
    """
    made = {key: model for key, model in models.items() if model.source in sources}

    def lacks(model: ModelSchema) -> bool:
        return any(
            table not in staged if layer == STAGING else (source, layer, table) not in made
            for source, layer, table in model.parents
        )

    while lacking := [key for key, model in made.items() if lacks(model)]:
        for key in lacking:
            del made[key]
    return made


def in_steps(schemas: Mapping[Key, ModelSchema]) -> Iterator[tuple[str, str, list[ModelSchema]]]:
    """The sources and layers that have models, with their models: each is built in one step."""
    steps: dict[tuple[str, str], list[ModelSchema]] = {}
    for schema in schemas.values():
        steps.setdefault((schema.source, schema.layer), []).append(schema)
    for (source, layer), models in steps.items():
        yield source, layer, models
