"""What one source's tables need of another's is made anew when only the other has news."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg

from predictit_assets.build import build_definitions
from predictit_assets.settings import Settings

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
