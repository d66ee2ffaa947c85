"""How what we expect to go wrong fails a step: one sentence, and another try where it may help."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date

import dagster as dg

from predictit_assets.errors import BadDays, PredictitError

FAILING_DAYS = "failing_days"
"""The metadata that names the days which failed a check or a step."""
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MOST_DAYS = 30
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
        days = error.days if isinstance(error, BadDays) else []
        raise dg.Failure(
            str(error),
            metadata={FAILING_DAYS: list_days(days)} if days else {},
            allow_retries=False,
        ) from None


def list_days(days: Sequence[date]) -> str:
    """Days as metadata tells them: so many that a person still reads them."""
    more = " and more" if len(days) > MOST_DAYS else ""
    return ", ".join(map(str, days[:MOST_DAYS])) + more


def bad_days(events: Iterable[dg.DagsterEvent]) -> set[date]:
    """The days that the blocking checks and the steps of a run failed for, as far as they tell."""
    days = set()
    for event in events:
        metadata: Mapping[str, dg.MetadataValue] = {}
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if not check.passed and check.severity is dg.AssetCheckSeverity.ERROR:
                metadata = check.metadata
        elif event.is_step_failure and event.step_failure_data.user_failure_data:
            metadata = event.step_failure_data.user_failure_data.metadata
        if listed := metadata.get(FAILING_DAYS):
            days |= {date.fromisoformat(day) for day in DAY.findall(str(listed.value))}
    return days
