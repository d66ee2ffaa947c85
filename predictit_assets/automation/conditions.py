"""When an asset is made anew: one condition a layer, each a sentence.

An update is what an asset reports, by whatever means: a run, a poll, a payload that was landed.
Only days that something happened to are ever asked for, so a new release rebuilds no history by
itself, and a run that failed isn't repeated until something new arrives.
"""

from typing import Any

import dagster as dg

from predictit_assets.contract.calendar import Calendar

Condition = dg.AutomationCondition[dg.AssetKey]
# Its combinators are typed for more kinds of keys than assets have.
On: Any = dg.AutomationCondition
HOUR = 60
"""Minutes."""
SEED = "seed"
"""The kind of assets that are files of the dbt project."""
MADE_OF_PARENTS = ("curated", "staging", "stg", "core", "marts", "live", "report", "serving")


def _since_made(trigger: Any) -> Any:
    """It happened since the partition was last made or asked for.

    Dagster's own `since_last_handled` forgets what happened before its first look.
    """
    return trigger.since(On.newly_requested() | On.newly_updated())


def _named(condition: Any, sentence: str) -> Condition:
    labelled: Condition = condition.with_label(sentence)
    return labelled


def first_payloads() -> Condition:
    """A day has its first payloads."""
    present = On.missing() & ~On.any_deps_missing()
    return _named(_since_made(present.newly_true()), "first payloads of a day")


def late_payloads() -> Condition:
    """A day that is over got payloads."""
    late = _since_made(On.any_deps_updated()) & ~On.in_latest_time_window()
    return _named(late, "late payloads of an old day")


def time_to_build_today(calendar: Calendar, minutes: int) -> Condition:
    """An hour (or so many minutes of it) has begun, and today got payloads."""
    begun = On.cron_tick_passed(
        "0 * * * *" if minutes == HOUR else f"*/{minutes} * * * *", calendar.zone
    )
    fresh = _since_made(On.any_deps_updated()) & _since_made(begun) & On.in_latest_time_window()
    return _named(
        fresh, "a new hour of today" if minutes == HOUR else f"{minutes} new minutes of today"
    )


def payloads_to_validate(calendar: Calendar, minutes: int = HOUR) -> Condition:
    """A day has its first payloads, an old day got late ones, or it is time to build today."""
    due = first_payloads() | late_payloads() | time_to_build_today(calendar, minutes)
    return _named((due & ~On.in_progress()), "payloads to validate")


def _passes_checks() -> Any:
    """None of its blocking checks failed last."""
    return ~On.any_checks_match(On.check_failed(), blocking_only=True)


def parents_made_anew() -> Condition:
    """What it is made of was made anew or is about to be, and no check stands in the way."""
    due = (
        # A seed is a file of the project: loading it again changes nothing.
        _since_made(On.any_deps_updated().ignore(dg.AssetSelection.kind(SEED)))
        # Of what is asked for now, the checks do their blocking in the same run.
        & On.all_deps_match(_passes_checks() | On.will_be_requested())
        & ~On.any_deps_in_progress()
        & ~On.in_progress()
    )
    return _named(due, "parents made anew")


def none_of_today() -> Condition:
    """Today has none yet: for assets that are made of nothing else."""
    absent = On.missing() & On.in_latest_time_window()
    return _named(_since_made(absent.newly_true()) & ~On.in_progress(), "none of today yet")


def condition_of(spec: dg.AssetSpec, calendar: Calendar, minutes: int) -> Condition | None:
    """When an asset is made anew, by its layer; today every so many minutes at the most.

    Landing has no condition: sensors poll, and report what others land.
    """
    layer = spec.tags.get("layer")
    if SEED in spec.kinds:
        return none_of_today()
    if layer == "raw":
        return payloads_to_validate(calendar, minutes)
    return parents_made_anew() if layer in MADE_OF_PARENTS else None


def index_sensor(index: dg.AssetSelection) -> dg.AutomationConditionSensorDefinition:
    """What asks for the index of the reports, which is no source's, when its condition holds."""
    return dg.AutomationConditionSensorDefinition(
        "automate_index",
        target=index,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Makes the index of the reports anew when one of them was made.",
    )


def automation_sensor(
    source: str, assets: dg.AssetSelection
) -> dg.AutomationConditionSensorDefinition:
    """What asks for runs of a source's assets when their conditions hold."""
    return dg.AutomationConditionSensorDefinition(
        f"automate_{source}",
        target=assets,
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            f"Carries what is new of {source} through all layers, as the conditions of its assets "
            "say. Switch it off to keep cancelled runs from coming back."
        ),
    )
