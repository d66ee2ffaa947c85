"""The load of the code location, beside the import of what it can't do without."""

import sys
from pathlib import Path

from bench.measure import Measure
from bench.sampling import Side
from predictit_assets.sample.fakes import find_fake
from predictit_assets.sources import SOURCES

DG = str(Path(sys.executable).with_name("dg"))
IMPORT = Side(
    "import of dagster, dagster_dbt", [sys.executable, "-c", "import dagster, dagster_dbt"]
)


LOAD = [sys.executable, "-c", "import predictit_assets.definitions"]


def all_on() -> dict[str, str]:
    """The environment in which every source is on, with what each needs."""
    needed: dict[str, str] = {}
    for name in SOURCES:
        needed |= find_fake(name).defaults
    return needed | {"PREDICTIT_SOURCES": ",".join(SOURCES)}


def measures() -> list[Measure]:
    """The measures: the import alone, with all that dg does and imports, and with every source."""
    ours = {
        "load of the code location": LOAD,
        "the same by dg check defs": [DG, "check", "defs"],
    }
    one = [
        Measure(name, Side("ours", command), [IMPORT], ["1.5 x"]) for name, command in ours.items()
    ]
    every = Measure(
        f"load of the code location, {len(SOURCES)} sources on",
        Side("ours", LOAD, environment=all_on()),
        [Side("one source on", LOAD), IMPORT],
    )
    return [*one, every]
