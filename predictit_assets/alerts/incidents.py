"""What failed and what succeeded, by the runs and check results of the Dagster instance."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date
from typing import NamedTuple
from urllib.parse import quote

import dagster as dg

from predictit_assets.checks.access import CALLS_LEFT
from predictit_assets.checks.freshness import FRESH
from predictit_assets.checks.memory import NEWEST, NEXT, days_judged
from predictit_assets.checks.publication import PUBLISHED
from predictit_assets.contract.calendar import DayRange, consecutive
from predictit_assets.contract.names import UNPREFIXED, AssetNames
from predictit_assets.errors import KEY_ACCEPTED
from predictit_assets.instance.failures import breaks, failed_steps, one_line, told_by, why
from predictit_assets.instance.location import is_own
from predictit_assets.instance.names import LOCATION_TAG, RUNLESS, WILL_RETRY_TAG
from predictit_assets.instance.partitions import tagged_window
from predictit_assets.instance.steps import steps_of_layer

MAX_RANGES = 3
"""Ranges of days that the name of an incident lists."""
NEXT_STEPS = {
    "nothing_quarantined": (
        "look at the payload and the reason beside it; when a release can read it, move it back "
        "to landing/, then {build}"
    ),
    PUBLISHED: "see the last run of serving/{source}; predictit build {source} tries again",
    KEY_ACCEPTED: (
        "set the key of {source} anew (its README names the variable) and restart the code "
        "location; it is asked again by itself"
    ),
    CALLS_LEFT: (
        "poll less often or fewer pages, or let more calls be made, if they may: the README of "
        "{source} names the variables"
    ),
    FRESH: "predictit poll {source} (it says what is wrong), then predictit build {source}",
}
"""What to do about checks that are reported although they only warn."""


class Scope(NamedTuple):
    """What a failure or a success is about."""

    parts: frozenset[str]
    """Assets and checks, a source for all of its own, or a job that isn't about assets."""
    days: tuple[DayRange, ...] = ()
    """Empty when it isn't about days."""

    def after(self, success: "Scope") -> "Scope | None":
        """What of this failure is left after a success; None when nothing is."""
        if not self.parts <= success.parts:
            return self
        left = _without(self.days, success.days) if success.days else ()
        return Scope(self.parts, left) if left else None


class Incident(NamedTuple):
    """A failure that people should know of."""

    name: str
    """Two incidents of the same name are the same."""
    scope: Scope
    text: str
    """The cause, a link, and the next step: a line each."""


Outcome = Scope | Incident
"""How a run or a check ended: the scope of a success, or what failed."""


