"""The load of the code location: every run is a process, and begins with it."""

import atexit
import gc
import sys
from typing import TYPE_CHECKING

from predictit_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

NEW_OBJECTS = 10_000
"""That Python waits for before it looks for garbage. At its own 700 a run spends a tenth of its
time on that, and needs as much memory."""


def load_definitions(settings: Settings) -> "dg.Definitions":
    """All definitions, with the modules that they need: once a process."""
    # What a load makes stays until the process ends. To look for garbage in the middle of it takes
    # a quarter of its time; a run and the end of the process would look through all of it again.
    gc.disable()
    try:
        from predictit_assets.build import build_definitions

        return build_definitions(settings)
    finally:
        gc.freeze()
        atexit.register(_thaw)
        gc.set_threshold(NEW_OBJECTS)
        gc.enable()


def _thaw() -> None:
    # DuckDB complains at length, at exit, of its objects that were never freed.
    if "duckdb" in sys.modules:
        gc.unfreeze()
