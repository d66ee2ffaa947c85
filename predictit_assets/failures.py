"""How what we expect to go wrong fails a step: one sentence, and whether trying again may help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from predictit_assets.errors import FetchError, PredictitError, WarehouseBusy

PASSING = (FetchError, WarehouseBusy)
"""What may be gone at the next try; nothing else is worth one."""


@contextmanager
def expected_failures() -> Iterator[None]:
    """Turn a PredictitError into Dagster's Failure, without its traceback."""
    try:
        yield
    except PredictitError as error:
        raise dg.Failure(str(error), allow_retries=isinstance(error, PASSING)) from None
