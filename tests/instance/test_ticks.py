"""What a tick has no time for comes first in the next one."""

import dagster as dg

from predictit_assets.automation.checks import WatchedCheck, check_sensor


def test_checks_that_a_tick_had_no_time_for_come_first_in_the_next() -> None:
    now = 0.0
    evaluated = []

    def watched(name: str) -> WatchedCheck:
        def evaluate(instance: dg.DagsterInstance) -> dg.AssetCheckResult:
            nonlocal now
            now += 15
            evaluated.append(name)
            return dg.AssetCheckResult(passed=True)

        return WatchedCheck(dg.AssetCheckKey(dg.AssetKey("prices"), name), evaluate)

    sensor = check_sensor([watched(name) for name in "abc"], 60, lambda: now)
    instance = dg.DagsterInstance.ephemeral()
    cursor = None
    for _ in range(3):
        result = sensor(dg.build_sensor_context(instance=instance, cursor=cursor))
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
    assert "".join(evaluated) == "abcabc"
