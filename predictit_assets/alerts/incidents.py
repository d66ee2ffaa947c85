"""What is broken: read from the runs and the check results that the Dagster instance holds."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import quote

import dagster as dg
from dagster._core.event_api import RunStatusChangeEventType
from dagster._core.instance import RUNLESS_RUN_ID
from dagster._core.storage.tags import WILL_RETRY_TAG

from predictit_assets.checks.freshness import FRESH
from predictit_assets.checks.schema import days_judged
from predictit_assets.contract.calendar import DayRange, consecutive, today
from predictit_assets.instance.failures import breaks, failed_steps, one_line, why
from predictit_assets.instance.partitions import tagged_window

WARNINGS = ("nothing_quarantined", FRESH)
"""The checks that are told of though they block nothing."""
CHECK = "check"
"""Stands for the job in the scope of a check."""
MAX_WINDOWS = 3
"""Stretches of days spelt out in a name."""
MAX_RUNS = 200
"""Ends of one kind looked at in one go; the rest is the next tick's."""

ENDS: tuple[RunStatusChangeEventType, ...] = (
    dg.DagsterEventType.RUN_SUCCESS,
    dg.DagsterEventType.RUN_FAILURE,
    dg.DagsterEventType.RUN_CANCELED,
)
TELLING = {
    dg.DagsterEventType.ASSET_CHECK_EVALUATION,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.RUN_FAILURE,
}


@dataclass(frozen=True)
class Scope:
    """What a run was to make, or a check to evaluate."""

    job: str
    parts: tuple[str, ...] | None
    """Assets, or the check; None for all that is in the job."""
    windows: tuple[DayRange, ...]
    """The days of it; empty when it isn't about days."""
    whole: bool = False
    """Whether it is the whole graph."""

    def __str__(self) -> str:
        return ", ".join(map(str, self.windows[:MAX_WINDOWS])) + (
            " and more" if len(self.windows) > MAX_WINDOWS else ""
        )

    def without(self, done: "Scope") -> "Scope | None":
        """What is left of this after a success; None for nothing."""
        parts = done.parts is None or bool(self.parts and set(self.parts) <= set(done.parts))
        made = self.job != CHECK if done.whole else self.job == done.job and parts
        if not made:
            return self
        if not self.windows or not done.windows:
            return None
        left = days_without(self.windows, done.windows)
        return replace(self, windows=tuple(consecutive(left))) if left else None


@dataclass(frozen=True)
class Incident:
    """Something that a person should know of."""

    what: str
    """Its name: one incident is the other when they are called the same."""
    scope: Scope
    text: str
    """The cause, a link, and the next step: a line each."""


@dataclass(frozen=True)
class Outcome:
    """How a run or a check ended."""

    done: Scope | None = None
    """Where all was well."""
    incident: Incident | None = None


