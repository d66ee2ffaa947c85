"""What a made-up API is to the sample server, and how the one of a source is found.

To add one, write a module `predictit_assets.sources.<source>.fake` with a function `fake()`.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, NamedTuple, Protocol

from predictit_assets import sources
from predictit_assets.errors import ExpectedError

if TYPE_CHECKING:
    from predictit_assets.sample.clock import Clock
    from predictit_assets.sample.faults import Fault
    from predictit_assets.sample.http import Route


class Imported(NamedTuple):
    """Files of the last days are written, and imported: `archive` writes them."""

    days: int
    """Whole days before today, which is one more."""
    minutes: int = 15
    """Between two payloads."""
    writer: Sequence[str] = ()
    """Another command of `predictit sample` that writes them, which takes `--folder`."""


class Fetched(NamedTuple):
    """The API is asked about the last days."""

    days: int


class PolledNow(NamedTuple):
    """The API is asked once what is true now."""


class AskedAfterwards(NamedTuple):
    """The API is asked about what the tables name that were built, which are then built again."""


WayIn = Imported | Fetched | PolledNow | AskedAfterwards


@dataclass(frozen=True)
class Demo:
    """What `predictit sample demo` does with a source, and what it shows of it."""

    ways: Sequence[WayIn] = ()
    """How much of a past the demo has, and through which ways it comes in, in this order."""
    looks: Mapping[str, str] = field(default_factory=dict)
    """What to type to look at it, such as a command that only this source has, and what it is."""
    watched: Mapping[str, str] = field(default_factory=dict)
    """Environment variables that suit people who watch the UI, where they have set none."""


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

    @property
    def demo(self) -> Demo:
        """What the demo does with it."""
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
