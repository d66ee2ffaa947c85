"""The load of the code location, beside the import of what it can't do without."""

import sys
from pathlib import Path

from bench.measure import Measure
from bench.sampling import Side

DG = str(Path(sys.executable).with_name("dg"))
IMPORT = Side(
    "import of dagster, dagster_dbt", [sys.executable, "-c", "import dagster, dagster_dbt"]
)


def measures() -> list[Measure]:
    """The measures: the import alone, and with all that dg does and imports."""
    ours = {
        "load of the code location": [sys.executable, "-c", "import predictit_assets.definitions"],
        "the same by dg check defs": [DG, "check", "defs"],
    }
    return [
        Measure(name, Side("ours", command), [IMPORT], ["1.5 x"]) for name, command in ours.items()
    ]
