"""The load of the code location, beside the import of what it can't do without."""

import sys

from bench.measure import Measure
from bench.sampling import Side


def measures() -> list[Measure]:
    """The measure."""
    return [
        Measure(
            "load of the code location",
            Side("ours", [sys.executable, "-c", "import predictit_assets.definitions"]),
            [
                Side(
                    "import of dagster, dagster_dbt",
                    [sys.executable, "-c", "import dagster, dagster_dbt"],
                )
            ],
            ["1.5 x"],
        )
    ]
