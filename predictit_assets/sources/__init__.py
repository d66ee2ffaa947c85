"""The sources: a folder each, and the one list of them.

What is imported here is small: a poller that asks one source loads nothing of the others.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from predictit_assets.errors import SettingsError

if TYPE_CHECKING:
    from predictit_assets.contract.settings import SourceSettings
    from predictit_assets.contract.source import Source

SOURCES = ("predictit", "stocks", "congress")
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


def enabled(names: Iterable[str]) -> "Sequence[Enabled]":
    """These sources with their settings. Raises SettingsError."""
    sources = [load(name) for name in names]
    return [Enabled(source, source.settings.load()) for source in sources]
