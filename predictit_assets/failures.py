"""How what we expect to go wrong fails a step: one sentence, and another try where it may help."""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from predictit_assets.errors import PredictitError

RETRIES = 2
FIRST_WAIT = 5.0
"""Seconds before the first retry; twice as long before each further one."""


@contextmanager
def expected_failures(context: dg.OpExecutionContext) -> Iterator[None]:
    """Turn a PredictitError into Dagster's Failure, or into another try if the error may pass.

    A defect is no PredictitError: it fails the step at once, with its traceback.
    """
    try:
        yield
    except PredictitError as error:
        if error.passes and context.retry_number < RETRIES:
            context.log.warning(f"{error}; trying again")
            wait = FIRST_WAIT * 2**context.retry_number
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait) from error
        raise dg.Failure(str(error), allow_retries=False) from None