class Monitored:
    """The assets and checks whose failures are reported."""

    def __init__(
        self,
        definitions: Sequence[dg.AssetsDefinition],
        whole_jobs: Mapping[str, str],
        today: Callable[[str], date],
        ui_url: str,
        names: AssetNames = UNPREFIXED,
    ) -> None:
        """Watch all runs, and the checks of `definitions` that block or have a next step."""
        specs = [spec for one in definitions for spec in one.check_specs]
        self._checks = {spec.key for spec in specs if spec.blocking or spec.name in NEXT_STEPS}
        self._names = names
        self._assets: dict[str, set[str]] = {}
        """By source."""
        for key in {key.to_user_string() for one in definitions for key in one.keys}:
            self._assets.setdefault(self._source(key), set()).add(key)
        self._everything = {spec.key.to_user_string() for spec in specs}.union(
            *self._assets.values()
        )
        self._landing = steps_of_layer("landing", definitions)
        self._whole_jobs, self._today, self._ui_url = whole_jobs, today, ui_url

    def outcomes_of(
        self, instance: dg.DagsterInstance, end: dg.EventLogRecord, location: str
    ) -> list[Outcome]:
        """How a run ended, and what the watched checks in it found.

        Others may share the instance: of a run of another code location nothing is told.
        """
        run = instance.get_run_by_id(end.run_id)
        if run is None:  # deleted since
            return []
        evaluation = dg.DagsterEventType.ASSET_CHECK_EVALUATION
        failure = dg.DagsterEventType.RUN_FAILURE
        planned = dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED
        relevant = {evaluation, dg.DagsterEventType.STEP_FAILURE, failure, planned}
        entries = instance.all_logs(run.run_id, of_type=relevant)
        events = [entry.dagster_event for entry in entries if entry.dagster_event]
        if not is_own(run, location):
            # What somebody runs in a process of his own is of no code location.
            keys = {event.asset_key for event in events if event.event_type is planned}
            if LOCATION_TAG in run.tags or not self._everything & {
                key.to_user_string() for key in keys if key
            }:
                return []
        outcomes: list[Outcome] = []
        for event in events:
            if event.event_type is evaluation:
                result = event.asset_check_evaluation_data
                # Checks that failed the run are reported with the run.
                if not (end.event_type is failure and breaks(result)):
                    outcomes += self._of_check(result)
        if end.event_type is dg.DagsterEventType.RUN_SUCCESS:
            outcomes.append(self._succeeded(self._scope(run)))
        elif end.event_type is failure and run.tags.get(WILL_RETRY_TAG) != "true":
            scope = self._scope(run)
            if not self._is_told_by_checks(told_by(events), scope):
                outcomes.append(self._failed(run, scope, events))
        return outcomes

    def _is_told_by_checks(self, names: set[str], scope: Scope) -> bool:
        """Whether checks tell why a run failed: then each run isn't one incident more."""
        sources = set(map(self._source, scope.parts))
        watched = {(key.name, self._source(key.asset_key.to_user_string())) for key in self._checks}
        return bool(names) and all((one, source) in watched for one in names for source in sources)

    def outcomes_without_run(self, instance: dg.DagsterInstance) -> Iterator[Outcome]:
        """What the watched checks found whose newest result a sensor reported."""
        log = instance.event_log_storage
        for record in log.get_latest_asset_check_execution_by_key(list(self._checks)).values():
            if record.run_id == RUNLESS and record.evaluation:
                yield from self._of_check(record.evaluation)

    def _source(self, part: str) -> str:
        """The source of an asset or of a check (`asset:check`); what is neither is its own."""
        return self._names.source_of(part.partition(":")[0].split("/")) or part

    def _scope(self, run: dg.DagsterRun) -> Scope:
        keys = [*(run.asset_selection or ()), *(run.asset_check_selection or ())]
        chosen = {key.to_user_string() for key in keys}
        # The UI names every asset where `predictit build` names none.
        whole = {source for source, assets in self._assets.items() if assets <= chosen}
        if run.job_name in self._whole_jobs and not chosen:
            whole = {self._whole_jobs[run.job_name]}
        parts = whole | {part for part in chosen if self._source(part) not in whole}
        if not parts:  # another job: its next success resolves it, whatever the days
            return Scope(frozenset({f"job {run.job_name}"}))
        window = tagged_window(run.tags)
        return Scope(frozenset(parts), (window,) if window else ())

    def _succeeded(self, scope: Scope) -> Scope:
        whole = {part for part in self._everything if self._source(part) in scope.parts}
        return Scope(scope.parts | whole, scope.days)

    def _failed(
        self, run: dg.DagsterRun, scope: Scope, events: Sequence[dg.DagsterEvent]
    ) -> Incident:
        first, *others = sorted(scope.parts)
        named = first if "/" in first else run.job_name  # a source or a job has no slash
        more = f" and {len(others)} more assets and checks" if others else ""
        sources = sorted(set(map(self._source, scope.parts)) & self._assets.keys())
        step = _build(sources, scope.days) if sources else "start it again"
        failed = set(failed_steps(events))
        # A build doesn't call the API: it takes what the store holds.
        if sources and failed and failed <= self._landing:
            today = self._today(sources[0])
            if scope.days == (DayRange(today, today),):
                step = f"predictit poll {sources[0]} (it asks again, and says what is wrong)"
        cause = why(events) or "it failed before its first step: see its log"
        link = f"{self._ui_url}/runs/{run.run_id}"
        return _incident(f"run of {named}{more}", scope, cause, link, step)

    def _of_check(self, result: dg.AssetCheckEvaluation) -> Iterator[Outcome]:
        key = result.asset_check_key
        if key not in self._checks:
            return
        name = f"check {key.name} of {key.asset_key.to_user_string()}"
        judged, failing = days_judged(result.metadata)
        bad = [] if result.passed else failing
        good = sorted(set(judged) - set(bad))
        if result.passed or good:
            yield Scope(frozenset({name}), tuple(consecutive(good)))
        # Of what is only remembered people were told when it was found.
        if not result.passed and (bad or not judged):
            scope = Scope(frozenset({name}), tuple(consecutive(bad)))
            path = "/".join(quote(part, safe="") for part in key.asset_key.path)
            link = f"{self._ui_url}/assets/{path}?view=checks&checkDetail={quote(key.name)}"
            source = self._source(key.asset_key.to_user_string())
            step = NEXT_STEPS.get(key.name, "look at what it found, then {build}").format(
                source=source, build=_build([source], scope.days)
            )
            cause = (result.description or "failed").partition(NEXT)[0]
            if newest := result.metadata.get(NEWEST):
                cause += f": {newest.value}"
            yield _incident(name, scope, cause, link, step)


def _without(days: Iterable[DayRange], others: Iterable[DayRange]) -> tuple[DayRange, ...]:
    gone = {day for one in others for day in one.days}
    return tuple(consecutive(day for one in days for day in one.days if day not in gone))


def _build(sources: Sequence[str], days: Sequence[DayRange]) -> str:
    if not days:
        return "build it again"
    return f"predictit build {' '.join(sources)} --from {days[0].first} --to {days[-1].last}"


def _incident(name: str, scope: Scope, cause: str, link: str, step: str) -> Incident:
    listed = [str(one) for one in scope.days[:MAX_RANGES]]
    more = ["and more"] if len(scope.days) > MAX_RANGES else []
    text = f"{one_line(cause)}\n{link}\nnext: {step}"
    return Incident(", ".join([name, *listed, *more]), scope, text)
