"""How an expected error fails a step, or has it retried; and why a run failed.

An expected failure is one sentence.
"""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import dagster as dg

from predictit_assets.errors import BadDays, ExpectedError, fault_of_surroundings
from predictit_assets.instance.names import CHECK_FAILED_ERROR
from predictit_assets.interrupts import noticing_interrupts

FAILING_DAYS = "failing_days"
"""The metadata that lists the days which failed a check or a step, as ISO dates."""
MORE_DAYS = "more_failing_days"
"""The metadata that says that other days failed too, which aren't listed."""
TOLD_BY = "told_by"
"""The metadata of a failure that names the check which tells of it."""
MAX_DAYS = 100
"""Failing days that are listed: a result is kept for years, and read at each look."""
RETRIES = 2
FIRST_WAIT = 5.0
"""Seconds before the first retry; twice as long before each further one."""
MAX_TEXT = 400
"""Characters of a cause that has to fit on a line."""


@contextmanager
def fail_on_expected_error(context: dg.OpExecutionContext) -> Iterator[None]:
    """Turn an ExpectedError into Dagster's Failure, or into a retry if the error may pass.

    So is a fault of the surroundings, such as a full disk. A defect fails the step at once, with
    its traceback. An interrupt ends the run, whatever was made of it: Dagster would take an error
    for a failure of this step, and start the next ones.
    """
    with _never_without_its_interrupt(), _as_failure(context):
        yield


@contextmanager
def _never_without_its_interrupt() -> Iterator[None]:
    """Raise KeyboardInterrupt at the end, if an interrupt came and no such exception of it."""
    cause = None
    with noticing_interrupts() as interrupted:
        try:
            yield
        except Exception as error:
            if not interrupted():
                raise
            cause = error
        if interrupted():
            raise KeyboardInterrupt from cause


@contextmanager
def _as_failure(context: dg.OpExecutionContext) -> Iterator[None]:
    try:
        yield
    except ExpectedError as error:
        if error.retryable and context.retry_number < RETRIES:
            context.log.warning(f"{error}; trying again")
            wait = FIRST_WAIT * 2**context.retry_number
            raise dg.RetryRequested(max_retries=RETRIES, seconds_to_wait=wait) from error
        metadata = failing_days_metadata(error.days if isinstance(error, BadDays) else [])
        if error.told_by:
            metadata[TOLD_BY] = dg.MetadataValue.text(error.told_by)
        raise dg.Failure(str(error), metadata=metadata, allow_retries=False) from None
    except Exception as error:
        if fault := fault_of_surroundings(error):
            raise dg.Failure(fault, allow_retries=False) from error
        raise


def failing_days_metadata(days: Iterable[date]) -> dict[str, dg.MetadataValue]:
    """The metadata that lists failing days, at most MAX_DAYS of them; none when none failed."""
    listed = [day.isoformat() for day in sorted(days)]
    metadata: dict[str, dg.MetadataValue] = {}
    if listed:
        metadata[FAILING_DAYS] = dg.MetadataValue.json(listed[:MAX_DAYS])
    if len(listed) > MAX_DAYS:
        metadata[MORE_DAYS] = dg.MetadataValue.bool(True)
    return metadata


def listed_days(metadata: Mapping[str, dg.MetadataValue]) -> list[date]:
    """The failing days that metadata lists."""
    listed = metadata.get(FAILING_DAYS)
    if not isinstance(listed, dg.JsonMetadataValue):
        return []
    return [date.fromisoformat(str(day)) for day in listed.data or []]


def bad_days(events: Iterable[dg.DagsterEvent]) -> set[date]:
    """The days that the blocking checks and the steps of a run failed for, where they list them."""
    days: set[date] = set()
    for event in events:
        metadata: Mapping[str, dg.MetadataValue] = {}
        if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION:
            check = event.asset_check_evaluation_data
            if breaks(check):
                metadata = check.metadata
        elif event.is_step_failure and event.step_failure_data.user_failure_data:
            metadata = event.step_failure_data.user_failure_data.metadata
        days.update(listed_days(metadata))
    return days


def why(events: Sequence[dg.DagsterEvent]) -> str:
    """Why a run failed, by its events: the blocking checks and the steps that failed."""
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
    # No step failed in a run whose process died.
    causes = causes or [event.message or "" for event in events if event.is_run_failure]
    return "; ".join(causes)


def told_by(events: Iterable[dg.DagsterEvent]) -> set[str]:
    """The checks that tell of a run's failure; none when a step failed of something else."""
    names = set()
    for event in events:
        if event.is_step_failure and not _only_says_that_a_check_failed(event):
            data = event.step_failure_data.user_failure_data
            name = data.metadata.get(TOLD_BY) if data else None
            names.add(str(name.value) if name else "")
    return set() if "" in names else names


def breaks(check: dg.AssetCheckEvaluation) -> bool:
    """Whether a check's result is more than a warning."""
    return not check.passed and check.severity is dg.AssetCheckSeverity.ERROR


def failed_steps(events: Sequence[dg.DagsterEvent]) -> list[str]:
    """The keys of the steps that failed, by the events of a run."""
    return [str(event.step_key) for event in events if event.is_step_failure]


def one_line(text: str) -> str:
    """A text shortened to what fits where there is room for a line."""
    return textwrap.shorten(text, MAX_TEXT, placeholder=" ...")


def _only_says_that_a_check_failed(event: dg.DagsterEvent) -> bool:
    error = event.step_failure_data.error
    return error is not None and error.cls_name == CHECK_FAILED_ERROR


def _cause(failure: Any) -> str:
    """Why a step failed, by Dagster's StepFailureData (which it doesn't export)."""
    if failure.user_failure_data and failure.user_failure_data.description:
        return str(failure.user_failure_data.description)
    error = failure.error
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else "failed"
