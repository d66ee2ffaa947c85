"""What dbt makes of staged rows: its unit tests, and the contract that it shares with Pandera."""

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

from conftest import NOON, build, observe

from predictit_assets.contract.calendar import DayRange, day_of
from predictit_assets.instance.dbt_runner import DBT_DIR
from predictit_assets.layers.models import window_variables
from predictit_assets.settings import Settings
from predictit_assets.sources.predictit.fake import FakePredictIt
from predictit_assets.storage.payloads import PayloadStore


def test_the_unit_tests_of_dbt_pass(
    settings: Settings, payloads: PayloadStore, world: FakePredictIt
) -> None:
    # dbt takes the types of given rows from the tables, so there have to be some.
    (observation,) = observe(world, NOON, 1, timedelta(minutes=1))
    payloads.land(observation)
    day = day_of(NOON)
    build(settings, DayRange(day, day))

    run = subprocess.run(
        [
            *(str(Path(sys.executable).with_name("dbt")), "test", "--select", "test_type:unit"),
            *("--project-dir", str(DBT_DIR), "--profiles-dir", str(DBT_DIR)),
            *("--target-path", str(settings.home / "t"), "--log-path", str(settings.home / "t")),
        ],
        env=os.environ | {"PREDICTIT_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
    )

    results = json.loads((settings.home / "t" / "run_results.json").read_text())["results"]
    assert run.returncode == 0, run.stdout
    assert len(results) >= 7
    assert {result["status"] for result in results} == {"pass"}


def test_the_window_of_a_build_ends_before_the_day_after_it() -> None:
    day = day_of(NOON)
    assert json.loads(window_variables(DayRange(day, day))) == {
        "start_date": "2026-03-04",
        "end_date": "2026-03-05",
    }
