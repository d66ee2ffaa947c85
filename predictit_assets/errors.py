"""What can go wrong in ways we expect: each error is one sentence that says what to do next.

Whatever is neither an `ExpectedError` nor a fault of the surroundings is a defect, and keeps its
traceback.
"""

import os
import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import ClassVar

from predictit_assets.text import printable

KEY_ACCEPTED = "key_accepted"
"""The check that fails while an API refuses the key."""


class ExpectedError(Exception):
    """An expected failure; its text is shown to people as it is."""

    retryable: ClassVar[bool] = False
    """Whether it may be gone at the next try; nothing else is worth one."""
    told_by: ClassVar[str] = ""
    """The check that tells of it: a run that fails of it is no incident of its own."""


class SettingsError(ExpectedError):
    """The environment holds a value that can't be used."""


class FetchError(ExpectedError):
    """The API gave no payload: it can't be reached, or what came back isn't one."""

    def __init__(self, text: str, *, of_question: bool = False) -> None:
        super().__init__(text)
        self.of_question = of_question
        """Whether it is about what was asked: another question may be answered."""


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


class WarehouseUnreachable(ExpectedError):
    """The warehouse is elsewhere, and didn't answer, or said that it can't just now."""

    retryable = True


class WarehouseUnusable(ExpectedError):
    """The file of the warehouse can't be opened, and waiting doesn't help."""


class ServingUnreachable(ExpectedError):
    """PostgreSQL didn't answer, broke off, or is too busy just now."""

    retryable = True


class ServingFailed(ExpectedError):
    """PostgreSQL refused something, or what it holds isn't what was sent."""


STORES = {"obstore", "_obstore", "botocore"}
"""Libraries that keep objects: each of their errors is of the surroundings."""
DATABASES = {"duckdb", "_duckdb", "sqlite3", "sqlalchemy", "psycopg2"}
"""Libraries of databases: some of their errors are of the surroundings, others of our SQL."""
BROKEN_DATABASE = {"OperationalError", "FatalException", "InternalException"}
"""Their classes (PEP 249) for what the programmer doesn't answer for."""


def fault_of_surroundings(error: BaseException | None) -> str | None:
    """What the system, a store or a database says is wrong, as one sentence; None for a defect.

    What it was raised from counts too: libraries wrap such errors.
    """
    for cause in _causes(error):
        if isinstance(cause, ExpectedError):
            return str(cause)
        if isinstance(cause, OSError):
            said = cause.strerror or str(cause) or type(cause).__name__
            return printable(f"{os.fsdecode(_file(cause))}: {said}" if _file(cause) else said)
        if _is_of(cause, STORES) or (_is_of(cause, DATABASES) and _is_broken_database(cause)):
            # Of what may be a page the first line says it.
            first = next(iter(str(cause).strip().splitlines()), "")
            return printable(re.sub(r"^\(\w+\.\w+\) ", "", first)) or type(cause).__name__
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error:
        yield error
        error = error.__cause__


def _file(error: OSError) -> str | bytes:
    return error.filename if isinstance(error.filename, str | bytes) else ""


def _is_of(error: BaseException, libraries: set[str]) -> bool:
    return any(one.__module__.partition(".")[0] in libraries for one in type(error).__mro__)


def _is_broken_database(error: BaseException) -> bool:
    # SQLite calls a file that is no database by the class of all its errors.
    names = {one.__name__ for one in type(error).__mro__}
    return type(error).__name__ == "DatabaseError" or not names.isdisjoint(BROKEN_DATABASE)
