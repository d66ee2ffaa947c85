"""The calls of a month: what is left of them, and when that is too little."""

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from predictit_assets.checks.access import access_checks, calls_left
from predictit_assets.fetch.rate_limit import HostRateLimit

NOON = datetime(2026, 3, 21, 12, tzinfo=UTC)
"""Ten and a half days before the month ends: 3,024 polls of five minutes are to come."""
EACH_FIVE_MINUTES = 1 / 300


def limit_of(folder: Path, spent: int, for_polls: float = EACH_FIVE_MINUTES) -> HostRateLimit:
    limit = HostRateLimit(folder / "host", 1.0, a_month=10_000, for_polls=for_polls)
    (folder / "host.2026-03").write_text(str(spent))
    return limit


@pytest.mark.parametrize(
    ("spent", "passed", "severity"),
    [
        (0, True, "WARN"),
        (10_000 - 3_024, True, "WARN"),
        # A few calls that were repeated are no reason to look.
        (10_000 - 2_924, True, "WARN"),
        (10_000 - 2_923, False, "WARN"),
        (10_000, False, "ERROR"),
        (10_001, False, "ERROR"),
    ],
)
def test_calls_that_polls_need_are_missed_before_they_are_gone(
    tmp_path: Path, spent: int, passed: bool, severity: str
) -> None:
    found = calls_left(limit_of(tmp_path, spent), NOON)
    assert (found.passed, found.severity.name) == (passed, severity)


def test_it_tells_when_polls_end(tmp_path: Path) -> None:
    found = calls_left(limit_of(tmp_path, 10_000 - 288), NOON)
    assert found.description == (
        "288 of the month's 10,000 calls are left; polls need 3,024 more, "
        "and end on 2026-03-22 12:00 UTC"
    )


@pytest.mark.parametrize(("spent", "passed"), [(8_999, True), (9_000, False)])
def test_without_polls_a_tenth_is_little(tmp_path: Path, spent: int, passed: bool) -> None:
    assert calls_left(limit_of(tmp_path, spent, for_polls=0), NOON).passed is passed


def test_there_is_a_check_only_of_what_can_fail(tmp_path: Path) -> None:
    unlimited = HostRateLimit(tmp_path / "host", 1.0)
    assert access_checks(["landing", "rivers", "levels"], None, unlimited) == []
    assert access_checks(["landing", "rivers", "levels"], None, None) == []
    (check,) = access_checks(["landing", "rivers", "levels"], None, limit_of(tmp_path, 0))
    assert check.key == dg.AssetCheckKey(dg.AssetKey(["landing", "rivers", "levels"]), "calls_left")
