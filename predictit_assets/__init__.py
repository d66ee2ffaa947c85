"""The history that PredictIt doesn't keep: a Dagster code location for its odds."""

from importlib.metadata import version

__version__ = version("predictit_assets")
