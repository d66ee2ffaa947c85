"""dbt's tests as people read them: a plain name and a sentence each.

dbt makes names of a test, its table and its arguments. Dagster shows a check below its table, so
the name needn't say that again. dbt itself goes on knowing the test by its own name.
"""

import re
from collections.abc import Mapping
from typing import Any

WORDS = {
    "unique": "each {column_name} is there once",
    "not_null": "{column_name} is never NULL",
    "accepted_values": "{column_name} is one of {values}",
    "relationships": "each {column_name} is a {field} of {to}",
    "unique_in_window": "one row for each {columns}",
    "unique_together": "one row for each {columns}",
    "belongs_in_window": "each {columns} is one of {to}",
    "true_in_window": "in each row {expression}",
    "true_of_all": "in each row {expression}",
    "day_is_local": "partition_date is the day of {column} in {zone}",
    "versions_meet": "the versions of a {id} follow each other without gap or overlap",
    "runs_do_not_overlap": "a run of a {id} ends before its next one begins",
    "ranks_are_consecutive": "{rank} counts from 1 without gaps for each {groups}",
}
"""What the tests of all sources say, where the YAML has no description; {} are arguments."""
REFERENCE = re.compile(r"(?:ref|source)\(.*?['\"](\w+)['\"]\s*\)")


def read_by_people(manifest: dict[str, Any]) -> dict[str, Any]:
    """A manifest whose tests bear plain names, and descriptions where dagster-dbt wants them."""
    names: set[tuple[str, str]] = set()
    for node in manifest["nodes"].values():
        if node["resource_type"] != "test" or not node.get("test_metadata"):
            continue
        table = str(node["attached_node"])
        name = _name(node, table.rsplit(".", 1)[-1])
        if (table, name) not in names:
            names.add((table, name))
            node["name"] = name
        node["meta"] = {**node.get("meta", {}), "description": _sentence(node)}
    return manifest


def looks_at_window(manifest: Mapping[str, Any], test: Mapping[str, Any]) -> bool:
    """Whether a test looks at the days of the build only."""
    macros = manifest["macros"]
    return any(
        used.endswith(".in_window")
        for macro in test["depends_on"]["macros"]
        if macro in macros
        for used in (macro, *macros[macro]["depends_on"]["macros"])
    )


def _name(node: Mapping[str, Any], table: str) -> str:
    test = node["test_metadata"]
    made_by_dbt = f"{test['name']}_{table}"
    if node["name"].startswith(made_by_dbt):
        column = test["kwargs"].get("column_name")
        return f"{test['name']}_{column}" if column else str(test["name"])
    return str(node["name"]).removeprefix(f"{table}_")


def _sentence(node: Mapping[str, Any]) -> str:
    test = node["test_metadata"]
    text = node.get("description") or WORDS.get(test["name"]) or node["name"].replace("_", " ")
    for name, value in test["kwargs"].items():
        words = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        text = text.replace(f"{{{name}}}", REFERENCE.sub(r"\1", words))
    return " ".join(text.split())
