"""The history that public APIs do not keep: a Dagster code location, a folder a source."""

from importlib.metadata import version

__version__ = version("predictit_assets")