@dataclass(frozen=True)
class Monitored:
    """What is looked at, and where the UI shows it."""

    assets: frozenset[str]
    checks: frozenset[dg.AssetCheckKey]
    whole_job: str
    """The job of the whole graph."""
    ui_url: str

    @staticmethod
    def of(definitions: Sequence[dg.AssetsDefinition], whole_job: str, ui_url: str) -> "Monitored":
        """Monitored all runs, every blocking check of these definitions, and the WARNINGS."""
        assets = [key.to_user_string() for one in definitions for key in one.keys]
        specs = [spec for one in definitions for spec in one.check_specs]
        watched = frozenset(spec.key for spec in specs if spec.blocking or spec.name in WARNINGS)
        return Monitored(frozenset(assets), watched, whole_job, ui_url)

    def outcomes_of(self, instance: dg.DagsterInstance, ended: dg.EventLogRecord) -> list[Outcome]:
        """How a run ended, and what the watched checks in it found."""
        run = instance.get_run_by_id(ended.run_id)
        if run is None:  # deleted since
            return []
        entries = instance.all_logs(run.run_id, of_type=TELLING)
        events = [entry.dagster_event for entry in entries if entry.dagster_event]
        failed = ended.event_type is dg.DagsterEventType.RUN_FAILURE
        results = [
            event.asset_check_evaluation_data
            for event in events
            if event.event_type is dg.DagsterEventType.ASSET_CHECK_EVALUATION
        ]
        outcomes = [
            self._check_outcome(instance, result)
            for result in results
            if result.asset_check_key in self.checks
            # What broke a run is told with it.
            and not (failed and breaks(result))
        ]
        scope = self._run_scope(run)
        if ended.event_type is dg.DagsterEventType.RUN_SUCCESS:
            outcomes.append(Outcome(done=scope))
        elif failed and run.tags.get(WILL_RETRY_TAG) != "true":
            outcomes.append(Outcome(incident=self._run_trouble(run, scope, events)))
        return outcomes

    def outcomes_without_run(self, instance: dg.DagsterInstance) -> Iterator[Outcome]:
        """What the watched checks say whose newest result a sensor reported."""
        storage = instance.event_log_storage
        newest = storage.get_latest_asset_check_execution_by_key(list(self.checks))
        for key, record in newest.items():
            if key in self.checks and record.run_id == RUNLESS_RUN_ID and record.evaluation:
                yield self._check_outcome(instance, record.evaluation)

    def _run_scope(self, run: dg.DagsterRun) -> Scope:
        window = tagged_window(run.tags)
        chosen = [
            *(key.to_user_string() for key in run.asset_selection or ()),
            *(key.to_user_string() for key in run.asset_check_selection or ()),
        ]
        # The UI names every asset where `predictit build` names none.
        parts = None if not chosen or self.assets <= set(chosen) else tuple(sorted(chosen))
        windows = (window,) if window else ()
        whole = run.job_name == self.whole_job and parts is None
        return Scope(run.job_name, parts, windows, whole)

    def _run_trouble(
        self, run: dg.DagsterRun, scope: Scope, events: Sequence[dg.DagsterEvent]
    ) -> Incident:
        what = f"run of {scope.job}"
        if scope.parts:
            more = len(scope.parts) - 1
            what = f"run of {scope.parts[0]}" + (
                f" and {more} more assets and checks" if more else ""
            )
        return _incident(
            what,
            scope,
            why(events) or "it failed before its first step: see its log",
            f"{self.ui_url}/runs/{run.run_id}",
            _next_run(scope, failed_steps(events)),
        )

    def _check_outcome(
        self, instance: dg.DagsterInstance, result: dg.AssetCheckEvaluation
    ) -> Outcome:
        key = result.asset_check_key
        parts = (key.to_user_string(),)
        judged, failing = days_judged(result.metadata)
        scope = Scope(CHECK, parts, tuple(consecutive(judged)))
        if result.passed:
            return Outcome(done=scope)
        broken = replace(scope, windows=tuple(consecutive(failing)))
        sound = days_without(scope.windows, broken.windows)
        done = replace(scope, windows=tuple(consecutive(sound))) if sound else None
        cause = result.description or "failed"
        step = "look at what it found, then " + _build(broken)
        if key.name == "nothing_quarantined":
            cause = _quarantined(instance, key.asset_key, broken) or cause
            step = (
                "look at the payload and the reason beside it; when a release can read it, "
                f"move it back to landing/, then {_build(broken)}"
            )
        elif key.name == FRESH:
            step = "predictit poll (it says what is wrong), then predictit build --from today"
        path = "/".join(quote(part, safe="") for part in key.asset_key.path)
        link = f"{self.ui_url}/assets/{path}?view=checks&checkDetail={quote(key.name)}"
        what = f"check {key.name} of {key.asset_key.to_user_string()}"
        return Outcome(done, _incident(what, broken, cause, link, step))


def ended_runs(
    instance: dg.DagsterInstance, after: int | None, since: float
) -> list[dg.EventLogRecord]:
    """The ends of runs after the one of this storage id, else since a moment, in their order.

    There may be more of them than are returned.
    """
    pages = [
        instance.fetch_run_status_changes(
            dg.RunStatusChangeRecordsFilter(
                end,
                after_storage_id=after,
                after_timestamp=since if after is None else None,
            ),
            limit=MAX_RUNS,
            ascending=True,
        )
        for end in ENDS
    ]
    # What lies behind a page that isn't the last of its kind is still to come.
    bound = min((page.records[-1].storage_id for page in pages if page.has_more), default=None)
    records = sorted(
        (record for page in pages for record in page.records), key=lambda end: end.storage_id
    )
    return [record for record in records if bound is None or record.storage_id <= bound]


def days_without(windows: Collection[DayRange], others: Collection[DayRange]) -> list[date]:
    """The days of some windows that lie in none of the others."""
    days = [day for window in windows for day in window.days]
    return [day for day in days if not any(day in other for other in others)]


def _incident(what: str, scope: Scope, cause: str, link: str, step: str) -> Incident:
    return Incident(
        f"{what}, {scope}" if scope.windows else what,
        scope,
        f"{one_line(cause)}\n{link}\nnext: {step}",
    )


def _next_run(scope: Scope, failed: Collection[str]) -> str:
    # What a build takes of landing is what the store holds: it wouldn't ask the API again.
    polled = failed and all(step.startswith("landing_") for step in failed)
    if polled and scope.windows == (DayRange(today(), today()),):
        return "predictit poll (it asks again, and says what is wrong)"
    return _build(scope)


def _build(scope: Scope) -> str:
    if not scope.windows:
        return "build it again"
    return f"predictit build --from {scope.windows[0].first} --to {scope.windows[-1].last}"


def _quarantined(instance: dg.DagsterInstance, asset: dg.AssetKey, scope: Scope) -> str | None:
    """The newest of the quarantined payloads, and why it is there."""
    if not scope.windows:
        return None
    day = str(scope.windows[-1].last)
    records = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=asset, asset_partitions=[day]), limit=1
    ).records
    made = records[0].asset_materialization if records else None
    table = made.metadata.get("quarantined_payloads") if made else None
    if not isinstance(table, dg.TableMetadataValue) or not table.records:
        return None
    newest = table.records[0].data
    more = " (and others)" if len(table.records) > 1 else ""
    return f"{newest['key']}: {newest['quarantined_because']}{more}"
