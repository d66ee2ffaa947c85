"""dbt's own page of every table, its columns and their lineage, as one file that needs no network.

It needs no warehouse either: names, types and descriptions are those of the models' contracts,
which are what the tables have in any warehouse. (`dbt docs generate` would ask a built one for the
types, and leaves them blank where there is none.)
"""

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from dbt.cli.main import dbtRunner
from dbt.task.docs import DOCS_INDEX_FILE_PATH

PROJECT = Path(__file__).parent.parent / "dbt_project"


def manifest(folder: Path) -> dict[str, Any]:
    """What dbt knows of the project, compiled in a home that is thrown away.

    Raises SystemExit when the project can't be compiled; dbt has said why.
    """
    for name in [name for name in os.environ if name.startswith("PREDICTIT_")]:
        del os.environ[name]
    os.environ["PREDICTIT_HOME"] = str(folder)
    places = {
        **dict.fromkeys(("--project-dir", "--profiles-dir"), str(PROJECT)),
        **dict.fromkeys(("--target-path", "--log-path"), str(folder)),
    }
    options = [word for option in places.items() for word in option]
    command = ["docs", "generate", "--empty-catalog", "--quiet", *options]
    if not dbtRunner().invoke(command).success:
        raise SystemExit(1)
    made: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    for node in made["nodes"].values():
        # Where its files lie on this machine is nobody's business.
        for place in ("root_path", "compiled_path", "build_path"):
            node.pop(place, None)
    return made


def catalog(known: dict[str, Any]) -> dict[str, Any]:
    """The tables as dbt's page wants to hear of them from a warehouse, told by their contracts."""

    def table(node: dict[str, Any]) -> dict[str, Any]:
        kind = "VIEW" if node.get("config", {}).get("materialized") == "view" else "BASE TABLE"
        columns = {
            name: {"name": name, "index": index, "type": column["data_type"] or "", "comment": None}
            for index, (name, column) in enumerate(node["columns"].items(), start=1)
        }
        named = {"schema": node["schema"], "name": node["name"], "database": node["database"]}
        return {
            "metadata": {"type": kind, "comment": None, "owner": None, **named},
            "columns": columns,
            "stats": {},
            "unique_id": node["unique_id"],
        }

    tables = ("model", "seed")
    models = {key: node for key, node in known["nodes"].items() if node["resource_type"] in tables}
    return {
        "metadata": {},
        "nodes": {key: table(node) for key, node in models.items()},
        "sources": {key: table(node) for key, node in known["sources"].items()},
        "errors": None,
    }


def main(page: Path) -> None:
    """Write the page: dbt's, with both documents inside, as `generate --static` makes it."""
    with tempfile.TemporaryDirectory() as folder:
        known = manifest(Path(folder))
    text = Path(DOCS_INDEX_FILE_PATH).read_text()
    for place, document in (("MANIFEST", known), ("CATALOG", catalog(known))):
        mark = f'"{place}.JSON INLINE DATA"'
        if mark not in text:
            raise SystemExit(f"error: dbt's page has no place for {place.lower()}.json any more")
        # In a script of a page, "</" could be its end.
        text = text.replace(mark, json.dumps(document).replace("</", "<\\/"))
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
