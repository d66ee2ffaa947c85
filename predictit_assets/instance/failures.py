"""How what we expect to go wrong fails a step, or gives it another try; and why a run failed.

An expected failure is one sentence.
"""

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg
from dagster._core.errors import DagsterAssetCheckFailedError

from predictit_assets.errors import BadDays, ExpectedError

FAILING_DAYS = "failing_days"
"""The metadata that names the days which failed a check or a step."""
DAY = re.compile(r"\d{4}-\d\d-\d\d")
MAX_DAYS = 30
MORE = " and more"
RETRIES = 2
FIRST_WAIT = 5.0
"""Seconds before the first retry; twice as long before each further one."""
MAX_TEXT = 400
"""Characters of a cause, where there is room for a line."""


@contextmanager
def fail_on_expected_error(context: dg.OpExecutionContext) -> Iterator[None]:
    """Turn a ExpectedError into Dagster's Failure, or into another try if the error may pass.

    A defect is no ExpectedError: it fails the step at once, with its traceback.
    """
    try:
        yield
    except ExpectedError as error:
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
    more = MORE if len(days) > MAX_DAYS else ""
    return ", ".join(map(str, days[:MAX_DAYS])) + more


def named_days(listed: dg.MetadataValue | None) -> list[date] | None:
    """The days that metadata tells of; None when it doesn't name them all."""
    text = str(listed.value) if listed else MORE
    if text.endswith(MORE):
        return None
    return [date.fromisoformat(day) for day in DAY.findall(text)]


def bad_days(events: Iterable[dg.DagsterEvent]) -> set[date]:
    """The days that the blocking checks and the steps of a run failed for, as far as they tell."""
    days = set()
    for event in events:
        metadata: Mapping[str, dg.MetadataValue] = {}
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if breaks(check):
                metadata = check.metadata
        elif event.is_step_failure and event.step_failure_data.user_failure_data:
            metadata = event.step_failure_data.user_failure_data.metadata
        if listed := metadata.get(FAILING_DAYS):
            days |= {date.fromisoformat(day) for day in DAY.findall(str(listed.value))}
    return days


def why(events: Sequence[dg.DagsterEvent]) -> str:
    """Why a run failed, of its events: the checks that block, and the steps that failed."""
    broken = {}
    for event in events:
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if breaks(check):
                broken[check.asset_check_key] = check
    causes = [
        f"check {key.name} of {key.asset_key.to_user_string()}: {check.description or 'failed'}"
        for key, check in broken.items()
    ]
    causes += [
        f"{event.step_key}: {_cause(event.step_failure_data)}"
        for event in events
        if event.is_step_failure and not _only_says_that_a_check_failed(event)
    ]
    # A run whose process died has no step that failed.
    causes = causes or [event.message or "" for event in events if event.is_run_failure]
    return "; ".join(causes)


def breaks(check: dg.AssetCheckEvaluation) -> bool:
    """Whether a check's result is more than a warning."""
    return not check.passed and check.severity is dg.AssetCheckSeverity.ERROR


def failed_steps(events: Sequence[dg.DagsterEvent]) -> list[str]:
    """The steps that failed, of a run's events."""
    return [str(event.step_key) for event in events if event.is_step_failure]


def one_line(text: str) -> str:
    """A cause for where there is room for a line only."""
    return textwrap.shorten(text, MAX_TEXT, placeholder=" ...")


def _only_says_that_a_check_failed(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == DagsterAssetCheckFailedError.__name__


def _cause(failure: Any) -> str:
    """Why a step failed, of Dagster's StepFailureData (which it doesn't export)."""
    if failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    error = failure.error
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "failed"
