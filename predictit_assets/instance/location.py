"""Which runs of a Dagster instance are this code location's: others may share the instance."""

import dagster as dg
from dagster._core.definitions.repository_definition import SINGLETON_REPOSITORY_NAME
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteJobOrigin,
    RemoteRepositoryOrigin,
)

from predictit_assets.instance.names import LOCATION_TAG, OWN_TAG_PREFIXES

LOCATION = "predictit_assets"
"""What pyproject.toml and deploy/workspace.yaml call the code location."""


def job_origin(job_name: str) -> RemoteJobOrigin:
    """Where a job is from, as the runs say that Dagster's daemon starts.

    A run without it shows in no list of the UI that goes by jobs, and can't be executed again.
    """
    location = RegisteredCodeLocationOrigin(LOCATION)
    return RemoteJobOrigin(RemoteRepositoryOrigin(location, SINGLETON_REPOSITORY_NAME), job_name)


def is_own(run: dg.DagsterRun, location: str = LOCATION) -> bool:
    """Whether a run is of this code location, or of `predictit build` in any release."""
    of_the_terminal = any(tag.startswith(OWN_TAG_PREFIXES) for tag in run.tags)
    return of_the_terminal or run.tags.get(LOCATION_TAG) == location


def location_of(context: dg.SensorEvaluationContext) -> str:
    """The name that the code location of a sensor bears in its instance."""
    origin = context.code_location_origin
    return origin.location_name if origin else LOCATION
