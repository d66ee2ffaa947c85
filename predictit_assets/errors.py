"""What can go wrong in ways we expect: each error is one sentence that says what to do next.

Whatever isn't a `ExpectedError` is a defect and keeps its traceback.
"""

from collections.abc import Mapping
from datetime import date
from typing import ClassVar


class ExpectedError(Exception):
    """An expected failure; its text is shown to people as it is."""

    retryable: ClassVar[bool] = False
    """Whether it may be gone at the next try; nothing else is worth one."""


class SettingsError(ExpectedError):
    """The environment holds a value that can't be used."""


class FetchError(ExpectedError):
    """The API gave no payload: it can't be reached, or what came back isn't one."""


class PartTooLong(ExpectedError):
    """What a payload answers can't be written into the name of its object."""


class NothingHeld(ExpectedError):
    """The store holds no payload for the days that were asked for."""


class NothingPublished(ExpectedError):
    """The warehouse, or a table of it, isn't there yet."""


class BadDays(ExpectedError):
    """Some days of a window can't be built; the others can, without them."""

    def __init__(self, faults: Mapping[date, str]) -> None:
        super().__init__("; ".join(f"{day}: {fault}" for day, fault in faults.items()))
        self.days = sorted(faults)


class WarehouseBusy(ExpectedError):
    """Another process holds the warehouse."""

    retryable = True
