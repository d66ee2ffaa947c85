"""What a measure is: our side, others to compare with, and what the ratio may be."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from bench.sampling import Sample, Side


@dataclass(frozen=True)
class Fact:
    """A number as it is, and what it may be at most."""

    what: str
    value: str
    at_most: str = ""


@dataclass(frozen=True)
class Measure:
    """Commands that are run in turns."""

    name: str
    ours: Side
    others: Sequence[Side] = ()
    at_most: Sequence[str] = ()
    """Of ours alone, or of its ratio to each of the others."""
    facts: Callable[[Sequence[Sample]], list[Fact]] = lambda samples: []
    """What else our runs told."""


@dataclass
class Taken:
    """The samples of one measure, by side."""

    measure: Measure
    samples: dict[str, list[Sample]] = field(default_factory=dict)
