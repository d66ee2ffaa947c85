"""What is kept is enough: a home comes back without its warehouse and Dagster's history."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from conftest import CLOSED, build, observe, stream_of
from story import land, settings_of

from predictit_assets.contract.calendar import DayRange
from predictit_assets.contract.payload import Payload
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.ask import EASTERN
from predictit_assets.sources.predictit.fake import FakePredictIt

DRILL = Path(__file__).parents[2] / "deploy" / "drill.py"
FIRST = datetime(2026, 3, 7, 17, tzinfo=UTC)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three days, built one by one and not in order; a payload in quarantine."""
    settings = settings_of(tmp_path_factory.mktemp("home"))
    world = FakePredictIt(markets=4, contracts=8)
    payloads = observe(world, FIRST, 5, timedelta(hours=12))
    land(settings, payloads)
    land(settings, [Payload(payloads[0].day, FIRST + timedelta(hours=1), b'{"markets": []}')])
    body = b'{"ID": 1, "Name": "no answer that was ever sent"}'
    stream_of(settings, CLOSED).payloads.land(Payload(EASTERN.day_of(FIRST), FIRST, body))
    days = sorted({one.day for one in payloads})
    for day in (days[1], days[2], days[0]):
        build(settings, DayRange(day, day))
    return settings


def drill(settings: Settings, *options: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"}
    return subprocess.run(
        [sys.executable, DRILL, *options],
        env=inherited | {"PREDICTIT_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_objects_alone_bring_every_table_back(home: Settings) -> None:
    before = sorted(home.home.rglob("*"))
    drilled = drill(home)
    assert drilled.returncode == 0, drilled.stderr
    told = [line for line in drilled.stdout.splitlines() if line.startswith("ok")]
    assert "ok       staging.load_log: 6 rows" in told
    assert len(told) > 20
    assert "DIFFERS" not in drilled.stdout
    assert sorted(home.home.rglob("*")) == before
    assert not [*home.home.parent.glob("drill-*")]


def test_what_doesnt_come_back_is_told(home: Settings) -> None:
    with duckdb.connect(home.duckdb_file) as warehouse:
        warehouse.execute("update core.fact_prices set spread = 1 where contract_id % 2 = 0")
        warehouse.execute("create table core.by_hand as select 1 as id")
    drilled = drill(home, "--keep-curated")
    assert drilled.returncode == 1
    told = {line for line in drilled.stdout.splitlines() if line.startswith("DIFFERS")}
    assert "DIFFERS  core.by_hand: is missing" in told
    assert any(line.startswith("DIFFERS  core.fact_prices: ") for line in told)
    assert f"error: {len(told)} tables didn't come back" in drilled.stderr


def test_a_home_that_was_never_built_is_told_in_one_line(tmp_path: Path) -> None:
    drilled = drill(settings_of(tmp_path))
    assert (drilled.returncode, drilled.stdout) == (1, "")
    assert drilled.stderr.startswith("error: ")
    assert len(drilled.stderr.splitlines()) == 1
