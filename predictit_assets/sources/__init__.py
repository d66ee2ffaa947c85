"""The sources: a folder each, and the one list of them.

What is imported here is small: a poller that asks one source loads nothing of the others.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from predictit_assets.errors import SettingsError

if TYPE_CHECKING:
    from predictit_assets.contract.settings import SourceSettings
    from predictit_assets.contract.source import Source

SOURCES = ("predictit", "stocks", "congress", "orders", "crypto", "clickstream")
"""Every source, in the order in which they are built. The first is the default."""


@dataclass(frozen=True)
class Enabled:
    """A source that is on, and how the environment sets it."""

    source: "Source"
    settings: "SourceSettings"

    @property
    def name(self) -> str:
        """The name of the source."""
        return self.source.name


def load(name: str) -> "Source":
    """The declaration of a source. Raises SettingsError for an unknown name."""
    if name not in SOURCES:
        raise SettingsError(f"there is no source {name!r:.60}; known are {', '.join(SOURCES)}")
    source: Source = import_module(f"{__name__}.{name}.source").SOURCE
    return source


def enabled(names: Iterable[str], beside: Iterable[str] = ()) -> "Sequence[Enabled]":
    """These sources with their settings, each with the datasets that are there.

    `beside` are others that are on. Raises SettingsError.
    """
    sources = [load(name) for name in names]
    on = {source.name for source in sources}.union(beside)
    return [_with_settings(source, on) for source in sources]


def _with_settings(source: "Source", on: Collection[str]) -> Enabled:
    settings = source.settings.load()
    there = tuple(one for one in source.datasets if one.is_there(settings, on))
    return Enabled(source._replace(datasets=there), settings)
