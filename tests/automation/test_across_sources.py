"""What one source's tables need of another's is made anew when only the other has news."""

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from predictit_assets import factory
from predictit_assets.build import build_definitions
from predictit_assets.contract.payload import Payload
from predictit_assets.settings import Settings
from predictit_assets.sources import enabled, load

NOON = datetime(2026, 3, 5, 17, tzinfo=UTC)
TODAY, DAY = "2026-03-05", "2026-03-03"


def test_late_closes_of_an_old_day_reach_the_prices_of_trades(tmp_path: Path) -> None:
    definitions = build_definitions(Settings(home=tmp_path, sources=("stocks", "congress")))
    graph = definitions.resolve_asset_graph()
    with dg.DagsterInstance.ephemeral() as instance:

        def report(key: dg.AssetKey) -> None:
            day = DAY if graph.get(key).is_partitioned else None
            instance.report_runless_asset_event(dg.AssetMaterialization(key, partition=day))

        def wanted() -> dict[str, Any]:
            nonlocal cursor
            result = dg.evaluate_automation_conditions(
                definitions, instance, evaluation_time=NOON, cursor=cursor
            )
            cursor = result.cursor
            asked = {
                key: result.get_requested_partitions(key) for key in graph.get_all_asset_keys()
            }
            return {key.to_user_string(): days for key, days in asked.items() if days}

        cursor = None
        for level in graph.toposorted_asset_keys_by_level:
            for key in level:
                report(key)
        assert all(days == {TODAY} for days in wanted().values()), "seeds of today at the most"
        assert wanted() == {}
        report(dg.AssetKey(["core", "stocks", "fact_stock_days"]))
        now = wanted()
        for level in graph.toposorted_asset_keys_by_level:
            for key in level:
                if key.to_user_string() in now:
                    report(key)
        then = wanted()
    assert now["marts/congress/trade_prices"] == now["marts/congress/return_summary"] == {DAY}
    assert set(then) == {"report/congress"}
    assert not {key for key in now if key.startswith(("core/congress", "raw/", "staging/"))}


CHANGES = (date(2026, 3, 8), date(2026, 11, 1))
"""In New York these days have 23 and 25 hours."""


def test_days_of_two_calendars_live_side_by_side_when_clocks_change(tmp_path: Path) -> None:
    """Each source closes its own day by its own clock, and a backfill of both is of whole days."""
    settings = Settings(home=tmp_path / "home", sources=("predictit", "crypto"))
    around = [one + timedelta(days=n) for one in CHANGES for n in (-1, 0, 1)]
    hours = {"predictit": {*CHANGES}, "crypto": set()}
    for on in enabled(settings.sources):
        store = factory.stream(settings, on, on.source.datasets[0]).payloads
        for day in around:
            at = on.source.calendar.start_of(day)
            assert store.land(Payload(day, at, b"{}", "p1of1" if on.name == "crypto" else ""))
    definitions = build_definitions(settings)
    jobs = {job.name: job for job in definitions.resolve_all_job_defs()}
    for name, irregular in hours.items():
        calendar = load(name).calendar
        schedule = definitions.resolve_schedule_def(f"close_{name}")
        assert schedule.execution_timezone == calendar.zone
        assert schedule.cron_schedule == "10 0 * * *"
        for day in around:
            # Ten past midnight on the wall, after that day.
            wall = datetime.combine(day + timedelta(days=1), time(0, 10), calendar.tzinfo)
            with dg.build_schedule_context(scheduled_execution_time=wall) as context:
                request = schedule(context)
            assert isinstance(request, dg.RunRequest)
            assert (request.partition_key, request.run_key) == (str(day), str(day))

        partitions = jobs[f"build_{name}"].partitions_def
        assert isinstance(partitions, dg.DailyPartitionsDefinition)
        assert partitions.timezone == calendar.zone
        window = dg.PartitionKeyRange(str(around[0]), str(around[-1]))
        assert set(map(str, around)) <= set(partitions.get_partition_keys_in_range(window))
        for day in around:
            one = partitions.time_window_for_partition_key(str(day))
            long = one.end.astimezone(UTC) - one.start.astimezone(UTC)
            assert (long == timedelta(hours=24)) is (day not in irregular), (name, day)
    nightly = definitions.resolve_schedule_def("fetch_due_crypto_history")
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("10 2 * * *", "UTC")
    # No asset depends across calendars.
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        near = [graph.get(one) for one in (key, *graph.get(key).parent_keys)]
        zones = {one.partitions_def.timezone for one in near if one.is_partitioned}
        assert len(zones) <= 1, key
