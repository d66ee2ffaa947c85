"""Writes what Terraform knows of the sources: deploy/terraform/sources.json.

Curated tables with their columns, as Hive calls the types, and what of each source is polled. A
test (tests/test_deploy.py) makes it anew and compares.
"""

import json
from pathlib import Path
from typing import Any

from predictit_assets.contract.arrival import Polled
from predictit_assets.contract.schema import Schema, column_types
from predictit_assets.contract.source import Source, all_tables
from predictit_assets.sources import SOURCES, load

FILE = Path(__file__).resolve().parent / "terraform" / "sources.json"
PARTITION = "date"
"""The key of a partition in the names of folders. A column of that name would be hidden by it."""
LONGEST_COMMENT = 255
"""Characters that Glue takes."""


def catalog() -> dict[str, Any]:
    """What there is of each source. Raises ValueError for a table that the catalog can't name."""
    return {name: of_source(load(name)) for name in SOURCES}


def of_source(source: Source) -> dict[str, Any]:
    """The first day, what is polled (or null), and the curated tables of a source."""
    tables = {
        name: {"comment": _sentence(schema), "columns": columns(name, schema)}
        for dataset in source.datasets
        for name, schema in sorted(all_tables(dataset).items())
    }
    first_day = str(source.settings.model_fields["start"].default)
    return {"first_day": first_day, "polled": polled(source), "tables": tables}


def polled(source: Source) -> dict[str, Any] | None:
    """The dataset that is polled, the table that it becomes, and the minutes between two polls."""
    for dataset in source.datasets:
        for way in dataset.arrivals:
            if isinstance(way, Polled):
                interval = way.interval(source.settings.model_construct())
                return {
                    "dataset": dataset.name,
                    "table": next(iter(dataset.tables)),
                    "minutes": max(1, round(interval / 60)),
                }
    return None


def columns(table: str, schema: Schema) -> list[dict[str, str]]:
    """Name, type and comment of each column, in the order of the file. Raises ValueError."""
    described = schema.to_schema().columns
    types = column_types(schema, "hive")
    if PARTITION in types:
        raise ValueError(f"{table} has a column {PARTITION!r}, as its partitions are called")
    return [
        {
            "name": name,
            "type": kind.lower().replace(" ", ""),
            "comment": (described[name].description or "")[:LONGEST_COMMENT],
        }
        for name, kind in types.items()
    ]


def _sentence(schema: Schema) -> str:
    return " ".join((schema.__doc__ or "").split())[:LONGEST_COMMENT]


def text(known: dict[str, Any]) -> str:
    """The catalog as JSON."""
    return f"{json.dumps(known, indent=1, ensure_ascii=False)}\n"


if __name__ == "__main__":
    FILE.write_text(text(catalog()))
