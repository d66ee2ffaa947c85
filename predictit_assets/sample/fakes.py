"""What a made-up API is to the sample server, and how the one of a source is found.

To add one, write a module `predictit_assets.sources.<source>.fake` with a function `fake()`.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Protocol

from predictit_assets import sources
from predictit_assets.errors import ExpectedError

if TYPE_CHECKING:
    from predictit_assets.sample.clock import Clock
    from predictit_assets.sample.faults import Fault
    from predictit_assets.sample.http import Route


class Fake(Protocol):
    """The made-up API of a source. The same seed and time always give the same answers."""

    @property
    def name(self) -> str:
        """The source that it stands in for."""
        ...

    @property
    def faults(self) -> "Sequence[Fault]":
        """The ways to answer wrongly that only this API has."""
        ...

    @property
    def defaults(self) -> Mapping[str, str]:
        """Environment variables that suit the fake, where the user has set none."""
        ...

    def routes(self, clock: "Clock") -> "Sequence[Route]":
        """What is answered, at the time that the clock shows; none: there is no API to serve."""
        ...

    def archive(
        self, folder: Path, start: datetime, end: datetime, every: timedelta
    ) -> Iterator[Path]:
        """Write files that `predictit import` takes, and yield each.

        They hold what was answered or dropped from start until before end, `every` so often.
        Existing files are replaced. Nothing is written until the iterator is asked for a file.
        """
        ...

    def environment(self, url: str) -> Mapping[str, str]:
        """Environment variables that make the pipeline use the fake at this address."""
        ...


def find_fake(source: str) -> Fake:
    """The fake of a source. Raises ExpectedError with the known ones if it has none."""
    known = names()
    if source not in known:
        raise ExpectedError(
            f"there is no made-up API of {source!r}; there is of {', '.join(known)}"
        )
    found: Fake = import_module(f"{sources.__name__}.{source}.fake").fake()
    return found


def names() -> list[str]:
    """The sources that have a fake. None of their modules is imported."""
    folders = [module.name for module in iter_modules(sources.__path__) if module.ispkg]
    return [name for name in folders if find_spec(f"{sources.__name__}.{name}.fake")]


def moments(start: datetime, end: datetime, every: timedelta) -> Iterator[datetime]:
    """Whole seconds in UTC from start until before end."""
    at = start.astimezone(UTC).replace(microsecond=0)
    while at < end:
        yield at
        at += every
