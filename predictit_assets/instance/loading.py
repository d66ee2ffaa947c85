"""Loading the code location: every run is a process that begins with it."""

import atexit
import gc
import sys
from typing import TYPE_CHECKING

from predictit_assets.settings import Settings

if TYPE_CHECKING:
    import dagster as dg

NEW_OBJECTS = 10_000
"""New objects that start a garbage collection. With Python's 700 a run spends a tenth of its time
on collections, and needs as much memory."""


def load_definitions(settings: Settings) -> "dg.Definitions":
    """All definitions, and the modules that they need; to be called once in a process."""
    # What is loaded lives as long as the process. To collect garbage meanwhile takes a quarter of
    # the time, and later collections would look through all of it again.
    gc.disable()
    try:
        from predictit_assets.build import build_definitions

        return build_definitions(settings)
    finally:
        gc.freeze()
        gc.set_threshold(NEW_OBJECTS)
        gc.enable()
        atexit.register(_unfreeze)


def _unfreeze() -> None:
    # DuckDB complains at exit about objects that weren't freed. To free them takes a second.
    if "duckdb" in sys.modules:
        gc.unfreeze()
